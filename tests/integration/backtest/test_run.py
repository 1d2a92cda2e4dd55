"""The walk of a backtest over tables as SQL would fill them: one feature tells the next minute's return, or nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from candlewave.backtest.report import Backtest
from candlewave.backtest.run import Timetable, backtest
from candlewave.cli import app
from candlewave.core.config import Config
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.dataset import read_dataset
from candlewave.ml.model import TooLittleDataError

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CONFIG = Config.model_validate({"predictions": {"horizons_minutes": [1, 5]}})
SMALL = BoostingParameters(trees=20, learning_rate=0.15, leaves=7, threads=1)

_TABLES = """
CREATE TABLE features (
    exchange text, symbol text, open_time timestamptz, close_time timestamptz, available_at timestamptz,
    tell float8, volatility_60_1m float8, noise float8, PRIMARY KEY (exchange, symbol, open_time)
);
CREATE TABLE feature_catalog (feature_set text);
INSERT INTO feature_catalog VALUES ('three columns');
CREATE TABLE candles (
    exchange text, symbol text, timeframe text, open_time timestamptz, close float8, feed_state text,
    PRIMARY KEY (exchange, symbol, timeframe, open_time)
);
CREATE TABLE labels (
    exchange text, symbol text, horizon_minutes int, open_time timestamptz, target_time timestamptz,
    realised_return float8, PRIMARY KEY (exchange, symbol, horizon_minutes, open_time)
);
CREATE TABLE fill_prices (
    exchange text, symbol text, minute timestamptz, is_after_grace bool, filled_at timestamptz, price float8,
    PRIMARY KEY (exchange, symbol, minute, is_after_grace)
);
"""


def fill(conn: psycopg.Connection, symbol: str, minutes: int, signal: float, begin: datetime = BEGIN) -> None:
    """Write a market whose feature ``tell`` has the correlation ``signal`` with the next minute's return."""
    rng = np.random.default_rng(len(symbol))
    tell, noise = rng.standard_normal(minutes), rng.standard_normal(minutes)
    shock = signal * np.concatenate(([0.0], tell[:-1])) + np.sqrt(1 - signal**2) * rng.standard_normal(minutes)
    price = 100 * np.exp(np.cumsum(0.001 * shock))
    with conn.cursor() as cursor:
        with cursor.copy("COPY features FROM STDIN") as copy:
            for n in range(minutes):
                moment = begin + n * MINUTE
                copy.write_row(
                    ("simulated", symbol, moment, moment + MINUTE, moment + MINUTE, tell[n], 0.001, noise[n])
                )
        with cursor.copy("COPY candles FROM STDIN") as copy:
            for n in range(minutes):
                copy.write_row(("simulated", symbol, "1m", begin + n * MINUTE, price[n], "traded"))
        with cursor.copy("COPY fill_prices FROM STDIN") as copy:
            for n in range(minutes - 1):
                moment = begin + (n + 1) * MINUTE
                copy.write_row(("simulated", symbol, moment, True, moment + timedelta(seconds=3), price[n]))
        with cursor.copy("COPY labels FROM STDIN") as copy:
            for horizon in (1, 5):
                for n in range(minutes - horizon):
                    moment = begin + n * MINUTE
                    value = float(np.log(price[n + horizon] / price[n]))
                    target = moment + (horizon + 1) * MINUTE
                    copy.write_row(("simulated", symbol, horizon, moment, target, value))


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        opened.execute(_TABLES)
        yield opened


def plan(days: float = 1, min_history_minutes: int = 600) -> Timetable:
    end = BEGIN + 2 * DAY
    return Timetable(end - days * DAY, end, timedelta(hours=8), DAY, min_history_minutes, timedelta(seconds=2))


def run(conn: psycopg.Connection, steps: Timetable) -> Backtest:
    return backtest(conn, CONFIG, steps, SMALL, command="candlewave backtest", fee_bps=0.5, spread_bps=1)


