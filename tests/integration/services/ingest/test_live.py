"""Live ingest against the fake exchange, through a real bus into a real engine: nothing lost, nothing doubled."""

import asyncio
import base64
import re
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.fakes.kraken import FakeKraken
from tests.integration.services.ingest.conftest import Engine

from candlewave.bus.protocol import BusUnavailableError, partition_of
from candlewave.core.markets import market_key
from candlewave.services.ingest import metrics
from candlewave.services.ingest.exchanges import kraken as kraken_forms
from candlewave.services.ingest.exchanges.reception import Reception
from candlewave.services.ingest.live.ingest import LiveIngest
from candlewave.services.ingest.records import NoSymbolLeftError
from candlewave.services.ingest.settings import IngestSettings, Mirror
from candlewave.services.ingest.store import EngineStore

BTC, ETH = "BTC/USD", "ETH/USD"
GRACE = timedelta(seconds=2)


@pytest.fixture
def kraken() -> Iterator[FakeKraken]:
    with FakeKraken([BTC, ETH]) as fake:
        yield fake


def now() -> datetime:
    return datetime.now(UTC)


class Running:
    """Live ingest on a thread of its own, as a service would run it."""

    def __init__(
        self,
        engine: Engine,
        kraken: FakeKraken,
        bus: Any = None,
        symbols: Sequence[str] = (BTC, ETH),
        clock: Callable[[], datetime] = now,
        **settings: float,
    ) -> None:
        self._symbols = symbols
        self._clock = clock
        kraken.clock = clock
        patience = {"retry_first_seconds": 0.05, "retry_max_seconds": 0.2, "request_interval_ms": 1.0}
        self._settings = IngestSettings(
            exchange_urls={"kraken": Mirror(rest=kraken.rest, ws=kraken.ws)},
            **{**patience, **settings},
        )
        self._bus = bus or engine.bus
        self._store = EngineStore(engine.connect)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self.ingest: LiveIngest
        self.error: BaseException | None = None
        self.events: list[MutableMapping[str, Any]] = []
        self._thread = threading.Thread(target=self._run)

    def start(self, owns: Callable[[str, str], bool] = lambda _e, _s: True) -> "Running":
        self._thread.start()
        assert self._started.wait(10)
        self.own(owns)
        return self

    def own(self, owns: Callable[[str, str], bool]) -> None:
        asyncio.run_coroutine_threadsafe(self.ingest.own(owns), self._loop).result(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._store.close()

    def _run(self) -> None:
        async def main() -> None:
            self.ingest = LiveIngest(
                self._bus,
                self._store,
                {"kraken": self._symbols},
                GRACE,
                self._settings,
                self._clock,
                lambda: self._clock().timestamp(),
            )
            self._started.set()
            await self.ingest.run(self._stop)

        try:
            self._loop.run_until_complete(main())
        except Exception as error:  # noqa: BLE001 (shown by the test)
            self.error = error
        finally:
            self._loop.close()


@contextmanager
def live(
    engine: Engine,
    kraken: FakeKraken,
    bus: Any = None,
    symbols: Sequence[str] = (BTC, ETH),
    clock: Callable[[], datetime] = now,
    **settings: float,
) -> Iterator[Running]:
    with capture_logs() as events:
        running = Running(engine, kraken, bus, symbols, clock, **settings).start()
        running.events = events
        try:
            watched = [
                s for s in symbols if s in kraken.trades and s not in kraken.refused_symbols.keys() | kraken.unlisted
            ]
            kraken.wait_for(lambda k: all(k.subscribers(symbol) == 1 for symbol in watched))
            yield running
        finally:
            running.stop()
    assert running.error is None


def stored(engine: Engine, symbol: str) -> list[int]:
    rows = engine.rows(
        "SELECT trade_id FROM trades WHERE exchange = 'kraken' AND symbol = %s AND kind = 'trade' ORDER BY seq", symbol
    )
    return [int(str(row[0])) for row in rows]


def wait_for_trades(engine: Engine, kraken: FakeKraken, symbol: str = BTC) -> None:
    """Return when the engine has exactly the exchange's trades, each once."""
    wanted = [t.trade_id for t in kraken.trades[symbol]]
    try:
        engine.wait(lambda: stored(engine, symbol) == wanted)
    except TimeoutError:
        assert stored(engine, symbol) == wanted


def published(engine: Engine) -> list[tuple[object, ...]]:
    """Every trade message on the bus, as (key, id, origin): here doublings would show."""
    relation = engine.value("SELECT relation FROM bus.topics WHERE topic = 'trades'")
    return engine.rows(
        "SELECT key, value::jsonb ->> 'trade_id', value::jsonb ->> 'origin'"
        f" FROM {relation} WHERE value::jsonb ->> 'kind' = 'trade' ORDER BY partition, \"offset\""
    )


def test_trades_flow_from_the_exchange_into_the_engine(running: Engine, kraken: FakeKraken) -> None:
    with live(running, kraken):
        for i in range(20):
            kraken.trade(BTC, now(), f"{64000 + i}.1", "0.5", "sell")
            kraken.trade(ETH, now(), "3200.25", "1.5")
        wait_for_trades(running, kraken, BTC)
        wait_for_trades(running, kraken, ETH)
    row = running.rows("SELECT price, quantity, side, origin FROM trades WHERE symbol = %s AND seq = 3", BTC)
    assert row == [(64002.1, 0.5, "sell", "live")]
    assert len(published(running)) == 40


def test_after_a_disconnect_the_hole_is_filled_and_nothing_is_doubled(running: Engine, kraken: FakeKraken) -> None:
    kraken.snapshot = 0
    with live(running, kraken) as service:
        for _ in range(5):
            kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        kraken.refuse_websockets(2)
        kraken.disconnect()
        kraken.wait_for(lambda k: k.refused == 2)
        for i in range(2_500):
            kraken.trade(BTC, now(), f"{100 + i / 100}", send=False)
        kraken.wait_for(lambda k: k.subscribers(BTC) == 1)
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        engine_state = "SELECT state, trades FROM loaded_ranges WHERE symbol = %s"
        running.wait(lambda: running.rows(engine_state, BTC) == [("done", 2_500)])
    ids = [row[1] for row in published(running)]
    assert len(ids) == len(set(ids)) == 2_506
    origins = [row[2] for row in published(running)]
    assert origins.count("backfill") == 2_500
    assert [e["event"] for e in service.events].count("reconnecting") >= 3


def test_a_sequence_hole_without_a_disconnect_is_filled(running: Engine, kraken: FakeKraken) -> None:
    with live(running, kraken):
        kraken.trade(BTC, now())
        for _ in range(3):
            kraken.trade(BTC, now(), send=False)
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)


