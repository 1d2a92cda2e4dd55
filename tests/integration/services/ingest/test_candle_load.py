"""Loading history as candles: complete, resumable, compared with what is stored, and never over trades."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes.binance import FakeKlines, kline
from tests.fakes.kraken import FakeKraken
from tests.integration.services.ingest.conftest import Engine

from candlewave.bus.protocol import BusUnavailableError, Message
from candlewave.core.markets import Market
from candlewave.services.ingest.candle_load import CandleLoader, CandlesLoaded
from candlewave.services.ingest.candle_verify import StoredCandles
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.ledger import AlreadyLoadedError, Ledger, LoadedRange, RangeSource, State
from candlewave.services.ingest.recent import RecentHistory, Step
from candlewave.services.ingest.records import HistoryUnavailableError
from candlewave.services.ingest.settings import IngestSettings, Mirror

BTC = "BTC/USD"
T0 = datetime(2026, 6, 1, tzinfo=UTC)
MS0 = int(T0.timestamp() * 1000)
GRACE = timedelta(seconds=2)
FAST = {"retry_first_seconds": 0.01, "retry_max_seconds": 0.05, "request_interval_ms": 0.1}


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


class Interrupted:
    """A bus that goes away after some candles."""

    def __init__(self, engine: Engine, after: int) -> None:
        self._bus = engine.bus
        self._left = after

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        batch = list(messages)
        if topic == "loaded_candles":
            if self._left < len(batch):
                raise BusUnavailableError("interrupted")
            self._left -= len(batch)
        self._bus.publish(topic, batch)


def loader(engine: Engine, bus: object = None, **options: object) -> CandleLoader:
    return CandleLoader(bus or engine.bus, Ledger(engine.conn), GRACE, **options)  # type: ignore[arg-type]


def binance(
    loading: CandleLoader, fake: FakeKlines, begin: datetime, end: datetime, symbol: str = "BTC/USDT"
) -> CandlesLoaded:
    async def load() -> CandlesLoaded:
        exchange = Exchange("binance", IngestSettings(**FAST))  # type: ignore[arg-type]
        fake.attach(exchange.client)
        exchange.candles_at_once = lambda _symbol: fake.page  # type: ignore[method-assign]
        try:
            return await loading.load_api(exchange, symbol, begin, end)
        finally:
            await exchange.close()

    return asyncio.run(load())


def kraken_load(loading: CandleLoader, kraken: FakeKraken, begin: datetime, end: datetime) -> CandlesLoaded:
    async def load() -> CandlesLoaded:
        exchange = Exchange("kraken", settings_of(kraken))
        try:
            return await loading.load_api(exchange, BTC, begin, end)
        finally:
            await exchange.close()

    return asyncio.run(load())


def settings_of(kraken: FakeKraken) -> IngestSettings:
    return IngestSettings(exchange_urls={"kraken": Mirror(rest=kraken.rest, ws=kraken.ws)}, **FAST)  # type: ignore[arg-type]


def loaded(engine: Engine, exchange: str = "binance") -> list[int]:
    """Return the minutes, since T0, of stored candles, repeated for each load that has them."""
    engine.refresh()
    rows = engine.rows("SELECT open_time FROM loaded_candles WHERE exchange = %s ORDER BY open_time", exchange)
    return [int((row[0] - T0).total_seconds() // 60) for row in rows]  # type: ignore[operator]


def heartbeats(engine: Engine, exchange: str = "binance") -> list[float]:
    engine.refresh()
    rows = engine.rows("SELECT ts FROM trades WHERE exchange = %s AND kind = 'heartbeat' ORDER BY ts", exchange)
    return [(row[0] - T0).total_seconds() / 60 for row in rows]  # type: ignore[operator]


def ranges(engine: Engine, exchange: str = "binance", symbol: str = "BTC/USDT") -> list[LoadedRange]:
    return Ledger(engine.conn).ranges(exchange, symbol)


@pytest.fixture
def kraken() -> Iterator[FakeKraken]:
    """Kraken after 1,000 minutes with a trade every 40 s, but for ten quiet minutes from minute 600 on."""
    with FakeKraken([BTC, "ETH/USD"]) as fake:
        for i in range(1_500):
            if not 600 <= i * 40 / 60 < 610:
                fake.trade(BTC, T0 + timedelta(seconds=i * 40), f"{60_000 + i % 97}.5", "0.01", send=False)
        fake.now = at(1_000) + timedelta(seconds=30)
        yield fake


def test_candles_over_rest_are_complete_and_the_open_one_is_left_out(engine: Engine) -> None:
    fake = FakeKlines([kline(MS0 + 60_000 * m) for m in range(31)], page=7, now_ms=MS0 + 30 * 60_000 + 20_000)
    stored = StoredCandles(engine.conn, 0)
    done = binance(loader(engine, on_published=stored.note), fake, T0, at(99))
    assert loaded(engine) == list(range(30)), "minute 30 is not over by the exchange's clock"
    assert (done.candles, done.first) == (30, T0)
    assert ranges(engine) == [
        LoadedRange("binance", "BTC/USDT", RangeSource.CANDLE_API, T0, at(30), State.DONE, "", 30)
    ]
    row = engine.rows(
        "SELECT open, high, low, close, volume, turnover, trades, buy_volume, source FROM loaded_candles LIMIT 1"
    )
    assert row == [(100.0, 101.0, 99.5, 100.5, 3.0, 301.1, 4, 1.25, "rest")]
    stored.check()
    assert (stored.checked, stored.problem()) == (30, None)
    requests = len(fake.requests)
    assert binance(loader(engine), fake, T0, at(99)).ranges == ()
    assert len(fake.requests) == requests, "what is loaded is not asked for again"


def test_minutes_listed_without_a_trade_and_minutes_left_out_are_quiet(engine: Engine) -> None:
    listed = kline(MS0 + 2 * 60_000, volume="0.00", trades=0)
    fake = FakeKlines([kline(MS0), listed, kline(MS0 + 4 * 60_000)], page=2)
    done = binance(loader(engine), fake, T0, at(6))
    assert loaded(engine) == [0, 4]
    assert heartbeats(engine) == [1, 2, 3, 5, 6 + 2 / 60]
    assert (done.candles, done.heartbeats) == (2, 5)


def test_an_interrupted_load_goes_on_and_repeats_nothing(engine: Engine) -> None:
    fake = FakeKlines([kline(MS0 + 60_000 * m) for m in range(40)], page=5)
    with pytest.raises(BusUnavailableError):
        binance(loader(engine, Interrupted(engine, 23), save_every=10), fake, T0, at(40))
    (entry,) = ranges(engine)
    assert (entry.state, entry.trades) == (State.LOADING, 20)
    before = len(fake.requests)
    done = binance(loader(engine, save_every=10), fake, T0, at(40))
    assert done.resumed == 20
    assert len(fake.requests) - before == 4, "the first twenty are not asked for again"
    assert loaded(engine) == list(range(40))
    assert engine.value("SELECT count(DISTINCT loaded_at) FROM loaded_candles") == 1, "one load, one moment"
    assert ranges(engine)[0].trades == 40


def test_a_row_that_is_no_candle_goes_to_the_dead_letters_alone(engine: Engine) -> None:
    rows = [kline(MS0 + 60_000 * m) for m in range(4)]
    rows[1][2] = "99.0"  # high below the open
    rows[2][5] = "NaN"
    done = binance(loader(engine), FakeKlines(rows), T0, at(4))
    assert loaded(engine) == [0, 3]
    assert done.rejected == {"prices_disagree": 1, "volume_not_finite": 1}
    letters = engine.rows("SELECT topic, source, position, reason FROM loaded_candles_dlq ORDER BY position")
    assert letters == [
        (
            "loaded_candles",
            "binance REST BTC/USDT",
            "candle 2026-06-01T00:01Z",
            "open 100.0 and close 100.5 are not between low 99.5 and high 99.0",
        ),
        ("loaded_candles", "binance REST BTC/USDT", "candle 2026-06-01T00:02Z", "volume 'NaN' is not finite"),
    ]


def test_krakens_candles_reach_back_720_minutes_and_no_further(engine: Engine, kraken: FakeKraken) -> None:
    loading = loader(engine, clock=lambda: at(1_000) + timedelta(seconds=30))
    with pytest.raises(HistoryUnavailableError, match=r"newest 720 .* back to 2026-06-01 04:41Z.*--older-from-trades"):
        kraken_load(loading, kraken, at(280), at(2_000))
    assert ranges(engine, "kraken", BTC) == []
    done = kraken_load(loading, kraken, at(281), at(2_000))
    assert done.candles == 719 - 10, "ten are quiet, and the newest is not over"
    assert loaded(engine, "kraken") == [m for m in range(281, 1_000) if not 600 <= m < 610]
    assert heartbeats(engine, "kraken")[:10] == list(range(600, 610))
    candle = engine.rows(
        "SELECT open, close, volume, turnover, trades, buy_volume FROM loaded_candles WHERE open_time = %s", at(300)
    )
    # Trades 450 and 451: 0.01 each at 60062.5 and 60063.5, whose average Kraken gives to one decimal.
    assert candle == [(60062.5, 60063.5, 0.02, pytest.approx(1201.26), 2, None)]


def test_before_its_first_candle_an_exchange_has_nothing_and_a_file_may_have_more(engine: Engine) -> None:
    fake = FakeKlines([kline(MS0 + 60_000 * m) for m in range(300, 303)], page=100)
    done = binance(loader(engine), fake, T0, at(303))
    assert (done.candles, done.first) == (3, at(300))
    assert heartbeats(engine) == [303 + 2 / 60], "nothing is known to have been quiet before"
    assert [(e.begin, e.end, e.state, e.trades) for e in ranges(engine)] == [
        (T0, at(300), State.LOADING, 0),
        (at(300), at(303), State.DONE, 3),
    ]
    assert Ledger(engine.conn).missing("binance", "BTC/USDT", T0, at(303), candles=True) == [(T0, at(300))]
    assert binance(loader(engine), fake, T0, at(303)).candles == 0
    fake.rows[:0] = [kline(MS0 + 60_000 * m) for m in range(290, 300)]
    assert binance(loader(engine), fake, T0, at(303)).candles == 10


def test_a_range_without_a_minute_that_is_over_is_refused(engine: Engine) -> None:
    fake = FakeKlines([kline(MS0)], now_ms=MS0 + 61_000)
    with pytest.raises(AlreadyLoadedError, match="no whole minute that has ended"):
        binance(loader(engine), fake, T0, at(5))


def test_an_unknown_symbol_is_named(engine: Engine) -> None:
    with pytest.raises(HistoryUnavailableError, match="binance does not trade DOGE/USDT"):
        binance(loader(engine), FakeKlines([]), T0, at(5), "DOGE/USDT")


def test_candles_and_trades_of_a_range_do_not_refuse_each_other(engine: Engine) -> None:
    ledger = Ledger(engine.conn)
    for source in (RangeSource.CANDLE_ARCHIVE, RangeSource.CANDLE_API):
        ledger.record(LoadedRange("binance", "BTC/USDT", source, T0, at(60), State.DONE))
    for source in (RangeSource.ARCHIVE, RangeSource.API):
        ledger.refuse_conflicts("binance", "BTC/USDT", source, T0, at(60))
    assert ledger.missing("binance", "BTC/USDT", T0, at(60)) == [(T0, at(60))]
    assert ledger.missing("binance", "BTC/USDT", T0, at(60), candles=True) == []


def test_what_is_not_stored_or_stored_otherwise_is_said(engine: Engine) -> None:
    stored = StoredCandles(engine.conn, 0)
    fake = FakeKlines([kline(MS0 + 60_000 * m) for m in range(5)])
    binance(loader(engine, on_published=stored.note), fake, T0, at(5))
    engine.refresh()
    engine.conn.execute("UPDATE loaded_candles SET high = 102 WHERE open_time = %s", [at(1)])
    engine.conn.execute("DELETE FROM loaded_candles WHERE open_time = %s", [at(3)])
    stored.check()
    assert (stored.checked, stored.missing, stored.differing) == (5, 1, 1)
    problem = stored.problem() or ""
    assert problem.startswith("of 5 candles 1 are stored with another content and 1 are not stored after 0 s: ")
    assert "2026-06-01T00:01Z was published as open 100 high 101 low 99.5" in problem
    assert "2026-06-01T00:03Z is absent" in problem


def recent(engine: Engine, kraken: FakeKraken, minutes: float, *markets: Market) -> tuple[list[object], list[Step]]:
    steps: list[Step] = []
    history = RecentHistory(
        engine.bus,
        engine.conn,
        GRACE,
        on_step=steps.append,
        settings=settings_of(kraken),
        clock=lambda: at(1_000) + timedelta(seconds=30),
    )
    done = history.load(markets or [Market("kraken", BTC)], timedelta(minutes=minutes))
    return list(done), steps


def test_the_last_minutes_of_a_market_come_as_candles_and_older_ones_as_trades(
    running: Engine, kraken: FakeKraken
) -> None:
    (done,), steps = recent(running, kraken, 900)
    assert done.problem is None  # type: ignore[attr-defined]
    assert (done.begin, done.end) == (at(101), at(1_000))  # type: ignore[attr-defined]
    # Candles begin at minute 281; trades go five minutes into them, so that none falls between.
    traded = running.rows("SELECT min(ts), max(ts), count(*) FROM trades WHERE kind = 'trade'")
    wanted = [t for t in kraken.trades[BTC] if at(101) <= t.ts < at(286)]
    assert traded == [(wanted[0].ts, wanted[-1].ts, len(wanted))]
    assert done.trades == len(wanted)  # type: ignore[attr-defined]
    assert loaded(running, "kraken") == [m for m in range(286, 1_000) if not 600 <= m < 610]
    assert steps[0].kind == "trades"
    assert (steps[-1].kind, steps[-1].done, steps[-1].total) == ("candles", 899, 899)
    assert running.value("SELECT count(*) FROM symbols WHERE exchange = 'kraken'") == 1
    (again,), steps = recent(running, kraken, 900)
    assert (again.candles, again.trades, steps) == (0, 0, [])  # type: ignore[attr-defined]


def test_a_market_that_fails_leaves_the_others_alone(running: Engine, kraken: FakeKraken) -> None:
    markets = [Market("kraken", "DOGE/USD"), Market("nowhere", BTC), Market("kraken", BTC)]
    done, _ = recent(running, kraken, 60, *markets)
    assert [r.market for r in done] == markets  # type: ignore[attr-defined]
    problems = [r.problem for r in done]  # type: ignore[attr-defined]
    assert problems[0] == "kraken does not trade DOGE/USD"
    assert str(problems[1]).startswith("exchange 'nowhere' is not known")
    assert problems[2] is None
    assert done[2].candles == 59  # type: ignore[attr-defined]
    assert running.rows("SELECT exchange, symbol FROM symbols ORDER BY 1, 2") == [("kraken", BTC)]


def test_loaded_candles_become_candles_of_every_timeframe_and_trades_outrank_them(engine: Engine) -> None:
    engine.conn.execute(
        "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
        " VALUES ('binance', 'BTC/USDT', '77', 'trade', 77, %s, 'buy', 7, 1, 'live', %s)",
        [at(3.5), at(3.5)],
    )
    rows = [kline(MS0 + 60_000 * m) for m in range(10) if m != 7]
    stored = StoredCandles(engine.conn, 0)
    binance(loader(engine, on_published=stored.note), FakeKlines(rows), T0, at(10))
    engine.refresh()
    found = engine.rows(
        "SELECT feed_state, high, is_filled, trades FROM candles WHERE exchange = 'binance' AND timeframe = '1m'"
        " ORDER BY open_time"
    )
    states = ["loaded"] * 3 + ["traded"] + ["loaded"] * 3 + ["quiet"] + ["loaded"] * 2
    assert [row[0] for row in found] == states
    assert found[3] == ("traded", 7.0, False, 1)
    assert found[7] == ("quiet", 100.5, True, 0), "the last close goes on"
    assert engine.value("SELECT count(*) FROM candles WHERE timeframe = '5m'") == 2
    assert stored.shadowed() == {Market("binance", "BTC/USDT"): 1}
