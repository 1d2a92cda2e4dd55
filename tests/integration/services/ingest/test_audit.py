"""The OHLC audit: quiet on right candles, loud on a single wrong digit."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.integration.services.ingest.conftest import Engine

from candlewave.bus.messages import to_message
from candlewave.contracts.records import LoadedCandle
from candlewave.services.ingest.audit import Candle, OhlcAudit, compare_with_exchange, stored_candles
from candlewave.services.ingest.simulate import publish_history, to_messages
from candlewave.services.ingest.simulator import Disturbances, Simulator, make_symbols

START = datetime(2026, 2, 2, tzinfo=UTC)
FILL = timedelta(minutes=240)


@pytest.fixture
def audited(engine: Engine) -> Engine:
    """Six hours of two sparse simulated markets with late and repeated trades, one of them dead for five hours."""
    simulator = Simulator(make_symbols(2, rate=0.05), start=START, seed=11, disturbances=Disturbances(0.02, 0.02, 0.02))
    for batch in simulator.batches(START + timedelta(hours=6)):
        keep = (
            (batch.symbol == 0)
            | (batch.ts_us < batch.ts_us[0] + 3_000_000_000)
            | (batch.ts_us > batch.ts_us[0] + 21_000_000_000)
        )
        engine.bus.publish("trades", to_messages(batch.take(keep), "t.", "live", stamp_arrival=True))
    publish_history(simulator, engine.bus, START + timedelta(hours=6), finish=True)
    engine.refresh()
    return engine


def audit(engine: Engine, seed: int = 1) -> OhlcAudit:
    return OhlcAudit(engine.conn, FILL, rng=random.Random(seed))


def test_right_candles_pass_in_every_timeframe(audited: Engine) -> None:
    count, differences = audit(audited).sample(600)
    assert [str(d) for d in differences] == []
    assert count > 150
    everything = [
        candle
        for (exchange, symbol, timeframe) in audited.rows("SELECT DISTINCT exchange, symbol, timeframe FROM candles")
        for candle in stored_candles(
            audited.conn, str(exchange), str(symbol), str(timeframe), START, START + timedelta(days=1)
        )
    ]
    assert {c.timeframe for c in everything} == {"1m", "5m", "15m", "1h"}


def load(engine: Engine, symbol: str, minutes: range, seed: int, loaded_at: datetime) -> None:
    """Load candles of some minutes: sums told or not, some without a trade, some that contradict themselves."""
    numbers = random.Random(seed)
    messages = []
    for minute in minutes:
        low, open_, close, high = sorted(numbers.randint(1, 99) for _ in range(4))
        volume = numbers.choice([0, 1, 2, 3])
        told = numbers.random() < 0.8
        candle = LoadedCandle(
            exchange="simulated",
            symbol=symbol,
            open_time=START + timedelta(minutes=minute),
            open=str(open_),
            high=str(high if numbers.random() < 0.95 else low),
            low=str(low),
            close=str(close),
            volume=str(volume),
            turnover=str(volume * close) if told else None,
            trades=volume if told else None,
            buy_volume=str(volume / 2) if told else None,
            source="rest",
            loaded_at=loaded_at,
        )
        messages.append(to_message(candle, append_ts=loaded_at))
    engine.bus.publish("loaded_candles", messages)


def test_loaded_minutes_are_part_of_what_candles_should_be(audited: Engine) -> None:
    tomorrow = START + timedelta(days=1)
    load(audited, "S001/USD", range(40, 320), 1, tomorrow)
    load(audited, "S001/USD", range(90, 140), 2, tomorrow + timedelta(hours=1))
    audited.refresh()
    states = dict(audited.rows("SELECT feed_state, count(*) FROM candles WHERE symbol = 'S001/USD' GROUP BY 1"))  # type: ignore[arg-type]
    assert states["loaded"] > 100
    assert audited.value("SELECT count(*) FROM loaded_candles_rejected") > 5  # type: ignore[operator]
    count, differences = audit(audited).sample(600, symbol="S001/USD")
    assert [str(d) for d in differences] == []
    assert count > 150
    audited.conn.execute("UPDATE candles SET turnover = turnover + 1 WHERE feed_state = 'loaded' AND timeframe = '1m'")
    _, differences = audit(audited).sample(100, symbol="S001/USD")
    assert {d.column for d in differences} == {"turnover"}


def test_contradicting_loads_are_counted(audited: Engine) -> None:
    load(audited, "S001/USD", range(40, 140), 1, START + timedelta(days=1))
    load(audited, "S001/USD", range(90, 190), 2, START + timedelta(days=2))
    audited.refresh()
    audit(audited).measure()
    value = REGISTRY.get_sample_value
    assert value("candlewave_ohlc_restated_minutes", {"exchange": "simulated", "symbol": "S001/USD"}) == audited.value(
        "SELECT count(*) FROM loaded_candles_restated"
    )
    assert 30 < (audited.value("SELECT count(*) FROM loaded_candles_restated") or 0) <= 50  # type: ignore[operator]
    rejected = {"table": "loaded_candles", "reason": "open or close outside low and high"}
    assert value("candlewave_ohlc_rejected_rows", rejected) == audited.value(
        "SELECT count(*) FROM loaded_candles_rejected"
    )


def test_a_market_can_be_chosen(audited: Engine) -> None:
    exchange, symbol = audited.rows("SELECT exchange, symbol FROM candles ORDER BY 1, 2 LIMIT 1")[0]
    others = "UPDATE candles SET volume = volume + 1 WHERE symbol <> %s"
    audited.conn.execute(others, [symbol])
    count, differences = audit(audited).sample(50, str(exchange), str(symbol))
    assert count > 20
    assert differences == []
    assert audit(audited).sample(50, symbol="NOPE/USD") == (0, [])


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("open", "open * (1 + 1e-15)"),
        ("high", "high + 0.001"),
        ("low", "low - 0.001"),
        ("close", "close + 0.0001"),
        ("volume", "volume * (1 + 1e-11)"),
        ("turnover", "turnover * (1 + 1e-11)"),
        ("trades", "trades + 1"),
        ("buy_volume", "buy_volume + 1"),
    ],
)
def test_a_wrong_value_is_found_named_and_counted(audited: Engine, column: str, change: str) -> None:
    value = REGISTRY.get_sample_value
    labels = {"exchange": "simulated", "symbol": "S000/USD"}
    before = value("candlewave_ohlc_audit_differences_total", labels) or 0.0
    audited.conn.execute(f"UPDATE candles SET {column} = {change} WHERE symbol = 'S000/USD' AND NOT is_filled")
    heard: list[str] = []
    checker = OhlcAudit(audited.conn, FILL, rng=random.Random(3), on_difference=lambda d: heard.append(str(d)))
    count, differences = checker.sample(20)
    assert differences
    assert {d.column for d in differences} == {column}
    assert all("simulated S000/USD" in line and f"{column}: stored" in line for line in heard)
    assert len(heard) == len(differences) <= count
    assert (value("candlewave_ohlc_audit_differences_total", labels) or 0.0) - before == len(differences)


def test_layer_metrics_are_exported(audited: Engine) -> None:
    checker = OhlcAudit(
        audited.conn,
        FILL,
        structure=lambda _: ["candles: missing on the engine"],
        clock=lambda: START + timedelta(hours=6),
    )
    assert checker.deviations() == ["candles: missing on the engine"]
    audited.conn.execute(
        "INSERT INTO market_clock SELECT 'lagging', closed_until - INTERVAL '5 minutes' FROM market_clock"
    )
    checker.measure()
    value = REGISTRY.get_sample_value
    labels = {"exchange": "simulated", "symbol": "S000/USD"}
    assert value("candlewave_ohlc_deviating_objects") == 1
    assert value("candlewave_ohlc_clock_behind_seconds", {"exchange": "simulated"}) == 0
    assert value("candlewave_ohlc_clock_behind_seconds", {"exchange": "lagging"}) == 300
    assert value("candlewave_ohlc_late_trades", labels) == audited.value(
        "SELECT count(*) FROM late_trades WHERE symbol = 'S000/USD'"
    )
    assert (value("candlewave_ohlc_late_trades", labels) or 0) > 0
    assert value("candlewave_ohlc_filled_minutes", labels) == audited.value(
        "SELECT count(*) FROM candles WHERE symbol = 'S000/USD' AND timeframe = '1m' AND is_filled"
    )


def test_an_empty_engine_has_nothing_to_audit(engine: Engine) -> None:
    assert audit(engine).sample(10) == (0, [])
    audit(engine).measure()


def candle(minute: int, close: float = 5.0, volume: float = 1.0, trades: int = 2) -> Candle:
    at = START + timedelta(minutes=minute)
    return Candle("kraken", "BTC/USD", "1m", at, 5.0, 6.0, 4.0, close, volume, 5.0, trades, None)


def row(minute: int, close: str = "5.0", volume: str = "1.0") -> list[object]:
    return [int((START + timedelta(minutes=minute)).timestamp()) * 1000, "5.0", "6.0", "4.0", close, volume]


def test_the_exchanges_own_candles_are_compared_minute_by_minute() -> None:
    ours = [candle(0), candle(1, close=5.5), candle(2, volume=2.0), candle(3), candle(4, volume=0.0, trades=0)]
    theirs = [row(0), row(1), row(2), row(5), row(6, volume="0.0")]
    result = compare_with_exchange(ours, theirs)
    assert (result.compared, result.only_here, result.only_there) == (3, 1, 1)
    assert len(result.differing) == 2
    assert "2026-02-02T00:01Z" in result.differing[0]


class _SameEachTime(random.Random):
    """Chooses the first of everything."""

    def random(self) -> float:
        return 0.0

    def choice(self, choices: Any) -> Any:
        return choices[0]


def test_only_different_candles_are_counted(audited: Engine) -> None:
    checker = OhlcAudit(audited.conn, FILL, rng=_SameEachTime())
    assert checker.sample(20)[0] <= 2, "one of all history, one of the last two hours"