def test_duplicates_are_published_once(running: Engine, kraken: FakeKraken) -> None:
    with live(running, kraken):
        trades = [kraken.trade(BTC, now()) for _ in range(5)]
        for trade in trades:
            kraken.send_again(BTC, trade)
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
    assert len(published(running)) == 6


def test_an_id_with_other_content_is_kept_as_a_conflict(running: Engine, kraken: FakeKraken) -> None:
    """Found in this process, after a restart, and when the exchange begins to count again."""
    before = metrics.REJECTED.labels("id_used_before")._value.get()
    rejected = "SELECT trade_id, reason, price FROM trades_rejected ORDER BY price"
    with live(running, kraken):
        trade = kraken.trade(BTC, now() - timedelta(minutes=5), "100")
        kraken.trade(BTC, now() - timedelta(minutes=4), "100")
        kraken.send_again(BTC, trade)
        kraken.send_again(BTC, replace(trade, price="101"))
        running.wait(lambda: len(running.rows(rejected)) == 1)
    running.wait(lambda: running.value("SELECT count(*) FROM feed_clock WHERE last_trade_ts IS NOT NULL") == 1)
    with live(running, kraken):
        kraken.send_again(BTC, replace(trade, price="102"))
        running.wait(lambda: len(running.rows(rejected)) == 2)
        kraken.send_again(BTC, replace(trade, price="103", ts=now()))
        running.wait(lambda: len(running.rows(rejected)) == 3)
    ids, reasons, prices = zip(*running.rows(rejected), strict=True)
    assert all(str(identity).startswith("used:1:") for identity in ids)
    assert set(reasons) == {"id used before"}
    assert prices == (101.0, 102.0, 103.0)
    assert metrics.REJECTED.labels("id_used_before")._value.get() - before == 3
    assert stored(running, BTC) == [1, 2]


