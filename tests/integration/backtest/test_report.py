"""The report says what was found, and says so when it is nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from candlewave.backtest.costs import Terms
from candlewave.backtest.fills import Fills
from candlewave.backtest.groups import groups
from candlewave.backtest.report import Backtest, write_report
from candlewave.backtest.strategy import Decisions, run_strategy
from candlewave.core.markets import Market
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.scores import Interval

COUNT = 300


def verdict(horizon: int, low: float, high: float) -> Verdict:
    skill = Interval((low + high) / 2, low, high)
    other = Interval(0.8, 0.78, 0.82)
    return Verdict(
        horizon, COUNT, COUNT // horizon, 0.0004, 0.0005, skill, skill, other, Interval(np.nan, np.nan, np.nan)
    )


def backtest(*verdicts: Verdict, synthetic: bool = True) -> Backtest:
    times = np.datetime64("2026-01-01", "us") + np.arange(COUNT) * np.timedelta64(1, "m")
    realised = np.sin(np.arange(COUNT)) / 1000
    data = [
        OutOfSample(
            v.horizon_minutes,
            np.array(["BTC/USD"] * COUNT),
            times,
            realised[:, None] / 2 + np.array([-0.001, 0.0, 0.001]),
            np.tile([-0.001, 0.0, 0.001], (COUNT, 1)),
            realised,
        )
        for v in verdicts
    ]
    terms = Terms(Market("kraken", "<BTC/USD>"), 40, "candlewave.toml", 2)
    perpetual = Terms(Market("bybit", "BTC/USDT:USDT"), 7.5, "ccxt", 2)
    made = times + np.timedelta64(62, "s")
    fills = Fills(made + np.timedelta64(1, "s"), 100 * np.exp(np.cumsum(realised)))
    return Backtest(
        markets=["kraken <BTC/USD>"],
        begin=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 1, 5, tzinfo=UTC),
        train_span=timedelta(days=14),
        cadence=timedelta(hours=6),
        trainings=2,
        synthetic=synthetic,
        command="candlewave backtest --days 1",
        data=data,
        verdicts=list(verdicts),
        groups=[groups(d) for d in data],
        unknown=[1234] * len(data),
        strategy=[
            run_strategy(d.horizon_minutes, {"a": Decisions(made, d.quantiles[:, 1])}, {"a": fills}, {"a": terms})
            for d in data
        ],
        terms=[terms, perpetual],
        notes=["One market had too little history."],
    )


@pytest.mark.parametrize(
    ("verdicts", "statement", "words"),
    [
        ([verdict(1, -0.01, 0.02)], "No skill: on no horizon", "no skill"),
        ([verdict(1, -0.03, -0.01)], "No skill: on no horizon", "worse than the last price"),
        (
            [verdict(1, 0.01, 0.03), verdict(5, 0.0, 0.1)],
            "beats the last price on 1m with 95 % confidence over all horizons together; no skill on 5m",
            "beats",
        ),
        (
            [verdict(1, 0.01, 0.03)],
            "beats the last price on 1m with 95 % confidence over all horizons together.",
            "beats",
        ),
    ],
)
def test_the_statement_follows_the_confidence_interval(
    verdicts: list[Verdict], statement: str, words: str, tmp_path: Path
) -> None:
    write_report(backtest(*verdicts), tmp_path / "made" / "report.html")
    page = (tmp_path / "made" / "report.html").read_text(encoding="utf-8")
    assert statement in page
    assert f">{words}" in page
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["report.html"]


def test_the_page_is_whole_escaped_and_labels_synthetic_data(tmp_path: Path) -> None:
    write_report(backtest(verdict(1, 0.01, 0.03)), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/svg+xml;base64,') == 5
    assert "http" not in page.replace("http-equiv", "")
    assert "kraken &lt;BTC/USD&gt;" in page
    assert "1,234 without an outcome" in page
    assert "<td>40 bp</td>" in page
    assert "not traded: what funding costs is unknown (funding_bps in table [costs.bybit] of candlewave.toml)" in page
    assert "calm" in page
    assert "break-even cost per side" in page
    assert "Synthetic data" in page
    assert "One market had too little history." in page
    assert '<td>–<span class="low"></span>' in page, "a share of nothing is no number and has no interval"
    assert "2.00 %" in page, "skills of hundredths of a percent are not rounded away"
    assert "1.00 % to 3.00 %" in page
    write_report(backtest(verdict(1, 0.01, 0.03), synthetic=False), tmp_path / "r.html")
    assert "Synthetic data" not in (tmp_path / "r.html").read_text(encoding="utf-8")
