"""Forecasts without learning: what a model must beat before it may serve, and what serves until then."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.contracts.records import BASELINE
from candlewave.ml.feature_set import DEFAULT_VOLATILITY
from candlewave.ml.forecaster import FeatureMatrix, Part, Stretches, require_features

DEFAULT_SPREAD = (-1.1, 1.1)
"""Outer quantiles of a return in units of volatility · √horizon.

Normal returns of known volatility would have ±1.28; volatility is estimated over an hour in which it moves, and returns
have fat tails and thin middles, which draws the 10 % quantiles in.
"""


Spread = tuple[float, float]

_SHRINK_OUTCOMES = 100
"""Outcomes that do not overlap at which a market's own spread counts as much as that of all markets together."""

_MIN_ROWS = 100


@dataclass(frozen=True)
class LastPriceBaseline:
    """The price stays; intervals are as wide as the volatility of the last hour and the square root of the horizon say.

    Attributes:
        horizons_minutes: horizons, ascending.
        volatility: feature that holds the root mean square of one-minute log returns.
        spreads: lower and upper quantile of a return in units of volatility · √horizon, per horizon, of all markets
            together; :data:`DEFAULT_SPREAD` where nothing was fitted.
        market_spreads: the same of markets of their own, by ``exchange|symbol``.
        model_version: ``1`` with the default, else that of the training that fitted the spreads.
    """

    horizons_minutes: tuple[int, ...]
    volatility: str = DEFAULT_VOLATILITY
    spreads: Mapping[int, Spread] = field(default_factory=dict)
    market_spreads: Mapping[str, Mapping[int, Spread]] = field(default_factory=dict)
    model_name: str = BASELINE
    model_version: str = "1"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The volatility."""
        return (self.volatility,)

    @property
    def served_horizons(self) -> tuple[int, ...]:
        """All: it is there when nothing better is."""
        return self.horizons_minutes

    @property
    def served_parts(self) -> Mapping[int, Part]:
        """None: it serves whole."""
        return {}

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        """See :class:`candlewave.ml.forecaster.Forecaster`; NaN where the volatility is missing."""
        require_features(self.feature_names, matrix.names)
        return self.quantiles(matrix.values[:, 0], matrix.markets)

    def quantiles(self, volatility: NDArray[np.floating], markets: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Return (n, horizons, 3) log-return quantiles for n volatilities of one minute.

        Args:
            volatility: (n,) of one minute.
            markets: (n,) ``exchange|symbol``; as of all markets together if None.
        """
        roots = np.sqrt(np.array(self.horizons_minutes, np.float64))
        spread = np.empty((len(volatility), len(roots), 2))
        spread[:] = [self.spreads.get(h, DEFAULT_SPREAD) for h in self.horizons_minutes]
        if markets is not None:
            for market, own in self.market_spreads.items():
                chosen = markets == market
                for place, horizon in enumerate(self.horizons_minutes):
                    if horizon in own:
                        spread[chosen, place] = own[horizon]
        found = np.zeros((*spread.shape[:2], 3))
        found[:, :, [0, 2]] = spread
        found *= np.asarray(volatility, np.float64)[:, None, None] * roots[None, :, None]
        return found

    def stretched(self, stretches: Mapping[int, Stretches]) -> "LastPriceBaseline":
        """Return the same with other widths, by horizon and market."""
        spreads = {market: dict(own) for market, own in self.market_spreads.items()}
        for horizon, logarithms in stretches.items():
            for market, logarithm in logarithms.items():
                own = spreads.setdefault(market, {})
                low, high = own.get(horizon, self.spreads.get(horizon, DEFAULT_SPREAD))
                own[horizon] = (low * math.exp(logarithm), high * math.exp(logarithm))
        return replace(self, market_spreads=spreads)


def fit_baseline(
    horizons: tuple[int, ...],
    volatility: NDArray[np.floating],
    labels: Mapping[int, NDArray[np.float64]],
    volatility_feature: str = DEFAULT_VOLATILITY,
    markets: NDArray[Any] | None = None,
) -> LastPriceBaseline:
    """Return the baseline whose intervals are the empirical quantiles of scaled past returns.

    A market's own quantiles are drawn to those of all markets together, by n/(n + 100) for n outcomes of it that do not
    overlap.

    Args:
        horizons: minutes.
        volatility: (n,) volatility of one minute.
        labels: per horizon (n,) log returns; NaN where unknown.
        volatility_feature: name of the feature.
        markets: (n,) ``exchange|symbol``; None to fit all rows together only.
    """
    spreads: dict[int, Spread] = {}
    by_market: dict[str, dict[int, Spread]] = {}
    names = [] if markets is None else np.unique(markets).tolist()
    for horizon in horizons:
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = labels[horizon] / (np.asarray(volatility, np.float64) * np.sqrt(horizon))
        pooled = _spread(scaled)
        if pooled is None:
            continue
        spreads[horizon] = pooled
        for name in names:
            rows = scaled[markets == name]
            own = _spread(rows)
            if own is None:
                continue
            apart = int(np.isfinite(rows).sum()) / horizon
            weight = apart / (apart + _SHRINK_OUTCOMES)
            low, high = (weight * mine + (1 - weight) * all_ for mine, all_ in zip(own, pooled, strict=True))
            by_market.setdefault(name, {})[horizon] = (low, high)
    return LastPriceBaseline(horizons, volatility_feature, spreads, by_market)


def _spread(scaled: NDArray[np.float64]) -> Spread | None:
    known = scaled[np.isfinite(scaled)]
    if len(known) < _MIN_ROWS:
        return None
    low, high = np.quantile(known, (0.1, 0.9))
    return float(min(low, 0.0)), float(max(high, 0.0))


def drift(train: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Forecast the mean return of the training, the same for all ``count`` rows."""
    known = train[np.isfinite(train)]
    return np.full(count, known.mean() if len(known) else 0.0)


def seasonal_mean(
    train_time: NDArray[np.datetime64], train: NDArray[np.float64], time: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    """Forecast the mean return of the training at the same hour of the day (UTC)."""
    known = np.isfinite(train)
    hours = _hour(train_time[known])
    sums = np.bincount(hours, train[known], minlength=24)
    counts = np.bincount(hours, minlength=24)
    return (sums / np.maximum(counts, 1))[_hour(time)]


def ridge(
    train: NDArray[np.floating],
    target: NDArray[np.float64],
    values: NDArray[np.floating],
    penalty: float = 1.0,
) -> NDArray[np.float64]:
    """Forecast with a linear regression on standardised features, shrunk by ``penalty`` per row (Hoerl, Kennard 1970).

    Missing features count as their mean. Returns (len(values),) forecasts of ``target``.
    """
    known = np.isfinite(target)
    usable = np.isfinite(train[known]).any(axis=0)
    sample, wanted = np.asarray(train[known][:, usable], np.float64), target[known]
    centre, scale = np.nanmean(sample, axis=0), np.nanstd(sample, axis=0)
    scale[scale < 1e-12] = np.inf
    x = np.nan_to_num((sample - centre) / scale)
    mean = wanted.mean() if len(wanted) else 0.0
    gram = x.T @ x + penalty * max(len(x), 1) * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (wanted - mean))
    found: NDArray[np.float64] = (
        mean + np.nan_to_num((np.asarray(values[:, usable], np.float64) - centre) / scale) @ weights
    )
    return found


def _hour(time: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return time.astype("datetime64[h]").astype(np.int64) % 24