def test_garbage_becomes_dead_letters_and_stops_nothing(running: Engine, kraken: FakeKraken) -> None:
    good = {"symbol": BTC, "side": "buy", "qty": 1.0, "ord_type": "limit", "timestamp": now().isoformat()}
    with live(running, kraken):
        kraken.trade(BTC, now())
        kraken.send_raw("{not json")
        kraken.send_raw("<html>maintenance</html>")
        kraken.send_raw(b"\xff\xfe\x00")
        kraken.send(None, {"channel": "trade", "type": "update", "data": [17]})
        kraken.send(None, {"channel": "trade", "type": "update", "data": None})
        kraken.send(None, {"channel": "trade", "type": "update", "data": [{**good, "trade_id": 2, "price": "abc"}]})
        kraken.send(None, {"channel": "trade", "type": "update", "data": [{**good, "trade_id": 3, "price": -1.0}]})
        kraken.send(None, {"channel": "trade", "type": "update", "data": [{**good, "price": 1.0}]})
        kraken.send(
            None,
            {"channel": "trade", "type": "update", "data": [{**good, "symbol": "X/Y", "trade_id": 1, "price": 1.0}]},
        )
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        running.wait(lambda: running.value("SELECT count(*) FROM trades_dlq") == 9)
    assert kraken.connections_made == 1, "no garbage may break the connection"
    payloads = [base64.b64decode(str(row[0])) for row in running.rows("SELECT payload_base64 FROM trades_dlq")]
    assert b"{not json" in payloads
    assert b"\xff\xfe\x00" in payloads
    reasons = [str(row[0]) for row in running.rows("SELECT reason FROM trades_dlq ORDER BY reason")]
    assert "price 'abc' is not a decimal number" in reasons
    assert "symbol X/Y of kraken is not configured" in reasons


def test_rate_limits_and_garbage_over_rest_make_it_wait_and_try_again(running: Engine, kraken: FakeKraken) -> None:
    before = metrics.RATE_LIMITED.labels("kraken")._value.get()
    with live(running, kraken):
        kraken.trade(BTC, now())
        kraken.limit_rest(2, "429")
        kraken.limit_rest(2, "EAPI:Rate limit exceeded")
        kraken.limit_rest(1, "garbage")
        kraken.trade(BTC, now(), send=False)
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
    assert kraken.requests["refused Trades"] == 5
    assert metrics.RATE_LIMITED.labels("kraken")._value.get() - before == 4


def test_a_restart_goes_on_from_the_last_stored_id(running: Engine, kraken: FakeKraken) -> None:
    kraken.snapshot = 0
    with live(running, kraken):
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
    running.wait(lambda: running.value("SELECT count(*) FROM feed_clock WHERE last_trade_ts IS NOT NULL") == 1)
    for _ in range(4):
        kraken.trade(BTC, now(), send=False)
    with live(running, kraken):
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
    assert len(published(running)) == 6


def test_a_hole_that_was_on_record_at_a_crash_is_filled_by_the_next_start(running: Engine, kraken: FakeKraken) -> None:
    kraken.snapshot = 0
    with live(running, kraken) as service:
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        kraken.limit_rest(10_000)
        kraken.trade(BTC, now(), send=False)
        kraken.trade(BTC, now())
        running.wait(lambda: running.value("SELECT count(*) FROM loaded_ranges WHERE state = 'loading'") == 1)
        running.wait(lambda: stored(running, BTC) == [1, 3])
    assert "hole" in [e["event"] for e in service.events]
    kraken._rate_limits.clear()
    with live(running, kraken):
        wait_for_trades(running, kraken)


