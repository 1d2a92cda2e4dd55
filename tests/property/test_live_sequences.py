"""Live trades and polls of the newest trades, in any order: each trade is published once or lies in a hole."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from candlewave.contracts.records import Trade
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.holes import Hole
from candlewave.services.ingest.live.feed import ExchangeFeed
from candlewave.services.ingest.live.publish_queue import PublishQueue
from candlewave.services.ingest.live.sequence import TradeSequence
from candlewave.services.ingest.records import RawTrade
from candlewave.services.ingest.settings import IngestSettings

BTC = "BTC/USD"
T0 = datetime(2026, 6, 1, tzinfo=UTC)


class Queue:
    """Takes what a feed publishes."""

    full = False

    def __init__(self) -> None:
        self.items: list[object] = []

    def put(self, item: object) -> None:
        self.items.append(item)

    async def put_waiting(self, item: object) -> None:
        self.put(item)


class Market:
    """What a feed asks of its exchange when nothing is sent."""

    name = "kraken"

    def __init__(self, running_ids: bool) -> None:
        self.running_ids = running_ids


def raw(number: int, running_ids: bool) -> RawTrade:
    """Return trade ``number``: one each second, the same by each path."""
    identity = str(number) if running_ids else f"t{number}"
    return RawTrade(BTC, identity, T0 + timedelta(seconds=number), "100", "1", "buy", json.dumps(number).encode())


# What happens next: a trade that the subscription brings, one that it loses, a page of the newest trades, a repetition
# of an earlier trade, a new connection.
events = st.lists(
    st.one_of(
        st.sampled_from(["brought", "lost", "connected"]),
        st.tuples(st.just("page"), st.integers(1, 12)),
        st.tuples(st.just("again"), st.integers(1, 6)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(events=events, running_ids=st.booleans())
def test_each_trade_is_published_once_or_in_a_hole(events: list[Any], running_ids: bool) -> None:
    """Repetitions are of running ids: others are recognised only while they are remembered."""
    events = [e for e in events if running_ids or e[0] != "again"]
    happened = 0
    queue = Queue()
    feed = ExchangeFeed(
        cast(Exchange, Market(running_ids)),
        [BTC],
        cast(PublishQueue, queue),
        cast(Any, None),
        timedelta(seconds=2),
        IngestSettings(),
        clock=lambda: T0 + timedelta(seconds=happened),
    )
    feed._markets[BTC] = TradeSequence("kraken", BTC, None, running_ids=running_ids)

    def ids() -> list[int]:
        return [int(item.trade_id.lstrip("t")) for item in queue.items if isinstance(item, Trade)]

    caught_up = True
    for event in events:
        if event == "brought":
            happened += 1
            feed._receive(raw(happened, running_ids))
            caught_up = True
        elif event == "lost":
            happened += 1
            caught_up = False
        elif event == "connected":
            feed._markets[BTC].broken = True
        elif event[0] == "page" and happened:
            page = [raw(n, running_ids) for n in range(max(1, happened - event[1] + 1), happened + 1)]
            feed._merge(BTC, page, T0 + timedelta(seconds=happened))
            caught_up = True
        elif event[0] == "again" and ids():
            feed._receive(raw(max(ids()[-1] - event[1], ids()[0]), running_ids=True))
    published = ids()
    assert len(published) == len(set(published))
    holes = [item for item in queue.items if isinstance(item, Hole)]
    missing = set(range(1, happened + 1)) - set(published)
    if running_ids:
        inside = {n for hole in holes for n in range((hole.after.number or 0) + 1, hole.before.number or 0)}
        first = min(published, default=happened + 1)
        assert {n for n in missing if first < n < max(published, default=0)} <= inside
    if caught_up:
        assert happened == 0 or published[-1] == happened
