"""The list of indicators: column, unit, parameters, warm-up, and where the definition comes from.

View ``indicator_catalog``, the parity tests, the audit and ``docs/indicators.md`` all read this list.
"""

import json
import math
from dataclasses import dataclass
from enum import StrEnum

from candlewave.core.config import IndicatorsConfig

WARM = 1e-11
"""An exponential average is warm when the history before its first bar weighs at most this."""


class Kind(StrEnum):
    """How an indicator remembers."""

    WINDOW = "window"
    EXPONENTIAL = "exponential"
    RUNNING = "running"


class Unit(StrEnum):
    """What an indicator's numbers mean; it fixes the scale against which differences are judged.

    Of entries a price is a level, as the close is; what is left of two of them is a difference, whose square a square.
    """

    PRICE = "price"
    BOUNDED = "bounded"
    RATIO = "ratio"
    VOLUME = "volume"
    DIFFERENCE = "difference"
    SQUARE = "square"
    TURNOVER = "turnover"


@dataclass(frozen=True)
class Indicator:
    """One column of view ``indicators``, or of an entry.

    Attributes:
        name: column name, which carries the parameters.
        needs: bars of history before the first value; for windows, bars without a hole.
        warm_up: bars after which the value does not depend on where history began (``needs`` for windows).
        talib: TA-Lib function that defines it, None where there is none.
        source: paper, book or function that defines it.
        note: what is peculiar, above all where TA-Lib's conventions differ.
        view: which view has it.
        timeframes: those of which it is computed, None for all.
    """

    name: str
    kind: Kind
    unit: Unit
    parameters: dict[str, float]
    needs: int
    warm_up: int
    talib: str | None
    source: str
    note: str = ""
    view: str = "indicators"
    timeframes: tuple[str, ...] | None = None

    @property
    def parameters_json(self) -> str:
        """Parameters as JSON text."""
        return json.dumps(self.parameters)


def warm_up_bars(decay: float, times: int = 1) -> int:
    """Return the smallest t with ``decay**t <= 1e-11``, times the number of smoothings in a row."""
    return times * math.ceil(math.log(WARM) / math.log(decay))


def ema_decay(period: int) -> float:
    """Decay of an exponential moving average."""
    return (period - 1) / (period + 1)


def wilder_decay(period: int) -> float:
    """Decay of Wilder's smoothing."""
    return (period - 1) / period


def catalog(config: IndicatorsConfig) -> tuple[Indicator, ...]:
    """Return every indicator of a configuration, in the order of the view's columns."""
    found = _Catalog()
    for describe in (_averages, _macd, _oscillators, _trend, _bands, _volume, _returns):
        describe(found, config)
    return tuple(found.indicators)


class _Catalog:
    def __init__(self) -> None:
        self.indicators: list[Indicator] = []

    def window(
        self, name: str, unit: Unit, bars: int, *, talib: str | None = None, source: str = "", note: str = "",
        **parameters: float,
    ) -> None:  # fmt: skip
        self._add(name, Kind.WINDOW, unit, parameters, bars, bars, talib, source, note)

    def exponential(
        self, name: str, unit: Unit, needs: int, warm_up: int, *, talib: str | None = None, source: str = "",
        note: str = "", **parameters: float,
    ) -> None:  # fmt: skip
        self._add(name, Kind.EXPONENTIAL, unit, parameters, needs, warm_up, talib, source, note)

    def running(self, name: str, unit: Unit, needs: int, *, talib: str, source: str, note: str) -> None:
        self._add(name, Kind.RUNNING, unit, {}, needs, needs, talib, source, note)

    def _add(
        self, name: str, kind: Kind, unit: Unit, parameters: dict[str, float], needs: int, warm_up: int,
        talib: str | None, source: str, note: str,
    ) -> None:  # fmt: skip
        source = source or f"TA-Lib {talib}"
        self.indicators.append(Indicator(name, kind, unit, parameters, needs, warm_up, talib, source, note))


_FROM_FIRST_BAR = "Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm."
_FLAT = "NULL when the window's range is zero; TA-Lib gives 0."
_FLAT_DEVIATION = "Population standard deviation, exactly 0 on a flat window."
_FIRST_RANGE = "The first bar after a hole has no previous close and therefore no true range."