def test_two_replicas_share_the_symbols_and_hand_over_without_doubling(running: Engine, kraken: FakeKraken) -> None:
    def share(wanted: str) -> Callable[[str, str], bool]:
        return lambda _exchange, symbol: symbol == wanted

    first = Running(running, kraken).start(lambda _e, _s: True)
    second = Running(running, kraken).start(lambda _e, _s: False)
    try:
        kraken.wait_for(lambda k: k.subscribers(BTC) == 1 and k.subscribers(ETH) == 1)
        kraken.trade(BTC, now())
        kraken.trade(ETH, now())
        wait_for_trades(running, kraken, BTC)
        wait_for_trades(running, kraken, ETH)
        first.own(share(BTC))
        second.own(share(ETH))
        kraken.wait_for(lambda k: k.subscribers(BTC) == 1 and k.subscribers(ETH) == 1)
        for _ in range(10):
            kraken.trade(BTC, now())
            kraken.trade(ETH, now())
        wait_for_trades(running, kraken, BTC)
        wait_for_trades(running, kraken, ETH)
    finally:
        first.stop()
        second.stop()
    rows = published(running)
    assert len(rows) == len(set(rows)) == 22


def test_markets_hash_to_shards_by_their_key() -> None:
    keys = {market_key("kraken", f"S{i}/USD") for i in range(200)}
    assert {partition_of(key, 12) for key in keys} == set(range(12))


def test_a_bus_that_is_away_loses_nothing(running: Engine, kraken: FakeKraken) -> None:
    class Failing:
        failures = 3

        def publish(self, topic: str, messages: Any) -> None:
            if self.failures:
                self.failures -= 1
                raise BusUnavailableError("away")
            running.bus.publish(topic, messages)

    with live(running, kraken, Failing()) as service:
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        assert service.ingest.problem is None


def test_a_quiet_live_feed_sends_heartbeats(running: Engine, kraken: FakeKraken) -> None:
    with live(running, kraken):
        kraken.trade(BTC, now())
        running.wait(lambda: running.value("SELECT count(*) FROM trades WHERE kind = 'heartbeat'") >= 2, timeout=40)
    symbols = {row[0] for row in running.rows("SELECT symbol FROM trades WHERE kind = 'heartbeat'")}
    assert symbols == {BTC, ETH}


def dropped(symbol: str) -> float:
    return float(metrics.DROPPED.labels("kraken", symbol)._value.get())


def test_a_name_in_another_script_is_a_market(running: Engine) -> None:
    symbol = "币安人生/USD"
    with FakeKraken([symbol]) as kraken, live(running, kraken, symbols=[symbol]):
        kraken.trade(symbol, now(), "0.5")
        kraken.trade(symbol, now(), "0.6", send=False)
        kraken.trade(symbol, now(), "0.7")
        wait_for_trades(running, kraken, symbol)
    assert stored(running, symbol) == [1, 2, 3]


def test_an_unknown_symbol_leaves_the_others_running(running: Engine, kraken: FakeKraken) -> None:
    with live(running, kraken, symbols=(BTC, "NOPE/USD")) as service:
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        assert service.ingest.dropped == "kraken NOPE/USD: kraken does not trade NOPE/USD"
        assert service.ingest.problem is None
        assert dropped("NOPE/USD") == 1
        assert running.rows("SELECT symbol FROM symbols") == [(BTC,)], "a market that is not traded leaves no trace"
    assert [e["symbol"] for e in service.events if e["event"] == "symbol dropped"] == ["NOPE/USD"]


def test_a_refused_symbol_is_dropped_alone_and_the_connection_stays(running: Engine, kraken: FakeKraken) -> None:
    kraken.refused_symbols[ETH] = f"Currency pair not supported {ETH}"
    with live(running, kraken) as service:
        kraken.wait_for(lambda k: k.requests[f"refuse {ETH}"] == 1)
        for _ in range(5):
            kraken.trade(BTC, now())
        wait_for_trades(running, kraken)
        assert ETH in str(service.ingest.dropped)
        assert kraken.connections_made == 1
        assert kraken.requests[f"refuse {ETH}"] == 1
        assert dropped(ETH) == 1
    heartbeats = running.value("SELECT count(*) FROM trades WHERE kind = 'heartbeat' AND symbol = %s", ETH)
    assert heartbeats == 0, "nobody watched it"


