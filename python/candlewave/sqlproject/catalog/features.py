"""The features, each defined once.

View ``bar_features`` computes those of a bar, ``features`` joins them, ``feature_catalog`` explains them, and
``input_amendments`` compares them.
"""

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from candlewave.core.config import Config, OwnFeature
from candlewave.core.markets import Market
from candlewave.core.paths import sql_folders
from candlewave.sqlproject.catalog.indicators import Indicator, Unit
from candlewave.sqlproject.catalog.own_features import (
    TAKEN,
    OwnFeatureError,
    columns_of,
    needs_of,
    needs_of_indicator,
)
from candlewave.sqlproject.catalog.own_indicators import VIEW, OwnIndicatorError, OwnIndicators, all_indicators

RETURN_BARS = (5, 15, 60)
"""Bars that returns look back."""

VARIANCE_BARS = (1, 3, 5, 15, 60)
"""Bars of which the variance is estimated from highs and lows."""

LONGER_VARIANCE_BARS = (4, 24)
"""The same, also of longer timeframes: 20 minutes to a day with the shipped ones."""

ACTIVITY_BARS = 20
"""Bars that activity is compared with."""


_MIN_VARIANCE = "0.0000000001"
"""A move of a thousandth of a percent; of a bar that stood still the logarithm would be infinite."""


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes:
        name: column; in view ``features`` the timeframe follows, for features of bars.
        needs: bars without a hole before there is a value: three periods for averages that remember (more would leave
            hourly features empty for weeks).
        neutral: what stands for 0/0 in a market that stands still, and for what loaded history does not tell; None
            where that cannot be.
        range: where its values lie.
        value: SQL, over a bar with its indicators, the closes ``close_n`` of n bars before it, and the sums of its last
            bars; over ``sentiment_minute`` or the minute's number for what is not of bars.
        meaning: one line for people.
        longer: also taken of the latest closed bar of each longer timeframe.
        timeframe: whose bars a column of ``features`` is of, None for what is not of bars.
        timeframes: those of whose bars there is a value, None for all.
        of_entry: it reads a column of ``own_indicators``.
    """

    name: str
    needs: int
    neutral: float | None
    range: str
    value: str
    meaning: str
    longer: bool = False
    timeframe: str | None = None
    timeframes: tuple[str, ...] | None = None
    of_entry: bool = False

    def is_of(self, timeframe: str) -> bool:
        """Return whether there is a value for bars of a timeframe."""
        return self.timeframes is None or timeframe in self.timeframes


@dataclass(frozen=True)
class Peer:
    """A market whose last minutes are features of others.

    Attributes:
        market: which.
        name: what its columns begin with, such as ``peer_kraken_btc_usd``.
        targets: the markets it is a peer of.
        features: of those of its bars that are taken, with the names they get.
    """

    market: Market
    name: str
    targets: tuple[Market, ...]
    features: tuple[tuple[Feature, str], ...]


@dataclass(frozen=True)
class FeatureCatalog:
    """What the templates of ``sql/`` see as ``features``.

    Attributes:
        folders: as of :class:`candlewave.sqlproject.catalog.constants.Layer`.
    """

    config: Config
    folders: tuple[Path, ...] = ()

    return_bars = RETURN_BARS
    activity_bars = ACTIVITY_BARS
    variance_bars = tuple(sorted((*VARIANCE_BARS, *LONGER_VARIANCE_BARS)))

    @cached_property
    def of_bars(self) -> tuple[Feature, ...]:
        """Columns of ``bar_features``.

        Raises:
            OwnFeatureError: one of the configuration's own cannot be used.
        """
        groups = (
            self._returns,
            self._variances,
            self._oscillators,
            self._trend,
            self._bands,
            self._flows,
            self._shape,
            self._gaps,
        )
        shipped = tuple(feature for group in groups for feature in group())
        entries = tuple(self._of_entries({feature.name for feature in shipped}))
        return shipped + entries + tuple(self._own({feature.name for feature in shipped + entries}))

    @cached_property
    def of_longer_bars(self) -> tuple[Feature, ...]:
        """Those that ``features`` takes of longer timeframes."""
        return tuple(feature for feature in self.of_bars if feature.longer)

    @property
    def reads_entries(self) -> bool:
        """True when one of them reads a column of ``own_indicators``."""
        return any(feature.of_entry for feature in self.of_bars)

    @cached_property
    def peers(self) -> tuple[Peer, ...]:
        """Markets of which columns of ``peer_minutes`` are."""
        c = self.config.indicators
        lags = ("return_1", "return_1_lag_1", "return_1_lag_2", *(f"return_{bars}" for bars in RETURN_BARS))
        # Volatility and range are units: with them a difference of two markets' returns or gaps can be made.
        units = (f"volatility_{c.realised_volatility}", f"natr_{c.atr}")
        wanted = {*lags, "order_flow_1", f"order_flow_{c.order_flow}", *(f"ema_{n}_gap" for n in c.ema), *units}
        taken = [feature for feature in self.of_bars if feature.name in wanted]
        return tuple(
            Peer(market, name, tuple(targets), tuple((feature, f"{name}_{feature.name}") for feature in taken))
            for market, targets in self.config.peers.items()
            for name in [_peer_name(market)]
        )

    @cached_property
    def of_peers(self) -> tuple[Feature, ...]:
        """Columns of ``market_peers``."""
        columns = [
            replace(feature, name=name, meaning=f"{peer.market} in the same minute: {feature.meaning}", timeframe=None)
            for peer in self.peers
            for feature, name in peer.features
        ]
        if not columns:
            return ()
        meaning = "share of the market's peers whose bar of the minute is not there; 1 without peers"
        return (*columns, Feature("peers_missing", 0, None, "0 to 1", "peers_missing", meaning))

    @property
    def peer_targets(self) -> tuple[Market, ...]:
        """Markets that have a peer."""
        return tuple(m for m in self.config.markets if any(m in peer.targets for peer in self.peers))

    @cached_property
    def of_news(self) -> tuple[Feature, ...]:
        """Columns of ``symbol_sentiment``; without news all are 0 and no_news is 1."""
        return tuple(_news())

    @cached_property
    def of_calendar(self) -> tuple[Feature, ...]:
        """What the minute itself says: sine and cosine meet where the circle closes."""
        return (
            _angle("day_sin", 1440, "time of day, sine: 00:00 UTC is 0"),
            _angle("day_cos", 1440, "time of day, cosine"),
            _angle("week_sin", 10080, "time of the week, sine: Thursday 00:00 UTC, as 1970 began, is 0"),
            _angle("week_cos", 10080, "time of the week, cosine"),
            _angle("hour_sin", 60, "minute of the hour, sine"),
            _angle("hour_cos", 60, "minute of the hour, cosine"),
            _begins("quarter_begins", 15, "the next minute begins a quarter of an hour, when many programs trade"),
            _begins("hour_begins", 60, "the next minute begins an hour"),
        )

    @cached_property
    def columns(self) -> tuple[Feature, ...]:
        """Every feature, in the order of view ``features``."""
        shortest, *longer = self.config.candles.timeframes
        absent = "no news of the base asset is known for the last seven days: sentiment is 0 for want of news"
        return (
            *_of_timeframe(self.of_bars, shortest),
            *(feature for timeframe in longer for feature in _of_timeframe(self.of_longer_bars, timeframe)),
            *self.of_peers,
            *self.of_news,
            Feature("no_news", 0, None, "0 or 1", "minute IS NULL", absent),
            *self.of_calendar,
        )

    @cached_property
    def set_id(self) -> str:
        """Twelve hexadecimal digits of the features and what they mean: other periods behind a name are another set."""
        said = (f"{f.name} {f.timeframe} {f.needs} {f.neutral} {f.value}" for f in self.columns)
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]

    def _returns(self) -> Iterator[Feature]:
        c = self.config.indicators
        n = c.realised_volatility
        volatility = f"realised_volatility_{n}"

        def scaled(log_return: str, bars: int) -> str:
            """Return a log return in standard deviations of a return over so many bars."""
            return _ratio(log_return, f"{volatility} * {round((bars / n) ** 0.5, 12)}")

        one_bar, before = "about -10 to 10", "the same of the bar before"
        meaning = f"log return of the bar, in standard deviations of the last {n} bars"
        yield Feature("return_1", n + 1, 0, one_bar, scaled("log_return", 1), meaning, longer=True)
        for lag, again in ((1, ""), (2, " that")):
            value = scaled(_log_ratio(f"close_{lag}", f"close_{lag + 1}"), 1)
            yield Feature(f"return_1_lag_{lag}", n + 1, 0, one_bar, value, before + again)
        for bars in RETURN_BARS:
            value = scaled(_log_ratio("close", f"close_{bars}"), bars)
            meaning = f"log return over {bars} bars, in standard deviations of such a return"
            needs = max(n, bars) + 1
            yield Feature(f"return_{bars}", needs, 0, "about -5 to 5", value, meaning, longer=bars == RETURN_BARS[0])
        meaning = f"root mean square of the last {n} bars' log returns: the scale of the next bar's return"
        value = f"{volatility} / {round(n**0.5, 12)}"
        yield Feature(f"volatility_{n}", n + 1, None, "0 and more", value, meaning, longer=True)
        meaning = "average true range, percent of the close"
        yield Feature(f"natr_{c.atr}", 3 * c.atr, None, "0 and more", f"natr_{c.atr}", meaning, longer=True)
        name = f"return_zscore_{c.return_zscore}"
        meaning = "log return less its mean, by its deviation"
        yield Feature(name, c.return_zscore + 1, 0, "about -8 to 8", name, meaning)

    def _variances(self) -> Iterator[Feature]:
        # The terms of a regression of volatility on volatilities of several lengths (HAR: Corsi 2009), by the range of
        # each bar, which says five times more than its return does (Parkinson 1980).
        for bars in self.variance_bars:
            mean = f"log_range_squares_{bars} / {round(bars * 4 * math.log(2), 12)}"
            value = f"ln(greatest({mean}, {_MIN_VARIANCE}))"
            meaning = "logarithm of the variance of a bar's log return, by the range of the bar, not below -23.03"
            if bars > 1:
                meaning = f"the same, mean of the variances of {bars} bars"
            longer = bars in LONGER_VARIANCE_BARS
            yield Feature(f"log_variance_{bars}", bars, None, "-23.03 to 0", value, meaning, longer=longer)

    def _oscillators(self) -> Iterator[Feature]:
        c = self.config.indicators
        s, r = c.stochastic, c.stoch_rsi
        percent = "0 to 100"
        yield Feature(f"rsi_{c.rsi}", 3 * c.rsi, 50, percent, f"rsi_{c.rsi}", "relative strength index", longer=True)
        value = f"stoch_rsi_k_{r.period}_{r.k}_{r.d}"
        yield Feature(
            "stoch_rsi_k", 3 * c.rsi + r.period + r.k, 50, percent, value, "where RSI stands in its own range"
        )
        value = f"stochastic_k_{s.k}_{s.smooth}_{s.d}"
        meaning = f"where the close stands in the range of the last {s.k} bars"
        yield Feature("stochastic_k", s.k + s.smooth - 1, 50, percent, value, meaning, longer=True)
        value = f"stochastic_d_{s.k}_{s.smooth}_{s.d}"
        yield Feature("stochastic_d", s.k + s.smooth + s.d - 2, 50, percent, value, f"mean of {s.d} stochastic_k")
        yield Feature(f"cci_{c.cci}", c.cci, 0, "mostly -200 to 200", f"cci_{c.cci}", "commodity channel index")

    def _trend(self) -> Iterator[Feature]:
        c = self.config.indicators
        m, n = c.macd, c.adx
        value = self._in_atr(f"macd_{m.fast}_{m.slow}_{m.signal}")
        yield Feature("macd", 3 * m.slow, 0, "about -5 to 5", value, "MACD, in average true ranges")
        value = self._in_atr(f"macd_hist_{m.fast}_{m.slow}_{m.signal}")
        meaning = "MACD less its signal, in average true ranges"
        yield Feature("macd_hist", 3 * (m.slow + m.signal), 0, "about -2 to 2", value, meaning, longer=True)
        value = f"plus_di_{n} - minus_di_{n}"
        yield Feature(f"di_difference_{n}", 3 * n, 0, "-100 to 100", value, "+DI less -DI")
        yield Feature(f"adx_{n}", 6 * n, 0, "0 to 100", f"adx_{n}", "strength of the trend, whatever its direction")

    def _bands(self) -> Iterator[Feature]:
        c = self.config.indicators
        n = c.bollinger.period
        name = f"bollinger_width_{n}"
        yield Feature(name, n, None, "0 and more", name, "width of the Bollinger band by its middle")
        name = f"bollinger_percent_b_{n}"
        yield Feature(name, n, 0.5, "mostly 0 to 1", name, "where the close stands in the Bollinger band", longer=True)
        k = f"{c.keltner.ema}_{c.keltner.atr}"
        value = _ratio(f"2 * (close - keltner_middle_{k})", f"keltner_upper_{k} - keltner_lower_{k}")
        meaning = "close less the Keltner middle, by half the channel"
        yield Feature("keltner_position", 3 * max(c.keltner.ema, c.keltner.atr), 0, "mostly -1 to 1", value, meaning)
        n = c.donchian
        value = _ratio(f"close - donchian_lower_{n}", f"donchian_upper_{n} - donchian_lower_{n}")
        meaning = f"where the close stands in the range of the last {n} bars"
        yield Feature(f"donchian_position_{n}", n, 0.5, "0 to 1", value, meaning)

    def _flows(self) -> Iterator[Feature]:
        c = self.config.indicators
        needs, value = max(c.vwap, 3 * c.atr), self._in_atr(f"close - vwap_{c.vwap}")
        meaning = "close less the volume-weighted average price, in average true ranges"
        yield Feature(f"vwap_gap_{c.vwap}", needs, 0, "about -10 to 10", value, meaning)
        yield Feature(f"mfi_{c.mfi}", c.mfi + 1, 50, "0 to 100", f"mfi_{c.mfi}", "money flow index")
        yield Feature(f"cmf_{c.cmf}", c.cmf, 0, "-1 to 1", f"cmf_{c.cmf}", "Chaikin's money flow")
        name, meaning = f"order_flow_{c.order_flow}", "share of the volume that takers bought"
        yield Feature(name, c.order_flow, 0.5, "0 to 1", name, meaning, longer=True)
        yield Feature("order_flow_1", 1, 0.5, "0 to 1", _ratio("buy_volume", "volume"), "the same of this bar alone")

    def _shape(self) -> Iterator[Feature]:
        needs, n = 3 * self.config.indicators.atr, ACTIVITY_BARS
        value = _ratio("close - open", "high - low")
        yield Feature("body", 1, 0, "-1 to 1", value, "close less open, by the range of the bar")
        value = _ratio("close - low", "high - low")
        yield Feature("close_position", 1, 0.5, "0 to 1", value, "where the close stands in the range of the bar")
        value = self._in_atr("high - low")
        yield Feature("range", needs, 0, "0 and more", value, "range of the bar, in average true ranges")
        value, meaning = _ratio(f"{n} * volume", "volume_sum"), f"volume by its mean of the last {n} bars"
        yield Feature(f"volume_ratio_{n}", n, 1, f"0 to {n}", value, meaning)
        value = f"CASE WHEN counted_bars = {n} THEN {_ratio(f'{n} * trades', 'trades_sum')} END::double precision"
        meaning = f"number of trades by its mean of the last {n} bars, 1 where history does not tell one of them"
        yield Feature(f"trades_ratio_{n}", n, 1, f"0 to {n}", value, meaning)
        value, meaning = f"traded_bars / {n}::double precision", f"share of the last {n} bars that had trades"
        yield Feature(f"traded_share_{n}", n, None, "0 to 1", value, meaning)

    def _gaps(self) -> Iterator[Feature]:
        c = self.config.indicators
        for place, n in enumerate(dict.fromkeys(c.ema)):
            needs, value = 3 * max(n, c.atr), self._in_atr(f"close - ema_{n}")
            meaning = f"close less its exponential average of {n} bars, in average true ranges"
            yield Feature(f"ema_{n}_gap", needs, 0, "about -20 to 20", value, meaning, longer=place in (0, 2))

    def _own(self, shipped: set[str]) -> Iterator[Feature]:
        """Yield the configuration's own.

        Args:
            shipped: names that candlewave's own have.
        """
        indicators = {indicator.name: indicator for indicator in all_indicators(self.config, self.folders)}
        taken = shipped | TAKEN
        for own in self.config.features.own:
            if own.name in taken:
                raise OwnFeatureError(f"candlewave.toml: features.own {own.name}: there is such a column already")
            taken.add(own.name)
            value = f"({own.sql})::double precision"
            meaning = own.meaning or own.sql
            reach = own.range.replace("..", " to ")
            needs = needs_of(own, indicators)
            used = [indicators[column] for column in columns_of(own, indicators) if column in indicators]
            of_entry = any(indicator.view == VIEW for indicator in used)
            timeframes = self._shared_timeframes(own, used)
            yield Feature(
                own.name,
                needs,
                own.neutral,
                reach,
                value,
                meaning,
                own.longer,
                timeframes=timeframes,
                of_entry=of_entry,
            )

    def _shared_timeframes(self, own: OwnFeature, used: list[Indicator]) -> tuple[str, ...] | None:
        """Return the timeframes that all indicators of a feature are computed of; None for all."""
        restricted = [set(indicator.timeframes) for indicator in used if indicator.timeframes is not None]
        if not restricted:
            return None
        shared = tuple(t for t in self.config.candles.timeframes if all(t in one for one in restricted))
        if not any(own.longer or timeframe == self.config.candles.timeframes[0] for timeframe in shared):
            read = ", ".join(indicator.name for indicator in used if indicator.timeframes is not None)
            raise OwnFeatureError(
                f"candlewave.toml: features.own {own.name}: it would have no column; {read} is computed of other"
                " timeframes: name more in [[indicators.own]], or set longer"
            )
        return shared

    def _of_entries(self, shipped: set[str]) -> Iterator[Feature]:
        """Yield the features of entries that say ``feature = true``: what has a unit loses it.

        Args:
            shipped: names that candlewave's own have.
        """
        atr = f"atr_{self.config.indicators.atr}"
        volume = f"volume_sum / {ACTIVITY_BARS}"
        scales = {
            Unit.DIFFERENCE: (atr, "average true ranges"),
            Unit.SQUARE: (f"{atr} * {atr}", "squared average true ranges"),
            Unit.VOLUME: (volume, f"mean volumes of {ACTIVITY_BARS} bars"),
            Unit.TURNOVER: (f"{atr} * {volume}", f"average true ranges times mean volumes of {ACTIVITY_BARS} bars"),
        }
        for entry in OwnIndicators(self.config, self.folders or sql_folders()).entries:
            for column, indicator in zip(entry.computed.columns, entry.indicators, strict=True):
                if not (entry.given.feature and column.is_feature):
                    continue
                name, value, neutral = indicator.name, indicator.name, None
                meaning, needs = column.meaning, needs_of_indicator(indicator)
                if entry.computed.null != "never":
                    neutral = column.neutral
                if column.unit is Unit.PRICE:
                    name, value, neutral = f"{name}_gap", self._in_atr(f"close - {name}"), 0.0
                    meaning = f"close less it, in average true ranges: {meaning}"
                elif column.unit in scales:
                    divisor, words = scales[column.unit]
                    value, neutral, meaning = _ratio(name, divisor), 0.0, f"in {words}: {meaning}"
                if value != indicator.name:
                    needs = max(needs, 3 * self.config.indicators.atr, ACTIVITY_BARS)
                if name in shipped | TAKEN:
                    raise OwnIndicatorError(f"candlewave.toml: indicators.own: there is a feature {name} already")
                reach = "no bound" if column.low is None else f"{column.low:g} to {column.high:g}"
                yield Feature(
                    name, needs, neutral, reach, value, meaning, longer=True,
                    timeframes=entry.given.timeframes, of_entry=True,
                )  # fmt: skip

    def _in_atr(self, difference: str) -> str:
        return _ratio(difference, f"atr_{self.config.indicators.atr}")


def _of_timeframe(features: tuple[Feature, ...], timeframe: str) -> Iterator[Feature]:
    """Yield what ``features`` takes of the bars of a timeframe."""
    for feature in features:
        if feature.is_of(timeframe):
            yield replace(feature, name=f"{feature.name}_{timeframe}", timeframe=timeframe)
    meaning = "share of the features of this bar for which 0/0 or an unknown number was replaced by a neutral value"
    yield Feature(f"imputed_{timeframe}", 1, None, "0 to 1", "imputed", meaning, timeframe=timeframe)


def _news() -> Iterator[Feature]:
    for h in (1, 6, 24):
        meaning = f"sentiment of the base asset with a half-life of {h} h, as known when the minute ended"
        yield Feature(f"sentiment_{h}h", 0, None, "-1 to 1", f"sentiment_{h}h", meaning)
        meaning = f"logarithm of 1 + decayed number of articles, half-life {h} h"
        yield Feature(f"news_volume_{h}h", 0, None, "0 and more", f"ln(1 + volume_{h}h)", meaning)
    meaning = "how much the scores disagree, half-life 24 h"
    yield Feature("sentiment_dispersion_24h", 0, None, "0 to 1", "dispersion_24h", meaning)


def _angle(name: str, period: int, meaning: str) -> Feature:
    """Return the sine or cosine of a time within a period of minutes, as ``name`` says."""
    step = round(2 * math.pi / period, 15)
    value = f"{name[-3:]}(({step} * (minute_number % {period}))::double precision)"
    return Feature(name, 0, None, "-1 to 1", value, meaning)


def _peer_name(market: Market) -> str:
    """Return a name that is a column's beginning: letters, digits and underscores."""
    return "_".join(["peer", *re.findall(r"[a-z0-9]+", str(market).lower())])


def _begins(name: str, period: int, meaning: str) -> Feature:
    """Return whether a period of minutes begins with the next one."""
    value = f"CASE WHEN (minute_number + 1) % {period} = 0 THEN 1 ELSE 0 END::double precision"
    return Feature(name, 0, None, "0 or 1", value, meaning)


def _ratio(dividend: str, divisor: str) -> str:
    return f"({dividend}) / nullif({divisor}, 0)"


def _log_ratio(dividend: str, divisor: str) -> str:
    """Return the logarithm of a quotient; NULL unless it is positive, where the engines would raise or differ."""
    return f"ln(nullif(greatest({dividend} / nullif({divisor}, 0), 0), 0))"
