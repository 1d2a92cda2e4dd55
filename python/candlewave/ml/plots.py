"""Plots of a training run, as PNG files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candlewave.ml.examined import Examined
from candlewave.ml.model import QuantileModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_BARS = 25
_POINTS = 5_000


def save_all(folder: Path, examined: Examined, model: QuantileModel) -> None:
    """Write importance, calibration, error by hour, and forecast against actual."""
    folder.mkdir(parents=True)
    horizons = [o.horizon_minutes for o in examined.outcomes]
    with _figure(folder / "importance.png", len(horizons), 3.6, 6.0) as axes:
        for axis, horizon in zip(axes, horizons, strict=True):
            ranked = sorted(model.importance(horizon).items(), key=lambda item: item[1])[-_MAX_BARS:]
            axis.barh([name for name, _ in ranked], [100 * share for _, share in ranked], color="#2a6fdb")
            axis.set_title(f"{horizon}m")
            axis.set_xlabel("share of gain, %")
            axis.tick_params(axis="y", labelsize=6)
    with _figure(folder / "calibration.png", 1, 5.0, 4.0) as axes:
        for outcome in examined.outcomes:
            observed = (outcome.realised[:, None] <= outcome.quantiles).mean(axis=0)
            axes[0].plot([10, 50, 90], 100 * observed, "o-", label=f"{outcome.horizon_minutes}m")
        axes[0].plot([0, 100], [0, 100], color="black", linewidth=0.8)
        axes[0].set_xlabel("quantile level, %")
        axes[0].set_ylabel("outcomes below, %")
        axes[0].legend(frameon=False)
    with _figure(folder / "error_by_hour.png", len(horizons), 3.2, 3.0) as axes:
        for axis, outcome in zip(axes, examined.outcomes, strict=True):
            hours = outcome.open_time.astype("datetime64[h]").astype(np.int64) % 24
            count = np.maximum(np.bincount(hours, minlength=24), 1)
            error = np.bincount(hours, np.abs(outcome.realised - outcome.quantiles[:, 1]), minlength=24) / count
            still = np.bincount(hours, np.abs(outcome.realised), minlength=24) / count
            axis.step(range(24), 1e4 * still, where="mid", color="#8a8f98", label="last price")
            axis.step(range(24), 1e4 * error, where="mid", color="#2a6fdb", label="model")
            axis.set_title(f"{outcome.horizon_minutes}m")
            axis.set_xlabel("hour, UTC")
            axis.set_ylabel("mean absolute error, bp")
            axis.legend(frameon=False, fontsize=7)
    with _figure(folder / "forecast_vs_actual.png", len(horizons), 3.2, 3.2) as axes:
        for axis, outcome in zip(axes, examined.outcomes, strict=True):
            step = max(1, len(outcome.realised) // _POINTS)
            axis.plot(1e4 * outcome.quantiles[::step, 1], 1e4 * outcome.realised[::step], ".", markersize=2, alpha=0.4)
            axis.axline((0, 0), slope=1, color="black", linewidth=0.8)
            axis.set_title(f"{outcome.horizon_minutes}m")
            axis.set_xlabel("forecast, bp")
            axis.set_ylabel("outcome, bp")


@contextmanager
def _figure(path: Path, columns: int, width: float, height: float) -> Iterator[list["Axes"]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height), layout="constrained")
    axes = [figure.add_subplot(1, columns, i + 1) for i in range(columns)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.set_axisbelow(True)
    yield axes
    figure.savefig(path, dpi=110)