@pytest.mark.parametrize("how", ["refused", "unlisted"])
def test_a_dropped_symbol_comes_back_on_the_same_connection(running: Engine, kraken: FakeKraken, how: str) -> None:
    kraken.trade(ETH, now())
    if how == "refused":
        kraken.refused_symbols[ETH] = f"Currency pair not supported {ETH}"
    else:
        kraken.unlisted.add(ETH)
    with live(running, kraken, symbol_retry_first_seconds=0.2, symbol_retry_max_seconds=0.4) as service:
        asked = "AssetPairs" if how == "unlisted" else f"refuse {ETH}"
        kraken.wait_for(lambda k: k.requests[asked] >= 3)
        kraken.refused_symbols.clear()
        kraken.unlisted.clear()
        kraken.wait_for(lambda k: k.subscribers(ETH) == 1)
        kraken.trade(ETH, now())
        kraken.trade(BTC, now())
        wait_for_trades(running, kraken, ETH)
        wait_for_trades(running, kraken, BTC)
        assert service.ingest.dropped is None
        assert dropped(ETH) == 0
    assert kraken.connections_made == 1
    waits = [e for e in service.events if e["event"] == "symbol dropped"]
    assert len(waits) >= 2


def test_reconnections_grow_while_connections_do_not_hold(running: Engine, kraken: FakeKraken) -> None:
    kraken.trade(BTC, now())  # its snapshot is heard on every connection before the refusal
    for symbol in (BTC, ETH):
        kraken.refused_symbols[symbol] = "EService: unavailable"
    with live(running, kraken, retry_first_seconds=0.05, retry_max_seconds=60) as service:
        kraken.wait_for(lambda k: k.connections_made >= 6)
        kraken.refused_symbols.clear()
        kraken.wait_for(lambda k: k.subscribers(BTC) == 1)
    pauses = [e["in_seconds"] for e in service.events if e["event"] == "reconnecting"]
    assert all(0.5 * 0.05 * 2**i <= pause + 0.001 <= 0.05 * 2**i + 0.002 for i, pause in enumerate(pauses))
    assert service.ingest.dropped is None, "a passing refusal is not the symbol's"


def test_the_service_ends_when_no_symbol_is_left(running: Engine, kraken: FakeKraken) -> None:
    kraken.refused_symbols[BTC] = f"Currency pair not supported {BTC}"
    service = Running(running, kraken, symbols=(BTC, "NOPE/USD")).start()
    service._thread.join(20)
    service._store.close()
    assert isinstance(service.error, NoSymbolLeftError)
    assert "kraken does not trade NOPE/USD" in str(service.error)
    assert f"Currency pair not supported {BTC}" in str(service.error)


