"""The report of a backtest: one HTML file with its plots inside."""

import base64
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np

from candlewave.backtest.costs import Terms
from candlewave.backtest.groups import Group
from candlewave.backtest.strategy import StrategyRun
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.scores import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MODEL, _BASELINE, _GOOD, _BAD = "#2a6fdb", "#8a8f98", "#1b7f5c", "#b4451f"
_POINTS = 4_000
_MAX_DATES = 6


@dataclass(frozen=True)
class Backtest:
    """All that a report says.

    Attributes:
        markets: exchange and symbol of each market.
        begin, end: first and last feature time judged, UTC.
        train_span: history each model was trained on.
        cadence: time between trainings.
        trainings: number of models trained.
        synthetic: True when the trades were simulated.
        command: how to make the report again.
        data: out-of-sample forecasts per horizon.
        verdicts: per horizon, in the order of ``data``.
        groups: per horizon, what the forecasts of each market, hour and volatility are worth.
        unknown: per horizon, forecasts that are left out because nobody knows what came.
        strategy: toy strategy per horizon.
        terms: what each market costs the strategy.
        notes: what the reader must know besides, such as markets that were left out.
    """

    markets: list[str]
    begin: datetime
    end: datetime
    train_span: timedelta
    cadence: timedelta
    trainings: int
    synthetic: bool
    command: str
    data: list[OutOfSample]
    verdicts: list[Verdict]
    groups: list[list[Group]]
    unknown: list[int]
    strategy: list[StrategyRun]
    terms: list[Terms]
    notes: list[str]

    @property
    def statement(self) -> str:
        """Whether the model beats the baseline, in one sentence."""
        good = [f"{v.horizon_minutes}m" for v in self.verdicts if v.skill.low > 0]
        none = [f"{v.horizon_minutes}m" for v in self.verdicts if v.skill.low <= 0]
        if not good:
            return "No skill: on no horizon is the median forecast better than the last price with 95 % confidence."
        rest = f"; no skill on {', '.join(none)}" if none else ""
        certainty = "with 95 % confidence over all horizons together"
        return f"The median forecast beats the last price on {', '.join(good)} {certainty}{rest}."


def write_report(backtest: Backtest, path: Path) -> None:
    """Write the HTML file; the folder is made, an older file replaced as a whole."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=_percent, interval=_interval, minutes=_span, bp=basis_points)
    template = environment.from_string((files("candlewave.backtest") / "report.html.j2").read_text(encoding="utf-8"))
    page = template.render(b=backtest, plots=_plots(backtest))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)


def _percent(value: float, digits: int = 1) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.{digits}f} %"


def _interval(interval: Interval, digits: int = 1) -> str:
    """Return the bounds; an empty text when there are none."""
    return "" if np.isnan(interval.value) else f"{_percent(interval.low, digits)} to {_percent(interval.high, digits)}"


def basis_points(value: float) -> str:
    """Return a fraction in basis points."""
    return "–" if np.isnan(value) else f"{1e4 * value:.2f} bp"


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 24 else f"{hours:g} hours"


def _plots(backtest: Backtest) -> dict[str, str]:
    """Return the plots as data URLs of SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    def figure(width: float = 9.0, height: float = 3.4, columns: int = 1) -> tuple["Figure", list["Axes"]]:
        drawn = Figure(figsize=(width, height), layout="constrained")
        axes = [drawn.add_subplot(1, columns, i + 1) for i in range(columns)]
        for axis in axes:
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(alpha=0.25, linewidth=0.6)
        return drawn, axes

    with rc_context({"svg.hashsalt": "candlewave", "svg.fonttype": "path", "font.size": 9}):
        plots = {}
        drawn, axes = figure(columns=2)
        _skill(axes[0], backtest.verdicts)
        _coverage(axes[1], backtest.verdicts)
        plots["skill"] = _url(drawn)
        drawn, axes = figure(columns=2)
        _daily(axes[0], backtest.data)
        _calibration(axes[1], backtest.data)
        plots["time"] = _url(drawn)
        drawn, axes = figure(columns=len(backtest.data))
        for axis, horizon, found in zip(axes, backtest.verdicts, backtest.groups, strict=True):
            _by_hour(axis, f"{horizon.horizon_minutes}m", [group for group in found if group.kind == "hour"])
        plots["hours"] = _url(drawn)
        drawn, axes = figure(columns=len(backtest.data))
        for axis, data in zip(axes, backtest.data, strict=True):
            _forecast_against_actual(axis, data)
        plots["actual"] = _url(drawn)
        drawn, axes = figure(columns=len(backtest.strategy))
        for axis, run in zip(axes, backtest.strategy, strict=True):
            _equity(axis, run)
        plots["equity"] = _url(drawn)
    return plots


