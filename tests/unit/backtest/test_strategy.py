"""The toy strategy, by hand and by its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.backtest.costs import Terms
from candlewave.backtest.fills import Fills
from candlewave.backtest.strategy import Decisions, StrategyRun, Times, decided, run_strategy, trade
from candlewave.core.markets import Market

BEGIN = np.datetime64("2026-01-01T00:00", "us")
MINUTE = np.timedelta64(1, "m")
SECOND = np.timedelta64(1, "s")
SPOT, PERPETUAL = "BTC/USD", "BTC/USDT:USDT"
UP, DOWN = np.log(1.02), np.log(0.98)


def terms(symbol: str = PERPETUAL, fee: float = 0.0, spread: float = 0.0, funding: float | None = 0.0) -> Terms:
    return Terms(Market("x", symbol), fee, "test", spread, funding)


def at(*minutes: float) -> Times:
    found: Times = BEGIN + np.round(np.array(minutes) * 60e6).astype("timedelta64[us]")
    return found


def run(
    forecast: list[float], prices: list[float], market: Terms | None = None, horizon: int = 1, start: int = 0
) -> StrategyRun:
    """One forecast every horizon, two seconds after the minute; a trade a second after each, and one at the end."""
    market = market or terms()
    made = BEGIN + (start + horizon * np.arange(len(forecast))) * MINUTE + 2 * SECOND
    filled = np.append(made, made[-1:] + horizon * MINUTE) + SECOND if len(forecast) else made
    return run_strategy(
        horizon,
        {"m": Decisions(made, np.array(forecast, np.float64))},
        {"m": Fills(filled, np.array(prices, np.float64))},
        {"m": market},
    )


def test_right_forecasts_gain_wrong_ones_lose_and_the_last_position_is_closed() -> None:
    result = run([0.1, -0.1, 0.1], [100, 110, 99, 90])
    assert result.equity == pytest.approx([1, 1.1, 1.1 * 1.1, 1.1 * 1.1 * 90 / 99])
    assert result.buy_and_hold == pytest.approx([1, 1.1, 0.99, 0.9])
    assert (result.trades, result.hit_rate) == pytest.approx((4, 2 / 3))
    assert result.max_drawdown == pytest.approx(1 / 11)
    assert str(result.time[-1]) == "2026-01-01T00:03:03.000000"


def test_fee_and_half_of_the_spread_are_paid_on_each_side() -> None:
    result = run([0.1, 0.1], [100, 110, 121], terms(fee=40, spread=120))
    assert result.equity == pytest.approx([0.99, 0.99 * 1.1, 0.99 * 1.21 * 0.99])  # in at 100, held, out at 121
    assert result.before_costs == pytest.approx([1, 1.1, 1.21])
    assert result.buy_and_hold[-1] == pytest.approx(0.99 * 1.21 * 0.99)


def test_a_turn_pays_two_sides() -> None:
    result = run([0.1, -0.1], [100, 110, 99], terms(fee=100))
    assert result.equity[-1] == pytest.approx(0.99 * 1.1 * 0.99**2 * 1.1 * 0.99)
    assert result.trades == 3


def test_a_forecast_smaller_than_the_round_trip_is_not_traded() -> None:
    result = run([0.0099, -0.0099], [100, 110, 99], terms(fee=50))
    assert result.equity == pytest.approx([1.0, 1.0, 1.0])
    assert (result.trades, result.max_drawdown) == (0, 0.0)
    assert np.isnan(result.sharpe)
    assert np.isnan(result.hit_rate)


def test_an_asset_is_not_sold_short_and_a_contract_is() -> None:
    prices = [100.0, 90.0, 81.0]
    assert run([-0.1, -0.1], prices, terms(SPOT)).equity[-1] == 1.0
    assert run([-0.1, -0.1], prices, terms(PERPETUAL)).equity[-1] == pytest.approx(1.1 * 1.1)
    assert run([-0.1, -0.1], prices, terms("BTC/USD:BTC-261225")).equity[-1] == pytest.approx(1.1 * 1.1)


def test_funding_is_paid_over_its_times_by_long_and_short() -> None:
    # Held from 07:00:03 over 08:00:03 to 09:00:03: funding is settled once, at 08:00.
    for sign in (1, -1):
        result = run([0.1 * sign, 0.1 * sign], [100, 100, 100], terms(funding=10), horizon=60, start=7 * 60)
        assert result.equity == pytest.approx([1, 0.999, 0.999])
        assert result.before_costs == pytest.approx([1, 1, 1])
        assert result.break_even.value == pytest.approx(-0.001 / 2)


def test_markets_that_cannot_be_traded_honestly_are_left_out() -> None:
    assert "funding_bps in table [costs.x]" in (terms(funding=None).refusal or "")
    assert "options" in (terms("BTC/USD:BTC-261225-90000-C").refusal or "")
    assert run([0.1], [100, 110], terms(funding=None)).equity.shape == (0,)


def test_an_order_meets_the_first_trade_after_it_and_no_other() -> None:
    # Made at 00:01:02. A trade in the same moment is too early; the one at 00:01:30 fills; 00:02:02 closes at 00:04.
    fills = Fills(at(1, 1 + 2 / 60, 1.5, 1.9, 4), np.array([1.0, 2.0, 100.0, 150.0, 110.0]))
    ledger = trade(at(1 + 2 / 60), np.array([1.0]), MINUTE, fills)
    assert ledger.time.tolist() == at(1.5, 4).tolist()
    assert ledger.price.tolist() == [100.0, 110.0]
    assert ledger.gain == pytest.approx([0.1, 0.0])
    assert (ledger.position.tolist(), ledger.unfilled) == ([1.0, 0.0], 0)


def test_a_newer_order_replaces_one_that_nothing_has_filled() -> None:
    ledger = trade(
        at(1, 2, 3), np.array([1.0, -1.0, 1.0]), MINUTE, Fills(at(2.5, 3.5, 9), np.array([100.0, 90.0, 99.0]))
    )
    assert ledger.position.tolist() == [-1.0, 1.0, 0.0]
    assert ledger.traded.tolist() == [1.0, 2.0, 1.0]
    assert ledger.gain == pytest.approx([0.1, 0.1, 0.0])


def test_a_position_does_not_cross_a_hole_in_the_forecasts() -> None:
    fills = Fills(at(1.1, 2.1, 7.1, 8.1), np.array([100.0, 110.0, 50.0, 55.0]))
    ledger = trade(at(1, 7), np.array([1.0, 1.0]), MINUTE, fills)
    assert ledger.position.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert ledger.gain == pytest.approx([0.1, 0.0, 0.1, 0.0])


def test_what_no_trade_follows_is_closed_at_the_last_one_or_never_opened() -> None:
    closed = trade(at(1), np.array([1.0]), MINUTE, Fills(at(1.1, 1.9), np.array([100.0, 90.0])))
    assert closed.position.tolist() == [1.0, 0.0]
    assert closed.gain == pytest.approx([-0.1, 0.0])
    never = trade(at(1), np.array([1.0]), MINUTE, Fills(at(0.5), np.array([100.0])))
    assert (len(never.time), never.unfilled) == (0, 1)
    single = trade(at(1), np.array([1.0]), MINUTE, Fills(at(1.5), np.array([100.0])))
    assert single.traded.tolist() == [0.0]


def test_break_even_is_what_every_forecast_gains_by_what_it_trades() -> None:
    # Up 2 %, then flat: 0.02 gained, 1 bought and 1 sold. Fees are too high to trade it, which changes nothing here.
    result = run([0.001, 0.001], [100, 102, 102], terms(SPOT, fee=500))
    assert (result.trades, result.break_even.value) == pytest.approx((0, 0.01))
    assert np.isnan(run([0.0], [100, 110]).break_even.value)


def test_holding_periods_do_not_overlap() -> None:
    close, made = at(*range(1, 11)), at(*(minute + 2 / 60 for minute in range(1, 11)))
    chosen = decided(made, close, np.full(10, 0.1), 5)
    assert chosen.made_at.tolist() == made[[4, 9]].tolist()


def test_markets_have_equal_shares() -> None:
    decisions = {name: Decisions(at(1), np.array([0.1])) for name in ("a", "b")}
    fills = {
        "a": Fills(at(1.1, 2.1), np.array([100.0, 110.0])),
        "b": Fills(at(1.2, 2.2), np.array([50.0, 40.0])),
    }
    result = run_strategy(1, decisions, fills, {"a": terms(SPOT), "b": terms(SPOT)})
    assert result.equity == pytest.approx([1, 1, 1.05, 0.95])


def test_nothing_to_trade() -> None:
    result = run([], [])
    assert result.equity.shape == (0,)
    assert np.isnan(result.break_even.value)


moves = st.lists(st.integers(-200, 200).map(lambda n: n / 1000), min_size=1, max_size=30)
fees = st.floats(0, 300)


@given(moves, st.data(), fees, fees)
def test_costs_never_help(changes: list[float], data: st.DataObject, fee: float, spread: float) -> None:
    prices = 100 * np.exp(np.cumsum([0.0, *changes]))
    forecast = data.draw(st.lists(st.floats(-0.2, 0.2), min_size=len(changes), max_size=len(changes)))
    result = run(forecast, prices.tolist(), terms(fee=fee, spread=spread, funding=3))
    assert (result.equity <= result.before_costs * (1 + 1e-12)).all()


@given(moves, fees, fees, st.sampled_from([SPOT, PERPETUAL]))
def test_perfect_foresight_never_loses(changes: list[float], fee: float, spread: float, symbol: str) -> None:
    prices = 100 * np.exp(np.cumsum([0.0, *changes]))
    result = run(changes, prices.tolist(), terms(symbol, fee, spread))
    assert result.equity[-1] >= 1 - 1e-9
    if result.trades:
        assert result.break_even.value > 0


@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=30, unique=True).map(sorted),
    st.lists(st.floats(0, 230, allow_subnormal=False), max_size=60).map(sorted),
    st.data(),
)
def test_fills_follow_orders_and_nothing_stays_open(
    minutes: list[int], trades: list[float], data: st.DataObject
) -> None:
    made, fills = at(*minutes), Fills(at(*trades), np.full(len(trades), 100.0))
    wanted = np.array(data.draw(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=len(made), max_size=len(made))))
    ledger = trade(made, wanted, 5 * MINUTE, fills)
    orders = np.unique(np.concatenate((made, made + 5 * MINUTE)))
    last = np.searchsorted(orders, ledger.time, side="left") - 1
    entered = ledger.position != 0
    assert (last[entered] >= 0).all()
    assert np.isin(ledger.time, fills.time).all()
    for time, order in zip(ledger.time[entered], orders[last[entered]], strict=True):
        assert order < time
        assert not ((fills.time > order) & (fills.time < time)).any(), "an earlier trade would have filled it"
    assert not len(ledger.position) or ledger.position[-1] == 0
