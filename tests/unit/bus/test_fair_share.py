"""How members of a group on PostgreSQL divide partitions."""

from hypothesis import given
from hypothesis import strategies as st

from candlewave.bus.postgres_group import fair_share

members_of = st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True)


def settle(members: list[int], partitions: int, owners: dict[int, int], order: list[int]) -> int:
    """Let members act one at a time until nobody has anything to do; return the number of partitions that moved."""
    moved = 0
    quiet = 0
    turn = 0
    while quiet < len(members):
        me = members[order[turn % len(order)] % len(members)] if turn < len(order) else members[turn % len(members)]
        take, give_up = fair_share(me, members, partitions, owners)
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
    members: list[int], partitions: int, order: list[int], data: st.DataObject
) -> None:
    owners = data.draw(st.dictionaries(st.integers(0, partitions - 1), st.sampled_from(members)))
    settle(members, partitions, owners, order)
    assert set(owners) == set(range(partitions))
    loads = [sum(owner == m for owner in owners.values()) for m in members]
    assert max(loads) - min(loads) <= 1


@given(members_of, st.integers(1, 20), st.sampled_from([0, 100]))
def test_a_newcomer_moves_no_more_than_its_share(members: list[int], partitions: int, newcomer: int) -> None:
    owners: dict[int, int] = {}
    settle(members, partitions, owners, [0])
    moved = settle([*members, newcomer], partitions, owners, [0])
    assert moved == sum(owner == newcomer for owner in owners.values())


def test_the_owner_of_a_single_partition_keeps_it() -> None:
    assert fair_share(7, [3, 7], 1, {0: 7}) == ([], [])
    assert fair_share(3, [3, 7], 1, {0: 7}) == ([], [])


def test_a_partition_held_by_a_session_outside_the_group_is_not_free() -> None:
    assert fair_share(3, [3], 2, {0: 99}) == ([1], [])