def _averages(found: _Catalog, c: IndicatorsConfig) -> None:
    for n in dict.fromkeys(c.sma):
        found.window(f"sma_{n}", Unit.PRICE, n, talib="SMA", period=n)
    for n in dict.fromkeys(c.ema):
        _ema(found, "ema", n, 1)
    for n in dict.fromkeys(c.wma):
        found.window(f"wma_{n}", Unit.PRICE, n, talib="WMA", period=n)
    for n in dict.fromkeys(c.dema):
        _ema(found, "dema", n, 2)
    for n in dict.fromkeys(c.tema):
        _ema(found, "tema", n, 2)


def _ema(found: _Catalog, label: str, n: int, times: int) -> None:
    warm = warm_up_bars(ema_decay(n), times)
    found.exponential(f"{label}_{n}", Unit.PRICE, 1, warm, talib=label.upper(), note=_FROM_FIRST_BAR, period=n)


def _macd(found: _Catalog, c: IndicatorsConfig) -> None:
    m = c.macd
    for label, times in (("macd", 1), ("macd_signal", 2), ("macd_hist", 2)):
        found.exponential(
            f"{label}_{m.fast}_{m.slow}_{m.signal}",
            Unit.PRICE,
            1,
            warm_up_bars(ema_decay(max(m.slow, m.signal)), times),
            talib="MACD",
            source="TA-Lib MACD (Appel)",
            note=_FROM_FIRST_BAR,
            fast=m.fast,
            slow=m.slow,
            signal=m.signal,
        )


def _oscillators(found: _Catalog, c: IndicatorsConfig) -> None:
    warm = warm_up_bars(wilder_decay(c.rsi)) + 1
    note = "NULL when neither gain nor loss is remembered; TA-Lib gives 0."
    found.exponential(
        f"rsi_{c.rsi}",
        Unit.BOUNDED,
        2,
        warm,
        talib="RSI",
        source="TA-Lib RSI (Wilder)",
        note=note,
        period=c.rsi,
    )
    r = c.stoch_rsi
    for label, bars in (("k", r.period + r.k - 1), ("d", r.period + r.k + r.d - 2)):
        found.exponential(
            f"stoch_rsi_{label}_{r.period}_{r.k}_{r.d}",
            Unit.BOUNDED,
            bars + 1,
            warm + bars - 1,
            talib="STOCHRSI",
            source="TA-Lib STOCHRSI (Chande, Kroll)",
            note="NULL when RSI moves by at most 1e-7. k is TA-Lib's fastd; d averages k once more.",
            rsi=c.rsi,
            period=r.period,
            k=r.k,
            d=r.d,
        )
    s = c.stochastic
    for label, bars in (("k", s.k + s.smooth - 1), ("d", s.k + s.smooth + s.d - 2)):
        found.window(
            f"stochastic_{label}_{s.k}_{s.smooth}_{s.d}",
            Unit.BOUNDED,
            bars,
            talib="STOCH",
            source="TA-Lib STOCH (Lane)",
            note=_FLAT,
            k=s.k,
            smooth=s.smooth,
            d=s.d,
        )
    note = "Unbounded in theory; most values lie within 100 of 0. NULL on a flat window; TA-Lib gives 0."
    found.window(
        f"cci_{c.cci}",
        Unit.BOUNDED,
        c.cci,
        talib="CCI",
        source="TA-Lib CCI (Lambert)",
        note=note,
        period=c.cci,
    )
    found.window(f"roc_{c.roc}", Unit.RATIO, c.roc + 1, talib="ROC", note="In percent.", period=c.roc)
    found.window(f"mom_{c.mom}", Unit.PRICE, c.mom + 1, talib="MOM", period=c.mom)
    n = c.williams_r
    found.window(
        f"williams_r_{n}",
        Unit.BOUNDED,
        n,
        talib="WILLR",
        source="TA-Lib WILLR (Williams)",
        note=_FLAT,
        period=n,
    )


def _trend(found: _Catalog, c: IndicatorsConfig) -> None:
    n = c.adx
    decay = wilder_decay(n)
    flat = "NULL when the remembered range is zero; TA-Lib gives 0."
    skipped = "Bars without any directional movement in memory add nothing."
    for label, times, note in (("adx", 2, skipped), ("plus_di", 1, flat), ("minus_di", 1, flat)):
        found.exponential(
            f"{label}_{n}",
            Unit.BOUNDED,
            2,
            warm_up_bars(decay, times) + 1,
            talib=label.upper(),
            source=f"TA-Lib {label.upper()} (Wilder)",
            note=note,
            period=n,
        )