def test_one_trade_that_breaks_the_reader_leaves_its_frame_whole(
    running: Engine, kraken: FakeKraken, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = kraken_forms.read_trade

    def breaking(reception: Reception, trade: Any, snapshot: bool) -> Any:
        if trade.get("trade_id") == 2:
            raise ArithmeticError("out of range")
        return read(reception, trade, snapshot)

    monkeypatch.setattr(kraken_forms, "read_trade", breaking)
    trade = {"symbol": BTC, "side": "buy", "qty": 1.0, "price": 5.0, "ord_type": "limit"}
    with live(running, kraken):
        data = [{**trade, "trade_id": i, "timestamp": now().isoformat().replace("+00:00", "Z")} for i in (1, 2)]
        kraken.send(BTC, {"channel": "trade", "type": "update", "data": [{**trade, "symbol": ["x"]}, *data]})
        running.wait(lambda: stored(running, BTC) == [1])
        running.wait(lambda: running.value("SELECT count(*) FROM trades_dlq") == 2)
    assert kraken.connections_made == 1
    reasons = [str(row[0]) for row in running.rows("SELECT reason FROM trades_dlq")]
    assert "trade cannot be read: ArithmeticError: out of range" in reasons


def test_krakens_own_names_are_mapped_to_the_symbols_of_everyone_else(running: Engine) -> None:
    """Its LUNA is LUNC elsewhere, its LUNA2 is LUNA: each coin's trades must stay its own."""
    with FakeKraken(["LUNA/USD", "LUNA2/USD"]) as kraken:
        service = Running(running, kraken, symbols=("LUNA/USD", "LUNC/USD"))
        with capture_logs() as events:
            service.start()
            try:
                kraken.wait_for(lambda k: k.subscribers("LUNA/USD") == 1 and k.subscribers("LUNA2/USD") == 1)
                kraken.trade("LUNA/USD", now(), "0.0001")
                kraken.trade("LUNA2/USD", now(), "7.5")
                running.wait(lambda: running.value("SELECT count(*) FROM trades WHERE kind = 'trade'") == 2)
            finally:
                service.stop()
    rows = running.rows("SELECT symbol, price FROM trades WHERE kind = 'trade' ORDER BY symbol")
    assert rows == [("LUNA/USD", 7.5), ("LUNC/USD", 0.0001)]
    assert [e["names"] for e in events if e["event"] == "name differs"] == [
        "LUNA/USD is what kraken itself calls LUNA2/USD; its own LUNA/USD is LUNC/USD here",
        "LUNC/USD is what kraken itself calls LUNA/USD",
    ]


def fast_clock(speed: int = 20) -> Callable[[], datetime]:
    begin = now()
    return lambda: begin + (now() - begin) * speed


@contextmanager
def trading(kraken: FakeKraken, clock: Callable[[], datetime], *symbols: str) -> Iterator[None]:
    """Let symbols trade all the time."""
    stop = threading.Event()

    def trade() -> None:
        while not stop.wait(0.2):
            for symbol in symbols:
                kraken.trade(symbol, clock())

    trader = threading.Thread(target=trade)
    trader.start()
    try:
        yield
    finally:
        stop.set()
        trader.join()


def heartbeats(engine: Engine, symbol: str) -> list[datetime]:
    """Return the times of a symbol's heartbeats on the bus."""
    relation = engine.value("SELECT relation FROM bus.topics WHERE topic = 'trades'")
    rows = engine.rows(
        f"SELECT value::jsonb ->> 'ts' FROM {relation} WHERE value::jsonb ->> 'kind' = 'heartbeat'"
        " AND value::jsonb ->> 'symbol' = %s ORDER BY 1",
        symbol,
    )
    return [datetime.fromisoformat(str(row[0])) for row in rows]


def test_a_subscription_that_dies_silently_gives_no_heartbeats(running: Engine) -> None:
    """The connection lives, BTC trades, but nothing shows that ETH is served; SOL is only quiet, which a poll shows."""
    sol, clock = "SOL/USD", fast_clock()
    with (
        FakeKraken([BTC, ETH, sol]) as kraken,
        live(running, kraken, symbols=(BTC, ETH, sol), clock=clock, silence_seconds=75) as service,
    ):
        kraken.trade(ETH, clock())
        wait_for_trades(running, kraken, ETH)
        kraken.rest_down.add(ETH)
        kraken.ignored.add(ETH)
        kraken.mute(ETH)
        died = clock()

        def quiet_minutes() -> int:
            return len({ts.replace(second=0, microsecond=0) for ts in heartbeats(running, sol) if ts > died})

        with trading(kraken, clock, BTC):
            running.wait(lambda: quiet_minutes() >= 3, timeout=200)
            kraken.wait_for(lambda k: k.requests[f"ignore {ETH}"] >= 2, 60)
        assert max(heartbeats(running, ETH), default=died) <= died + timedelta(seconds=15)
        assert str(service.ingest.silent).startswith(f"kraken {ETH}: nothing heard for ")
        assert "REST: ExchangeNotAvailable" in str(service.ingest.silent)
        assert service.ingest.problem is None, "others are heard"
        assert metrics.SILENT.labels("kraken", ETH)._value.get() == 1
        assert kraken.connections_made == 1
        tries = [e for e in service.events if e["event"] == "symbol is silent"]
        assert [e["symbol"] for e in tries] == [ETH]

        kraken.ignored.clear()
        kraken.rest_down.clear()
        with trading(kraken, clock, ETH):
            kraken.wait_for(lambda k: k.subscribers(ETH) == 1, 60)
            running.wait(lambda: service.ingest.silent is None)
    assert metrics.SILENT.labels("kraken", ETH)._value.get() == 0


def test_trades_that_a_dead_subscription_misses_come_over_rest(running: Engine, kraken: FakeKraken) -> None:
    clock = fast_clock()
    with live(running, kraken, clock=clock) as service:
        kraken.trade(ETH, clock())
        wait_for_trades(running, kraken, ETH)
        kraken.ignored.add(ETH)
        kraken.mute(ETH)

        with trading(kraken, clock, BTC, ETH):
            kraken.wait_for(lambda k: k.requests[f"ignore {ETH}"] >= 2, 60)
        assert "its subscription misses trades, which come over REST" in str(service.ingest.silent)
        wait_for_trades(running, kraken, ETH)
        kraken.ignored.clear()
        kraken.wait_for(lambda k: k.subscribers(ETH) == 1, 60)
        kraken.trade(ETH, clock())
        wait_for_trades(running, kraken, ETH)
        running.wait(lambda: service.ingest.silent is None)
    rows = published(running)
    assert len(rows) == len({row[:2] for row in rows}), "each once"


@pytest.mark.parametrize(("ahead", "side"), [(7.3, "behind"), (-7.3, "ahead of")])
@pytest.mark.parametrize("answers", [True, False])
def test_a_wrong_clock_of_the_host_is_named_and_refuses_no_trade(
    running: Engine, kraken: FakeKraken, ahead: float, side: str, answers: bool
) -> None:
    offset = timedelta(seconds=ahead)
    with live(running, kraken) as service:
        service.own(lambda _exchange, _symbol: False)
        kraken.clock = lambda: now() + offset
        kraken.tells_time = answers
        service.own(lambda _exchange, _symbol: True)
        kraken.wait_for(lambda k: k.subscribers(BTC) == 1)
        for _ in range(20):
            kraken.trade(BTC, now() + offset)
        wait_for_trades(running, kraken)
        named = str(service.ingest.clocks)
        if answers or ahead > 0:
            running.wait(lambda: "clocks differ" in [e["event"] for e in service.events])
        newest = running.value("SELECT max(ingest_ts) FROM trades WHERE kind = 'trade'")
    if not answers and ahead < 0:
        assert named == "None", "late trades alone are no sign of a fast clock"
        return
    assert re.fullmatch(rf"this host's clock is [678]\.\d s {side} kraken's", named)
    assert [e["exchange"] for e in service.events if e["event"] == "clocks differ"] == ["kraken"]
    assert running.value("SELECT count(*) FROM trades_rejected") == 0
    last = kraken.trades[BTC][-1].ts
    assert isinstance(newest, datetime)
    assert abs(newest - last) < timedelta(seconds=2), "records carry the exchange's time of arrival"
    assert metrics.CLOCK_SKEW.labels("kraken")._value.get() * ahead < 0


def test_a_symbol_that_is_delisted_without_a_word_is_dropped(running: Engine, kraken: FakeKraken) -> None:
    clock = fast_clock()
    with live(running, kraken, clock=clock) as service:
        kraken.unlisted.add(ETH)
        kraken.mute(ETH)

        with trading(kraken, clock, BTC):
            running.wait(lambda: service.ingest.dropped is not None, timeout=200)
        # Who asks first, the poll or the list of markets, words it.
        assert re.search(r"kraken ETH/USD: .*(Unknown asset pair|does not have market)", str(service.ingest.dropped))
        assert service.ingest.problem is None
    assert kraken.connections_made == 1
