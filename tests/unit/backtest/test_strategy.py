"""The toy strategy, by hand."""

import numpy as np
import pytest

from candlewave.backtest.strategy import Costs, StrategyRun, run_strategy

FREE = Costs(0.0, 0.0)
DEAR = Costs(fee_bps=40.0, slippage_bps=10.0)
UP, DOWN = np.log(1.02), np.log(0.98)


def run(forecast: list[float], realised: list[float], costs: Costs = FREE, horizon: int = 1) -> StrategyRun:
    times = np.datetime64("2026-01-01T00:00", "us") + np.arange(len(forecast)) * np.timedelta64(1, "m")
    symbols = np.array(["BTC/USD"] * len(forecast))
    return run_strategy(symbols, times, np.array(forecast), np.array(realised), horizon, costs)


def test_right_forecasts_gain_and_wrong_ones_lose() -> None:
    result = run([0.1, -0.1, 0.1], [UP, DOWN, DOWN])
    assert result.equity == pytest.approx([1.02, 1.02**2, 1.02**2 * 0.98])
    assert result.buy_and_hold == pytest.approx([1.02, 1.02 * 0.98, 1.02 * 0.98**2])
    assert (result.trades, result.hit_rate) == (3, pytest.approx(2 / 3))
    assert result.max_drawdown == pytest.approx(0.02)
    assert str(result.time[0]) == "2026-01-01T00:02:00.000000"


def test_costs_fall_on_changes_of_position_only() -> None:
    result = run([0.1, 0.1, -0.1], [UP, UP, DOWN], DEAR)
    assert result.equity == pytest.approx(np.cumprod([1.02 - 0.005, 1.02, 1.02 - 0.010]))
    assert result.before_costs == pytest.approx(np.cumprod([1.02, 1.02, 1.02]))


def test_a_forecast_smaller_than_the_round_trip_is_not_traded() -> None:
    result = run([0.0099, -0.0099], [UP, DOWN], DEAR)
    assert result.equity == pytest.approx([1.0, 1.0])
    assert (result.trades, result.max_drawdown) == (0, 0.0)
    assert np.isnan(result.sharpe)
    assert np.isnan(result.hit_rate)


def test_holding_periods_do_not_overlap() -> None:
    result = run([0.1] * 10, [UP] * 10, horizon=5)
    # bars that end at a multiple of five minutes: those that open at 00:04 and 00:09
    assert [str(t)[11:16] for t in result.time] == ["00:10", "00:15"]
    assert result.equity[-1] == pytest.approx(1.02**2)


def test_symbols_weigh_equally_and_a_missing_return_counts_as_none() -> None:
    times = np.array(["2026-01-01T00:00", "2026-01-01T00:00"], "datetime64[us]")
    result = run_strategy(
        np.array(["BTC/USD", "ETH/USD"]), times, np.array([0.1, 0.1]), np.array([UP, np.nan]), 1, FREE
    )
    assert result.equity == pytest.approx([1.02])
    both = run_strategy(np.array(["BTC/USD", "ETH/USD"]), times, np.array([0.1, 0.1]), np.array([UP, DOWN]), 1, FREE)
    assert both.equity == pytest.approx([1.0])


def test_nothing_to_trade() -> None:
    assert run([], []).equity.shape == (0,)