def _bands(found: _Catalog, c: IndicatorsConfig) -> None:
    b, k = c.bollinger, c.keltner
    for label, unit, talib, note in (
        ("upper", Unit.PRICE, "BBANDS", _FLAT_DEVIATION),
        ("middle", Unit.PRICE, "BBANDS", ""),
        ("lower", Unit.PRICE, "BBANDS", _FLAT_DEVIATION),
        ("width", Unit.RATIO, None, "(upper - lower) / middle."),
        ("percent_b", Unit.RATIO, None, "(close - lower) / (upper - lower); NULL on a flat window."),
    ):
        found.window(
            f"bollinger_{label}_{b.period}",
            unit,
            b.period,
            talib=talib,
            source="TA-Lib BBANDS (Bollinger)",
            note=note,
            period=b.period,
            deviations=b.deviations,
        )
    warm = warm_up_bars(wilder_decay(c.atr)) + 1
    found.exponential(
        f"atr_{c.atr}",
        Unit.PRICE,
        2,
        warm,
        talib="ATR",
        source="TA-Lib ATR (Wilder)",
        note=_FIRST_RANGE,
        period=c.atr,
    )
    found.exponential(f"natr_{c.atr}", Unit.RATIO, 2, warm, talib="NATR", note="In percent.", period=c.atr)
    centre = warm_up_bars(ema_decay(k.ema))
    edge = max(centre, warm_up_bars(wilder_decay(k.atr)) + 1)
    for label, needs, warm in (("upper", 2, edge), ("middle", 1, centre), ("lower", 2, edge)):
        found.exponential(
            f"keltner_{label}_{k.ema}_{k.atr}",
            Unit.PRICE,
            needs,
            warm,
            source="EMA of closes and Wilder's ATR (Raschke's form of Keltner's channel)",
            ema=k.ema,
            atr=k.atr,
            multiplier=k.multiplier,
        )
    n = c.donchian
    for label, talib, source in (
        ("upper", "MAX", "TA-Lib MAX of highs (Donchian)"),
        ("middle", None, "mean of upper and lower (Donchian)"),
        ("lower", "MIN", "TA-Lib MIN of lows (Donchian)"),
    ):
        found.window(f"donchian_{label}_{n}", Unit.PRICE, n, talib=talib, source=source, period=n)


def _volume(found: _Catalog, c: IndicatorsConfig) -> None:
    found.running(
        "obv",
        Unit.VOLUME,
        2,
        talib="OBV",
        source="TA-Lib OBV (Granville)",
        note="Restarts at 00:00 UTC; TA-Lib runs on. A bar without a previous close adds nothing.",
    )
    found.window(
        f"vwap_{c.vwap}",
        Unit.PRICE,
        c.vwap,
        source="sum of turnover / sum of volume",
        note="NULL when nothing was traded in the window.",
        period=c.vwap,
    )
    found.window(
        f"mfi_{c.mfi}",
        Unit.BOUNDED,
        c.mfi + 1,
        talib="MFI",
        source="TA-Lib MFI (Quong, Soudack)",
        note="NULL when no money flowed; TA-Lib gives 0 below 1 unit of quote currency.",
        period=c.mfi,
    )
    found.window(
        f"cmf_{c.cmf}",
        Unit.RATIO,
        c.cmf,
        source="Chaikin money flow",
        note="A bar whose high equals its low counts as no flow; NULL when nothing was traded in the window.",
        period=c.cmf,
    )
    found.window(
        f"order_flow_{c.order_flow}",
        Unit.RATIO,
        c.order_flow,
        source="taker buy volume / volume",
        note="0.5 is balance. Bars whose buy volume is unknown count in neither sum.",
        period=c.order_flow,
    )


def _returns(found: _Catalog, c: IndicatorsConfig) -> None:
    found.window("log_return", Unit.RATIO, 2, source="ln(close / previous close)")
    found.window(
        f"realised_volatility_{c.realised_volatility}",
        Unit.RATIO,
        c.realised_volatility + 1,
        source="square root of the sum of squared log returns (Andersen, Bollerslev 1998)",
        note="Of the window, not annualised.",
        period=c.realised_volatility,
    )
    found.window(
        f"return_zscore_{c.return_zscore}",
        Unit.RATIO,
        c.return_zscore + 1,
        source="(log return - mean) / population standard deviation",
        note="NULL when all returns of the window are equal.",
        period=c.return_zscore,
    )
    found.window(
        f"amihud_{c.amihud}",
        Unit.RATIO,
        c.amihud + 1,
        source="mean of |log return| per million of turnover (Amihud 2002)",
        note="Bars without turnover do not count.",
        period=c.amihud,
    )
