"""How members of a group on PostgreSQL divide partitions."""

from hypothesis import given
from hypothesis import strategies as st

from candlewave.bus.postgres_group import fair_share

members_of = st.lists(st.uuids().map(str), min_size=1, max_size=6, unique=True)


def settle(members: list[str], partitions: int, owners: dict[int, str], order: list[int]) -> int:
    """Let members act one at a time until nobody has anything to do; return the number of partitions that moved."""
    topics = [(member, ["t"]) for member in members]
    moved = 0
    quiet = 0
    turn = 0
    while quiet < len(members):
        me = members[order[turn % len(order)] % len(members)] if turn < len(order) else members[turn % len(members)]
        take, give_up = fair_share(me, topics, partitions, "t", owners)
        assert not (take and give_up)
        assert all(owners.get(p) is None for p in take)
        assert all(owners[p] == me for p in give_up)
        for p in give_up:
            del owners[p]
        owners.update(dict.fromkeys(take, me))
        moved += len(take)
        quiet = 0 if take or give_up or turn < len(order) else quiet + 1
        turn += 1
        assert turn < 1000, "members do not settle"
    return moved


@given(members_of, st.integers(1, 20), st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_members_settle_on_equal_shares_in_any_order(
    members: list[str], partitions: int, order: list[int], data: st.DataObject
) -> None:
    owners = data.draw(st.dictionaries(st.integers(0, partitions - 1), st.sampled_from(members)))
    settle(members, partitions, owners, order)
    assert set(owners) == set(range(partitions))
    loads = [sum(owner == m for owner in owners.values()) for m in members]
    assert max(loads) - min(loads) <= 1


@given(members_of, st.integers(1, 20))
def test_a_newcomer_moves_no_more_than_its_share(members: list[str], partitions: int) -> None:
    owners: dict[int, str] = {}
    settle(members, partitions, owners, [0])
    moved = settle([*members, "newcomer"], partitions, owners, [0])
    assert moved == sum(owner == "newcomer" for owner in owners.values())


def test_members_of_other_topics_get_nothing() -> None:
    members = [("a", ["t"]), ("b", ["other"])]
    assert fair_share("a", members, 3, "t", {}) == ([0, 1, 2], [])


def test_the_eldest_keeps_a_single_partition() -> None:
    members = [("elder", ["t"]), ("younger", ["t"])]
    assert fair_share("elder", members, 1, "t", {0: "elder"}) == ([], [])
    assert fair_share("younger", members, 1, "t", {0: "elder"}) == ([], [])