def test_planted_signal_is_found_where_it_is_and_every_forecast_is_judged_once(conn: psycopg.Connection) -> None:
    for symbol in ("A/USD", "BB/USD"):
        fill(conn, symbol, 2 * 1440, signal=0.5)
    found = run(conn, plan())
    assert found.trainings == 3
    assert found.markets == ["simulated A/USD", "simulated BB/USD"]
    assert found.synthetic
    assert found.notes == []
    one, five = found.data
    assert len(one.realised) == 2 * (1440 - 1)  # the last minute's outcome is not in
    assert len(five.realised) == 2 * (1440 - 5)
    keys = list(zip(one.symbol.tolist(), one.open_time.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    # Knowing a normal part of correlation 0.5 saves 1 − √(1 − 0.25) = 13.4 % of the mean absolute error.
    assert 0.09 < found.verdicts[0].skill.value < 0.134 + 0.02
    assert found.verdicts[0].text == "beats the last price"
    assert found.statement.startswith("The median forecast beats the last price on 1m")
    assert found.unknown == [2, 10]
    assert [g.name for g in found.groups[0] if g.kind == "market"] == ["simulated A/USD", "simulated BB/USD"]
    # Forecasts have a standard deviation of 5 bp and are filled at the price that they start from. Those of falls are
    # not traded, the others gain 5 · √(2/π) = 4.0 bp; every second minute trades, as often as every second gains.
    traded = found.strategy[0]
    assert traded.break_even.low < 0.0004 < traded.break_even.high
    assert traded.break_even.high - traded.break_even.low < 0.0002
    assert traded.break_even_largest.value > traded.break_even.value
    assert traded.before_costs[-1] > traded.equity[-1] > traded.buy_and_hold[-1]
    assert [str(terms.market) for terms in found.terms] == ["simulated A/USD", "simulated BB/USD"]
    assert all(terms.per_side == pytest.approx(0.0001) for terms in found.terms)


def test_orders_meet_trades_after_the_forecast_only(conn: psycopg.Connection) -> None:
    fill(conn, "A/USD", 2 * 1440, signal=0.5)
    before = run(conn, plan())
    # A forecast is made two seconds after the close: what trades then is too early, and must not matter.
    conn.execute(
        "INSERT INTO fill_prices SELECT exchange, symbol, minute, false, minute + interval '2 seconds', 1"
        " FROM fill_prices"
    )
    after = run(conn, plan())
    for first, second in zip(before.strategy, after.strategy, strict=True):
        np.testing.assert_array_equal(first.equity, second.equity)
        assert first.break_even == second.break_even


def test_perpetual_contract_without_a_rate_of_funding_is_judged_and_not_traded(conn: psycopg.Connection) -> None:
    fill(conn, "A/USD:USD", 2 * 1440, signal=0.5)
    found = run(conn, plan())
    assert found.verdicts[0].skill.low > 0
    assert "funding_bps in table [costs.simulated]" in (found.terms[0].refusal or "")
    assert [traded.trades for traded in found.strategy] == [0, 0]


def test_noise_has_no_skill(conn: psycopg.Connection) -> None:
    fill(conn, "A/USD", 2 * 1440, signal=0.0)
    found = run(conn, plan())
    assert all(verdict.skill.low <= 0 for verdict in found.verdicts)
    assert all(traded.break_even.low <= 0 for traded in found.strategy)
    assert found.statement.startswith("No skill")


def test_forecasts_know_nothing_of_what_comes_after_them(conn: psycopg.Connection) -> None:
    fill(conn, "A/USD", 2 * 1440, signal=0.5)
    before = run(conn, plan())
    cut = BEGIN + DAY + timedelta(hours=8)
    # Were a label of before the cut, whose outcome lies after it, in the second training, this would change it.
    conn.execute("UPDATE labels SET realised_return = 100 * realised_return WHERE target_time > %s", [cut])
    conn.execute("UPDATE features SET tell = -9, volatility_60_1m = 9 WHERE open_time >= %s", [cut + 8 * 60 * MINUTE])
    after = run(conn, plan())
    until = np.datetime64((cut + 8 * 60 * MINUTE).replace(tzinfo=None), "us")
    for first, second in zip(before.data, after.data, strict=True):
        early = first.open_time < until
        assert early.sum() > 900
        by_then = first.open_time < np.datetime64(cut.replace(tzinfo=None), "us")
        np.testing.assert_array_equal(first.quantiles[by_then], second.quantiles[by_then])
        # Between the cut and the next training widths follow what came since, and nothing else differs.
        np.testing.assert_array_equal(first.quantiles[early, 1], second.quantiles[early, 1])
        np.testing.assert_allclose(_lopsided(first.quantiles[early]), _lopsided(second.quantiles[early]), rtol=1e-6)
        assert not np.array_equal(first.quantiles[~early], second.quantiles[~early])


def _lopsided(quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of each interval lies above its median, which no stretching changes."""
    share: NDArray[np.float64] = (quantiles[:, 2] - quantiles[:, 1]) / (quantiles[:, 2] - quantiles[:, 0])
    return share


def test_market_with_too_little_history_waits_and_is_named(conn: psycopg.Connection) -> None:
    fill(conn, "A/USD", 2 * 1440, signal=0.5)
    fill(conn, "NEW/USD", 1440 + 60, signal=0.5, begin=BEGIN + DAY - 60 * MINUTE)
    found = run(conn, plan(min_history_minutes=600))
    assert found.notes == ["simulated NEW/USD: left out of 2 of 3 trainings for too little history."]
    new = found.data[0].open_time[found.data[0].symbol == "simulated|NEW/USD"]
    assert new.min() == np.datetime64("2026-03-03T16:00")


def test_no_history_is_an_error_in_words(conn: psycopg.Connection) -> None:
    fill(conn, "A/USD", 300, signal=0.5)
    with pytest.raises(TooLittleDataError, match=r"no market has 600 minutes of history \(TRAIN_MIN_HISTORY_MINUTES\)"):
        run(conn, plan())


def test_each_row_is_read_once(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(conn, "A/USD", 2 * 1440, signal=0.5)
    spans: list[tuple[datetime, datetime]] = []

    def reading(*args: object, **kwargs: object) -> object:
        spans.append((args[2], args[3]))  # type: ignore[arg-type]
        return read_dataset(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("candlewave.backtest.run.read_dataset", reading)
    run(conn, plan())
    hours = [timedelta(hours=h) for h in (0, 32, 40, 48)]
    assert spans == [(BEGIN + a, BEGIN + b) for a, b in pairwise(hours)]


def test_command_writes_the_report_and_says_what_it_found(
    conn: psycopg.Connection, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candlewave.engine.connect.engine_url", lambda _: database)
    monkeypatch.setenv("TRAIN_TREES", "5")
    monkeypatch.setenv("TRAIN_MIN_HISTORY_MINUTES", "600")
    fill(conn, "A/USD", 1440, signal=0.5)
    for horizon in (15, 60):  # the shipped horizons
        conn.execute(
            "INSERT INTO labels SELECT exchange, symbol, %s, open_time, target_time + %s * interval '1 minute',"
            " realised_return FROM labels WHERE horizon_minutes = 5",
            [horizon, horizon - 5],
        )
    report = tmp_path / "deep" / "report.html"
    options = ["--days", "0.25", "--every-hours", "3", "--train-days", "0.7", "--fee-bps", "7", "--report", str(report)]
    result = CliRunner().invoke(app, ["backtest", *options])
    assert result.exit_code == 0, result.output
    assert "1 min" in result.output
    assert "break-even cost per side" in result.output
    assert "simulated A/USD 7 bp (--fee-bps) and half of 2 bp of spread" in " ".join(result.output.split())
    assert f"Report: {report}" in result.output.replace("\n", "")
    page = report.read_text(encoding="utf-8")
    assert "trained 2 times, every 3 hours" in page
    assert "--end 2026-03-03T00:00:00 --train-days 0.7 --every-hours 3 --fee-bps 7<" in page


@pytest.mark.usefixtures("conn")
def test_command_without_data_says_what_to_do(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.engine.connect.engine_url", lambda _: database)
    result = CliRunner().invoke(app, ["backtest"])
    assert result.exit_code == 1
    assert "there are no features yet" in result.output
    with psycopg.connect(database, autocommit=True) as engine:
        engine.execute("CREATE TABLE prediction_inputs (feature_time timestamptz)")
    result = CliRunner().invoke(app, ["backtest", "--inputs"])
    assert result.exit_code == 1
    assert "no forecast has kept its inputs yet: `candlewave price-predictor` does" in result.output
