"""Loading history: resumable, idempotent, and never from two places."""

import asyncio
import gzip
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes.kraken import FakeKraken
from tests.integration.services.ingest.conftest import Engine

from candlewave.bus.protocol import BusUnavailableError, Message
from candlewave.services.ingest.archive import Format
from candlewave.services.ingest.backfill import Loaded, Loader
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.ledger import AlreadyLoadedError, Ledger, LoadedRange, RangeSource, State
from candlewave.services.ingest.records import HistoryUnavailableError
from candlewave.services.ingest.settings import IngestSettings, Mirror

BTC = "BTC/USD"
T0 = datetime(2026, 6, 1, tzinfo=UTC)
GRACE = timedelta(seconds=2)


@pytest.fixture
def kraken() -> Iterator[FakeKraken]:
    with FakeKraken([BTC, "ETH/USD"]) as fake:
        for i in range(2_600):
            fake.trade(BTC, T0 + timedelta(seconds=i * 1.7), f"{60_000 + i % 97}.5", "0.01", send=False)
        yield fake


class Interrupted:
    """A bus that goes away after some messages."""

    def __init__(self, engine: Engine, after: int) -> None:
        self._bus = engine.bus
        self._left = after

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        batch = list(messages)
        if self._left < len(batch):
            raise BusUnavailableError("interrupted")
        self._left -= len(batch)
        self._bus.publish(topic, batch)


def loader(engine: Engine, bus: object = None, **options: object) -> Loader:
    return Loader(bus or engine.bus, Ledger(engine.conn), GRACE, **options)  # type: ignore[arg-type]


def load_api(loading: Loader, kraken: FakeKraken, begin: datetime, end: datetime, symbol: str = BTC) -> Loaded:
    async def load() -> Loaded:
        settings = IngestSettings(
            exchange_urls={"kraken": Mirror(rest=kraken.rest, ws=kraken.ws)},
            retry_first_seconds=0.05,
            request_interval_ms=1,
        )
        exchange = Exchange("kraken", settings)
        try:
            return await loading.load_api(exchange, symbol, begin, end)
        finally:
            await exchange.close()

    return asyncio.run(load())


def stored(engine: Engine, kind: str = "trade") -> list[str]:
    engine.refresh()
    return [str(r[0]) for r in engine.rows("SELECT trade_id FROM trades WHERE kind = %s ORDER BY ts, seq", kind)]


def ranges(engine: Engine, symbol: str = BTC) -> list[LoadedRange]:
    return Ledger(engine.conn).ranges("kraken", symbol)


def archive(path: Path, count: int, begin: datetime = T0, step: float = 1.7) -> Path:
    lines = [f"{begin.timestamp() + i * step:.4f},{60_000 + i % 97}.5,0.01\n" for i in range(count)]
    path.write_bytes(gzip.compress("".join(lines).encode()) if path.suffix == ".gz" else "".join(lines).encode())
    return path


def test_history_over_the_api_is_complete_and_bounded(engine: Engine, kraken: FakeKraken) -> None:
    end = T0 + timedelta(hours=1)
    done = load_api(loader(engine), kraken, T0, end)
    wanted = [str(t.trade_id) for t in kraken.trades[BTC] if t.ts < end]
    assert stored(engine) == wanted
    assert done.trades == len(wanted)
    assert ranges(engine) == [LoadedRange("kraken", BTC, RangeSource.API, T0, end, State.DONE, "", len(wanted))]
    assert engine.value("SELECT count(*) FROM candles WHERE timeframe = '1m'") == 60
    assert load_api(loader(engine), kraken, T0, end).trades == 0, "a second time there is nothing to do"


def test_empty_minutes_of_the_range_get_heartbeats(engine: Engine, kraken: FakeKraken) -> None:
    begin, end = T0 - timedelta(minutes=3), T0 + timedelta(minutes=2)
    load_api(loader(engine), kraken, begin, end)
    assert stored(engine, "heartbeat") == [
        "hb:2026-05-31T23:57:00.000000Z",
        "hb:2026-05-31T23:58:00.000000Z",
        "hb:2026-05-31T23:59:00.000000Z",
        "hb:2026-06-01T00:02:02.000000Z",
    ]


def test_an_interrupted_api_load_goes_on_without_doubling(engine: Engine, kraken: FakeKraken) -> None:
    end = T0 + timedelta(hours=1)
    with pytest.raises(BusUnavailableError):
        load_api(loader(engine, Interrupted(engine, 1_500), save_every=500), kraken, T0, end)
    (entry,) = ranges(engine)
    assert (entry.state, entry.trades) == (State.LOADING, 1_000)
    before = kraken.requests["Trades"]
    done = load_api(loader(engine), kraken, T0, end)
    assert done.resumed == 1_000
    assert kraken.requests["Trades"] - before == 3, "the first page is not asked for again; one past the end is"
    assert stored(engine) == [str(t.trade_id) for t in kraken.trades[BTC] if t.ts < end]
    assert ranges(engine)[0].trades == len(stored(engine))


def test_an_interrupted_load_does_not_skip_a_trade_whose_time_goes_back(engine: Engine) -> None:
    with FakeKraken([BTC]) as kraken:
        for i in range(1, 2_001):
            back = timedelta(seconds=30 if i == 1_001 else 0)
            kraken.trade(BTC, T0 + timedelta(seconds=i) - back, send=False)
        end = T0 + timedelta(hours=1)
        with pytest.raises(BusUnavailableError):
            load_api(loader(engine, Interrupted(engine, 1_000), save_every=500), kraken, T0, end)
        assert ranges(engine)[0].trades == 1_000
        done = load_api(loader(engine), kraken, T0, end)
        assert (done.resumed, done.trades) == (1_000, 1_000)
    assert sorted(map(int, stored(engine))) == list(range(1, 2_001))


