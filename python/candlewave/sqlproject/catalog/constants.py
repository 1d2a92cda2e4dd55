"""Numbers that the indicator templates need, worked out when they are rendered."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from candlewave.core.config import Config, IndicatorsConfig
from candlewave.core.paths import sql_folders
from candlewave.sqlproject.catalog.indicators import Indicator, catalog
from candlewave.sqlproject.catalog.own_indicators import OwnIndicators
from candlewave.sqlproject.catalog.smoothing import (
    CHUNK_BARS,
    Smoothing,
    Term,
    checked,
    double,
    ema,
    mean_weights,
    wilder,
)


@dataclass(frozen=True)
class Layer:
    """What the templates of ``sql/views/indicators`` see as ``layer``.

    Attributes:
        folders: ``sql`` folders with kinds of indicators; when left out, as :func:`candlewave.core.paths.sql_folders`.
    """

    config: Config
    folders: tuple[Path, ...] = ()

    chunk_bars = CHUNK_BARS

    @property
    def indicators(self) -> IndicatorsConfig:
        """Parameters of the indicators."""
        return self.config.indicators

    @cached_property
    def own(self) -> OwnIndicators:
        """The entries of ``[[indicators.own]]``."""
        return OwnIndicators(self.config, self.folders or sql_folders())

    @cached_property
    def shipped(self) -> tuple[Indicator, ...]:
        """Every column of view ``indicators``, in its order."""
        return catalog(self.indicators)

    @property
    def catalog(self) -> tuple[Indicator, ...]:
        """The same, and every column of entries."""
        return self.shipped + self.own.indicators

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Running sums of the first stage, without repetition."""
        c = self.indicators
        orders: dict[Smoothing, int] = {}

        def close(period: int, stages: int = 1) -> None:
            smoothing = self.ema(period)
            orders[smoothing] = max(orders.get(smoothing, 0), stages - 1)

        for period in c.ema:
            close(period)
        for period in c.dema:
            close(period, 2)
        for period in c.tema:
            close(period, 3)
        for period in (c.macd.fast, c.macd.slow):
            close(c.macd.signal, 2 if period == c.macd.signal else 1)
            close(period)
        close(c.keltner.ema)
        terms: list[Term] = []
        for smoothing, order in sorted(orders.items()):
            for source, label in (("close", "close"), (None, "bars")):
                terms += [Term(f"{label}_{smoothing.name}", m, smoothing, source) for m in range(order + 1)]
        wilder = self.wilder(c.rsi)
        terms += [Term(f"{name}_{wilder.name}", 0, wilder, name) for name in ("gain", "loss")]
        for period in (c.atr, c.keltner.atr):
            wilder = self.wilder(period)
            terms += [Term(f"true_range_{wilder.name}", 0, wilder, "true_range")]
            terms += [Term(f"ranges_{wilder.name}", 0, wilder, "has_range")]
        wilder = self.wilder(c.adx)
        terms += [Term(f"{name}_{wilder.name}", 0, wilder, name) for name in ("true_range", "plus_dm", "minus_dm")]
        return checked(dict.fromkeys(terms))

    @cached_property
    def adx_terms(self) -> tuple[Term, ...]:
        """Running sums of the second stage: ADX smooths the directional index."""
        wilder = self.wilder(self.indicators.adx)
        return checked(Term(f"{name}_{wilder.name}", 0, wilder, name) for name in ("dx", "has_dx"))

    @cached_property
    def close_sums(self) -> tuple[int, ...]:
        """Windows, in bars, over which closes are summed."""
        c = self.indicators
        return tuple(sorted({*c.sma, *c.wma, c.bollinger.period}))

    @cached_property
    def smoothings(self) -> tuple[Smoothing, ...]:
        """Smoothings of the first stage, without repetition."""
        return tuple(dict.fromkeys(term.smoothing for term in self.terms))

    @cached_property
    def warm_cap_chunks(self) -> int:
        """Chunks over which ``warm_bars`` is counted: enough for the slowest indicator."""
        return math.ceil(max(indicator.warm_up for indicator in self.catalog) / CHUNK_BARS)

    @property
    def warm_cap(self) -> int:
        """Largest value of ``warm_bars``."""
        return self.warm_cap_chunks * CHUNK_BARS

    @cached_property
    def signal_warm_up(self) -> int:
        """Bars until everything that view ``signals`` reads is warm."""
        labels = ("macd_hist", "adx", "plus_di", "minus_di", "rsi", "bollinger_percent_b", "keltner")
        return max(i.warm_up for i in self.shipped if i.name.startswith(labels))

    @property
    def carried_chunks(self) -> int:
        """Chunks that the carry of the first stage reaches back."""
        return max(self.warm_cap_chunks, *(s.carried_chunks for s in self.smoothings))

    @property
    def adx_carried_chunks(self) -> int:
        """Chunks that the carry of the second stage reaches back."""
        return max(term.smoothing.carried_chunks for term in self.adx_terms)

    @property
    def frame_bars(self) -> int:
        """Bars before a bar that the windows of view ``indicators`` may read."""
        return max(indicator.needs for indicator in self.shipped) - 1

    def ema(self, period: int) -> Smoothing:
        """Return the smoothing of an exponential moving average."""
        return ema(period)

    def wilder(self, period: int) -> Smoothing:
        """Return Wilder's smoothing; exact through the longest stretch of filled candles."""
        return wilder(period, self.config.candles.max_fill_minutes)

    @staticmethod
    def mean_weights(period: int, again: int = 1) -> list[int]:
        """Return how often each bar counts, newest first, in a mean of ``again`` means of ``period`` bars."""
        return mean_weights(period, again)

    @staticmethod
    def double(value: float) -> str:
        """Write a number as SQL."""
        return double(value)
