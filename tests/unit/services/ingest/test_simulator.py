"""The market simulator: the same seed gives the same market, and its disturbances have the stated rates."""

import dataclasses
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from candlewave.core.times import to_us
from candlewave.services.ingest.simulator import (
    DEFAULT_SYMBOLS,
    MINUTE_US,
    Batch,
    Disturbances,
    RegimeChange,
    SimulatedSymbol,
    Simulator,
    concatenate,
    iso_times,
    make_symbols,
    multiples,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ("symbol", "seq", "ts_us", "arrival_us", "buy", "price_ticks", "quantity_lots")


def run(simulator: Simulator, hours: float, size: int = 20_000) -> Batch:
    return concatenate(list(simulator.batches(START + timedelta(hours=hours), size=size)))


def assert_equal(left: Batch, right: Batch) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def unique_trades(batch: Batch) -> set[tuple[int, ...]]:
    rows = batch.take(batch.seq > 0)
    names = ("symbol", "seq", "ts_us", "price_ticks", "quantity_lots")
    return set(zip(*(getattr(rows, name).tolist() for name in names), strict=True))


def test_a_seed_decides_the_run_and_the_batch_size_does_not() -> None:
    bad = Disturbances(late=0.02, duplicate=0.03, out_of_order=0.05)
    first = run(Simulator(start=START, seed=7, disturbances=bad), 5.5)
    assert_equal(first, run(Simulator(start=START, seed=7, disturbances=bad), 5.5, size=37))
    other = run(Simulator(start=START, seed=8, disturbances=bad), 5.5)
    assert unique_trades(first) != unique_trades(other)


def test_disturbances_move_and_repeat_trades_but_invent_none() -> None:
    clean = run(Simulator(start=START, seed=3), 3)
    bad = run(Simulator(start=START, seed=3, disturbances=Disturbances(0.1, 0.1, 0.1)), 3)
    assert unique_trades(bad) == unique_trades(clean)
    assert len(unique_trades(clean)) == clean.trades
    assert np.all(np.diff(bad.arrival_us) >= 0)


def test_rates_of_late_duplicate_and_out_of_order_trades_are_as_asked() -> None:
    asked = Disturbances(late=0.005, duplicate=0.01, out_of_order=0.02)
    batch = run(Simulator(start=START, seed=5, disturbances=asked), 72)
    trades = batch.take(batch.seq > 0)
    identity = trades.symbol * 10**12 + trades.seq
    _, first = np.unique(identity, return_index=True)
    originals = trades.take(np.sort(first))
    closed = (originals.ts_us // MINUTE_US + 1) * MINUTE_US + 2_000_000
    assert len(trades) / len(originals) - 1 == pytest.approx(0.01, rel=0.1)
    assert np.mean(originals.arrival_us > closed) == pytest.approx(0.005, rel=0.1)
    delayed = originals.arrival_us - originals.ts_us > 100_000
    assert np.mean(delayed & (originals.arrival_us <= closed)) == pytest.approx(0.02, rel=0.1)


def test_live_polling_gives_what_history_gives() -> None:
    bad = Disturbances(late=0.05, duplicate=0.05, out_of_order=0.05, late_seconds=30)
    polled, live = [], Simulator(start=START, seed=9, disturbances=bad)
    for seconds in range(0, 3 * 3600, 37):
        polled += live.batches(START + timedelta(seconds=seconds), finish=False)
    got = concatenate(polled)
    whole = run(Simulator(start=START, seed=9, disturbances=bad), 4)
    assert got.arrival_us[-1] < to_us(START + timedelta(hours=3))
    assert_equal(got, whole.take(slice(0, len(got))))


def test_a_restored_simulator_goes_on_exactly() -> None:
    def market() -> Simulator:
        # So many quiet spells that one lasts over the restart.
        return Simulator(start=START, seed=2, disturbances=Disturbances(late=0.05, duplicate=0.05), quiet_spells=100)

    whole = run(market(), 6)
    first, second = market(), market()
    before = list(first.batches(START + timedelta(hours=2, seconds=17), finish=False))
    second.restore(json.loads(json.dumps(first.state())))
    after = list(second.batches(START + timedelta(hours=6)))
    assert_equal(whole, concatenate(before + after))


def test_sequence_numbers_run_without_holes_in_event_time() -> None:
    batch = run(Simulator(start=START, seed=4), 4)
    for index in range(len(DEFAULT_SYMBOLS)):
        mine = batch.take((batch.symbol == index) & (batch.seq > 0))
        assert mine.seq.tolist() == list(range(1, len(mine) + 1))
        assert np.all(np.diff(mine.ts_us) >= 0)


def test_every_minute_has_a_trade_or_exactly_one_heartbeat() -> None:
    batch = run(Simulator(make_symbols(4, rate=0.05), start=START, seed=6), 8)
    minute = (batch.ts_us - to_us(START)) // MINUTE_US
    for index in range(4):
        traded = np.unique(minute[(batch.symbol == index) & (batch.seq > 0)])
        silent = minute[(batch.symbol == index) & (batch.seq == 0)]
        assert sorted([*traded.tolist(), *silent.tolist()]) == list(range(8 * 60))
        assert len(silent) > 0


def test_trades_come_in_bursts() -> None:
    def dispersion(burstiness: float) -> float:
        market = Simulator(make_symbols(1), start=START, burstiness=burstiness, regimes=False, quiet_spells=0)
        counts = np.bincount((run(market, 24).ts_us - to_us(START)) // 10_000_000)
        return float(np.var(counts) / np.mean(counts))

    assert dispersion(0.0) == pytest.approx(1.0, abs=0.1)
    assert dispersion(0.6) > 2


def minute_series(batch: Batch, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each minute's buy share less one half, and the last price's log return into the next minute."""
    mine = batch.take((batch.symbol == index) & (batch.seq > 0))
    minute = (mine.ts_us - to_us(START)) // MINUTE_US
    size = int(minute.max()) + 1
    count = np.bincount(minute, minlength=size)
    share = np.bincount(minute, mine.buy, minlength=size) / np.maximum(count, 1) - 0.5
    last = np.full(size, np.nan)
    last[minute] = mine.prices()
    change = np.diff(np.log(last))
    usable = ~np.isnan(change) & (count[:-1] > 0)
    return share[:-1][usable], change[usable]


def planted(signal: float, **options: object) -> Simulator:
    # A narrow spread: after many buyers the last trade is likely at the ask, which hides part of the signal.
    markets = [dataclasses.replace(symbol, spread=0.00001) for symbol in make_symbols(2, rate=3.0)]
    return Simulator(
        markets,
        start=START,
        signal=signal,
        regimes=False,
        burstiness=0.0,
        quiet_spells=0,
        **options,  # type: ignore[arg-type]
    )


def test_the_planted_signal_has_its_strength_and_no_more() -> None:
    flow, change = minute_series(run(planted(0.4), 120), 0)
    reliability = 0.04 / (0.04 + 0.25 / 180)
    found = np.corrcoef(flow, change)[0, 1]
    assert found == pytest.approx(0.4 * np.sqrt(reliability), abs=0.05)


def test_without_a_planted_signal_flow_says_nothing() -> None:
    flow, change = minute_series(run(planted(0.0), 120), 0)
    assert abs(np.corrcoef(flow, change)[0, 1]) < 4 / np.sqrt(len(flow))


def test_a_regime_change_turns_the_signal_and_raises_volatility() -> None:
    change_at = START + timedelta(hours=60)
    market = planted(0.4, change=RegimeChange(change_at, volatility=3.0, signal=-1.0))
    batch = run(market, 120)
    flow, change = minute_series(batch, 1)
    half = 60 * 60
    assert np.corrcoef(flow[: half - 2], change[: half - 2])[0, 1] > 0.3
    assert np.corrcoef(flow[half + 2 :], change[half + 2 :])[0, 1] < -0.3
    assert np.std(change[half:]) / np.std(change[:half]) == pytest.approx(3.0, rel=0.1)


def test_symbols_move_together() -> None:
    batch = run(Simulator(make_symbols(2, rate=2.0), start=START, regimes=False, quiet_spells=0), 48)
    prices = []
    for index in range(2):
        mine = batch.take((batch.symbol == index) & (batch.seq > 0))
        last = np.full(48 * 12, np.nan)
        last[(mine.ts_us - to_us(START)) // (5 * MINUTE_US)] = mine.prices()
        prices.append(np.diff(np.log(last)))
    expected = 0.5 * 0.54  # the product of the two betas
    assert np.corrcoef(prices[0], prices[1])[0, 1] == pytest.approx(expected, abs=0.12)


def test_memory_stays_bounded_over_a_long_run() -> None:
    market = Simulator(make_symbols(5, rate=20.0), start=START)
    peaks = []
    tracemalloc.start()
    for hours in (1, 6):
        tracemalloc.reset_peak()
        for _ in market.batches(START + timedelta(hours=hours), finish=False):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_decimals_are_exact() -> None:
    assert multiples(np.array([1, 10, 12_345]), "0.1") == ["0.1", "1.0", "1234.5"]
    assert multiples(np.array([3]), "0.00000001") == ["0.00000003"]
    assert multiples(np.array([3]), "5") == ["15"]
    assert multiples(np.array([3, 4]), "0.25") == ["0.75", "1.00"]
    assert iso_times(np.array([1_000_001])) == ["1970-01-01T00:00:01.000001Z"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signal": 1.5}, "signal 1.5"),
        ({"burstiness": 1.0}, "burstiness 1.0"),
        ({"start": START + timedelta(seconds=1)}, "not a whole minute"),
        ({"symbols": ()}, "at least one symbol"),
        ({"signal": 0.9, "change": RegimeChange(START, signal=2.0)}, "after the change"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Simulator(**{"start": START, **options})  # type: ignore[arg-type]


def test_impossible_disturbances_are_refused() -> None:
    with pytest.raises(ValueError, match=r"late = 1\.2"):
        Disturbances(late=1.2)
    with pytest.raises(ValueError, match="together exceed 1"):
        Disturbances(late=0.6, out_of_order=0.6)


def test_a_tick_holds_for_every_price() -> None:
    market = SimulatedSymbol("X/USD", price=0.00000312, tick="0.00000001", rate=1.0)
    batch = run(Simulator([market], start=START), 1)
    texts = multiples(batch.price_ticks[batch.seq > 0], market.tick)
    assert all(len(text.split(".")[1]) == 8 and float(text) > 0 for text in texts)