def test_only_missing_parts_are_asked_for(engine: Engine, kraken: FakeKraken) -> None:
    def at(minutes: int) -> datetime:
        return T0 + timedelta(minutes=minutes)

    load_api(loader(engine), kraken, at(10), at(20))
    done = load_api(loader(engine), kraken, at(0), at(30))
    assert [(r.begin, r.end) for r in done.ranges] == [(at(0), at(10)), (at(20), at(30))]
    assert stored(engine) == [str(t.trade_id) for t in kraken.trades[BTC] if t.ts < at(30)]


def test_a_symbol_the_exchange_does_not_trade_is_named(engine: Engine, kraken: FakeKraken) -> None:
    with pytest.raises(HistoryUnavailableError, match="kraken does not trade DOGE/USD"):
        load_api(loader(engine), kraken, T0, T0 + timedelta(hours=1), "DOGE/USD")


def test_an_archive_is_loaded_once(engine: Engine, tmp_path: Path) -> None:
    path = archive(tmp_path / "XBTUSD.csv.gz", 500)
    done = loader(engine).load_archive(path, Format.KRAKEN, "kraken", BTC)
    assert done.trades == 500
    (entry,) = ranges(engine)
    assert (entry.source, entry.state, entry.begin, entry.end) == (
        RangeSource.ARCHIVE,
        State.DONE,
        T0,
        T0 + timedelta(minutes=15),
    )
    assert len(stored(engine)) == 500
    assert engine.value("SELECT count(*) FROM candles WHERE timeframe = '1m'") == 15
    assert engine.value("SELECT count(*) FROM candles WHERE buy_volume IS NOT NULL AND NOT is_filled") == 0
    assert loader(engine).load_archive(path, Format.KRAKEN, "kraken", BTC).ranges == ()


def test_an_interrupted_archive_goes_on_without_doubling(engine: Engine, tmp_path: Path) -> None:
    path = archive(tmp_path / "XBTUSD.csv", 2_000, step=0.25)
    with pytest.raises(BusUnavailableError):
        loader(engine, Interrupted(engine, 900), save_every=300).load_archive(path, Format.KRAKEN, "kraken", BTC)
    assert len(stored(engine)) == 900
    done = loader(engine, save_every=300).load_archive(path, Format.KRAKEN, "kraken", BTC)
    assert (done.resumed, done.trades) == (900, 1_100)
    assert len(stored(engine)) == 2_000
    assert ranges(engine)[0].trades == 2_000


def test_overlapping_archives_count_their_common_trades_once(engine: Engine, tmp_path: Path) -> None:
    loader(engine).load_archive(archive(tmp_path / "q1.csv", 300, step=2), Format.KRAKEN, "kraken", BTC)
    loader(engine).load_archive(archive(tmp_path / "all.csv", 600, step=2), Format.KRAKEN, "kraken", BTC)
    assert len(stored(engine)) == 600


def test_a_range_is_never_loaded_from_both(engine: Engine, kraken: FakeKraken, tmp_path: Path) -> None:
    path = archive(tmp_path / "XBTUSD.csv", 500)
    loader(engine).load_archive(path, Format.KRAKEN, "kraken", BTC)
    with pytest.raises(
        AlreadyLoadedError, match=r"cannot be loaded from the api, because .* was loaded from the archive"
    ):
        load_api(loader(engine), kraken, T0, T0 + timedelta(hours=1))
    load_api(loader(engine), kraken, T0 + timedelta(minutes=15), T0 + timedelta(hours=1))
    later = archive(tmp_path / "later.csv", 500, T0 + timedelta(minutes=30))
    with pytest.raises(
        AlreadyLoadedError, match=r"cannot be loaded from the archive, because .* was loaded from the api"
    ):
        loader(engine).load_archive(later, Format.KRAKEN, "kraken", BTC)


def test_an_archive_over_live_trades_is_refused(engine: Engine, tmp_path: Path) -> None:
    engine.conn.execute(
        "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
        " VALUES ('kraken', %s, '77', 'trade', 77, %s, 'buy', 1, 1, 'live', %s)",
        [BTC, T0 + timedelta(seconds=30), T0 + timedelta(seconds=30)],
    )
    with pytest.raises(AlreadyLoadedError, match="trades of the live feed are stored there"):
        loader(engine).load_archive(archive(tmp_path / "XBTUSD.csv", 100), Format.KRAKEN, "kraken", BTC)


def test_expired_history_that_has_candles_is_refused(engine: Engine, tmp_path: Path) -> None:
    loading = loader(engine, retention=timedelta(days=30), clock=lambda: T0 + timedelta(days=60))
    loading.load_archive(archive(tmp_path / "a.csv", 100), Format.KRAKEN, "kraken", BTC)
    with pytest.raises(AlreadyLoadedError, match="have expired"):
        loading.load_archive(archive(tmp_path / "b.csv", 200), Format.KRAKEN, "kraken", BTC)


def test_the_ledger_overwrites_a_range_of_the_same_begin(engine: Engine) -> None:
    ledger = Ledger(engine.conn)
    entry = LoadedRange("kraken", BTC, RangeSource.API, T0, T0 + timedelta(hours=1), reached="x", trades=5)
    ledger.record(entry)
    ledger.finish(entry)
    assert [(r.state, r.reached) for r in ranges(engine)] == [(State.DONE, "")]