def _url(figure: "Figure") -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _by_hour(axis: "Axes", title: str, found: list[Group]) -> None:
    _bars(axis, [group.name for group in found], [group.skill for group in found])
    axis.set_xticks(range(0, len(found), 6), [group.name for group in found[::6]])
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_title(f"{title}: skill by hour, UTC")
    axis.set_ylabel("% less absolute error")


def _bars(axis: "Axes", labels: list[str], intervals: list[Interval]) -> None:
    for place, (label, interval) in enumerate(zip(labels, intervals, strict=True)):
        colour = _GOOD if interval.low > 0 else _BAD if interval.high < 0 else _BASELINE
        axis.plot([place, place], [100 * interval.low, 100 * interval.high], color=colour, linewidth=3, alpha=0.5)
        axis.plot(place, 100 * interval.value, "o", color=colour, label=label)
    axis.set_xticks(range(len(labels)), labels)


def _skill(axis: "Axes", verdicts: list[Verdict]) -> None:
    _bars(axis, [f"{v.horizon_minutes}m" for v in verdicts], [v.skill for v in verdicts])
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_title("Skill of the median against the last price, 95 % over all horizons together")
    axis.set_ylabel("% less absolute error")
    axis.set_xlabel("horizon")


def _coverage(axis: "Axes", verdicts: list[Verdict]) -> None:
    for place, verdict in enumerate(verdicts):
        interval = verdict.coverage
        fits = interval.low <= 0.8 <= interval.high
        colour = _GOOD if fits else _BAD
        axis.plot([place, place], [100 * interval.low, 100 * interval.high], color=colour, linewidth=3, alpha=0.5)
        axis.plot(place, 100 * interval.value, "o", color=colour)
    axis.axhline(80, color="black", linewidth=0.8)
    axis.set_xticks(range(len(verdicts)), [f"{v.horizon_minutes}m" for v in verdicts])
    axis.set_title("Outcomes inside the 80 % interval")
    axis.set_ylabel("%")
    axis.set_xlabel("horizon")


def _daily(axis: "Axes", data: list[OutOfSample]) -> None:
    days = np.array([], "datetime64[D]")
    for one in data:
        found, day = np.unique(one.open_time.astype("datetime64[D]"), return_inverse=True)
        days = np.union1d(days, found)
        error = np.bincount(day, np.abs(one.realised - one.quantiles[:, 1]))
        still = np.bincount(day, np.abs(one.realised))
        axis.plot(found, 100 * (1 - error / np.where(still > 0, still, np.nan)), ".-", label=f"{one.horizon_minutes}m")
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_title("Skill by day")
    axis.set_ylabel("%")
    shown = days[:: -(-len(days) // _MAX_DATES)]
    axis.set_xticks(shown, [f"{day.item():%b %d}" for day in shown])
    axis.legend(frameon=False)


def _calibration(axis: "Axes", data: list[OutOfSample]) -> None:
    levels = np.array([10, 50, 90])
    for one in data:
        axis.plot(
            levels, 100 * (one.realised[:, None] <= one.quantiles).mean(axis=0), "o-", label=f"{one.horizon_minutes}m"
        )
    axis.plot([0, 100], [0, 100], color="black", linewidth=0.8)
    axis.set_title("Calibration: outcomes below the forecast quantile")
    axis.set_xlabel("quantile level, %")
    axis.set_ylabel("observed, %")
    axis.legend(frameon=False)


def _forecast_against_actual(axis: "Axes", data: OutOfSample) -> None:
    step = max(1, len(data.realised) // _POINTS)
    forecast, realised = 1e4 * data.quantiles[::step, 1], 1e4 * data.realised[::step]
    axis.plot(forecast, realised, ".", markersize=2, color=_MODEL, alpha=0.4, rasterized=True)
    axis.axline((0, 0), slope=1, color="black", linewidth=0.8)
    axis.set_title(f"{data.horizon_minutes}m")
    axis.set_xlabel("forecast, bp")
    axis.set_ylabel("outcome, bp")


def _equity(axis: "Axes", run: StrategyRun) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axis.plot(run.time, run.before_costs, color=_MODEL, linewidth=0.8, linestyle=":", label="before costs")
    axis.plot(run.time, run.equity, color=_MODEL, label="after costs")
    axis.plot(run.time, run.buy_and_hold, color=_BASELINE, linewidth=0.8, label="buy and hold")
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set_title(f"{run.horizon_minutes}m")
    locator = AutoDateLocator(minticks=2, maxticks=4)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axis.legend(frameon=False, fontsize=7)
