"""What is computed: exchanges, symbols, timeframes, indicator parameters (``candlewave.toml``).

Connections and secrets are in :mod:`candlewave.core.settings`; they never change the SQL's meaning.
"""

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from candlewave.core.errors import CandlewaveError, in_words
from candlewave.core.markets import Market, normalise_symbol
from candlewave.core.paths import config_path
from candlewave.core.printable import printable

TIMEFRAME_SECONDS: dict[str, int] = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "12h": 43200,
    "1d": 86400,
}
"""Length of a bar of each known timeframe, in seconds."""

Period = Annotated[int, Field(ge=2, le=500)]


def _is_plain(text: str) -> str:
    """Refuse what means something to SQL, a terminal or a deployment instead of to people."""
    if printable(text) != text:
        raise ValueError(f"there is an invisible character in {printable(text)!r}")
    if "${" in text:
        raise ValueError(f"${{…}} stands for settings of the deployment and cannot be part of {text!r}")
    return text


Words = Annotated[str, Field(max_length=2000), AfterValidator(_is_plain)]
"""Text for people, which also gets into SQL."""
ExchangeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
"""As ccxt names it; part of the keys of messages and of the API's addresses."""


class ConfigError(CandlewaveError):
    """``candlewave.toml`` cannot be used; the text says where, what was found and what was expected."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExchangeConfig(_Table):
    """One exchange and what is watched on it."""

    symbols: list[str] = Field(min_length=1)

    @field_validator("symbols")
    @classmethod
    def _base_and_quote(cls, symbols: list[str]) -> list[str]:
        for symbol in symbols:
            if normalise_symbol(symbol) != symbol:
                raise ValueError(
                    f"symbol {symbol!r} is not of the form BASE/QUOTE, such as BTC/USD, or of a contract's, such as"
                    " BTC/USDT:USDT, in capitals"
                )
        return symbols


class CandlesConfig(_Table):
    """Timeframes, gap filling and closing of candles."""

    timeframes: list[str] = ["1m", "5m", "15m", "1h"]
    max_fill_minutes: Annotated[int, Field(ge=1, le=1440)] = 240
    grace_seconds: Annotated[int, Field(ge=0, le=59)] = 2
    idle_after_seconds: Annotated[int, Field(ge=60, le=3600, multiple_of=60)] = 600

    @field_validator("timeframes")
    @classmethod
    def _known(cls, timeframes: list[str]) -> list[str]:
        unknown = [t for t in timeframes if t not in TIMEFRAME_SECONDS]
        if unknown:
            raise ValueError(f"unknown timeframe {unknown[0]!r}; known are {', '.join(TIMEFRAME_SECONDS)}")
        if timeframes[:1] != ["1m"] or sorted(set(timeframes), key=TIMEFRAME_SECONDS.__getitem__) != timeframes:
            raise ValueError(f"timeframes {timeframes} must start with 1m, grow, and not repeat")
        for shorter, longer in pairwise(timeframes):
            if TIMEFRAME_SECONDS[longer] % TIMEFRAME_SECONDS[shorter]:
                raise ValueError(f"bars of {longer} are not made of whole bars of {shorter}: leave one of them out")
        return timeframes


class MacdConfig(_Table):
    """Periods of MACD, in bars."""

    fast: Period = 12
    slow: Period = 26
    signal: Period = 9

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"macd.fast ({self.fast}) must be shorter than macd.slow ({self.slow})")
        return self


class StochRsiConfig(_Table):
    """Periods of the stochastic RSI, in bars."""

    period: Period = 14
    k: Annotated[int, Field(ge=1, le=500)] = 3
    d: Annotated[int, Field(ge=1, le=500)] = 3


class StochasticConfig(_Table):
    """Periods of the stochastic oscillator, in bars."""

    k: Period = 14
    smooth: Annotated[int, Field(ge=1, le=500)] = 3
    d: Annotated[int, Field(ge=1, le=500)] = 3


class BollingerConfig(_Table):
    """Period and width of Bollinger bands."""

    period: Period = 20
    deviations: Annotated[float, Field(gt=0, le=10)] = 2.0


class KeltnerConfig(_Table):
    """Periods and width of the Keltner channel."""

    ema: Period = 20
    atr: Period = 10
    multiplier: Annotated[float, Field(gt=0, le=10)] = 2.0


class OwnIndicator(_Table):
    """An indicator as an entry; what else it says are parameters of its kind, such as ``period = 7``.

    Attributes:
        kind: name of a file in ``sql/indicators``.
        timeframes: those of which it is computed; all when left out.
        source: price of a bar that it is computed from; as its kind says when left out.
        feature: models see it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    timeframes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    source: Literal["open", "high", "low", "close", "hl2", "hlc3", "ohlc4"] | None = None
    feature: bool = False

    @property
    def parameters(self) -> dict[str, float]:
        """What it says of its kind's parameters."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _numbers(self) -> Self:
        for name, value in self.parameters.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{self.kind}: {name} is {value!r}, expected a number")
        return self


class IndicatorsConfig(_Table):
    """Parameters of every indicator; column names carry them (``ema_12``).

    Attributes:
        own: more of them, of the kinds in ``sql/indicators``.
    """

    sma: list[Period] = [20, 50]
    ema: list[Period] = [12, 26, 50, 200]
    wma: list[Period] = [20]
    dema: list[Period] = [20]
    tema: list[Period] = [20]
    macd: MacdConfig = MacdConfig()
    rsi: Period = 14
    stoch_rsi: StochRsiConfig = StochRsiConfig()
    stochastic: StochasticConfig = StochasticConfig()
    cci: Period = 20
    roc: Period = 10
    mom: Period = 10
    williams_r: Period = 14
    adx: Period = 14
    bollinger: BollingerConfig = BollingerConfig()
    atr: Period = 14
    keltner: KeltnerConfig = KeltnerConfig()
    donchian: Period = 20
    vwap: Period = 60
    mfi: Period = 14
    cmf: Period = 20
    realised_volatility: Period = 60
    return_zscore: Period = 60
    order_flow: Period = 20
    amihud: Period = 60
    own: list[OwnIndicator] = []


class PredictionsConfig(_Table):
    """What is forecast."""

    horizons_minutes: list[Annotated[int, Field(ge=1, le=1440)]] = [1, 5, 15, 60]


class PeersConfig(_Table):
    """Markets whose last minutes are features of others.

    Attributes:
        markets: each ``<exchange> <symbol>`` is a peer of every other market; left out, a market's peers are the
            others of its base asset, and the first BTC market unless it is of BTC itself.
        max_markets: how many markets can be peers; each adds some ten columns to ``features``. 0 for none.
    """

    markets: list[str] | None = None
    max_markets: Annotated[int, Field(ge=0, le=20)] = 6


class OwnFeature(_Table):
    """A feature of one's own: a number that a closed bar and its indicators give.

    Attributes:
        name: column; in view ``features`` the timeframe follows.
        sql: expression over the bar's columns and those of its indicators.
        neutral: what stands for NULL once there are enough bars; None where NULL is to stay.
        range: where values lie, such as ``-20..20``.
        meaning: one line for people; the SQL when left out.
        needs: bars without a hole before there is a value; as the indicators need when None.
        longer: also of the latest closed bar of each longer timeframe.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,54}$")]
    sql: Annotated[Words, Field(min_length=1)]
    neutral: float | None = None
    range: Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?\.\.-?\d+(\.\d+)?$")]
    meaning: Words | None = None
    needs: Annotated[int, Field(ge=1, le=5000)] | None = None
    longer: bool = False

    @model_validator(mode="after")
    def _neutral_in_range(self) -> Self:
        low, high = map(float, self.range.split(".."))
        if low >= high:
            raise ValueError(f"range {self.range!r} begins above its end")
        if self.neutral is not None and not low <= self.neutral <= high:
            raise ValueError(f"neutral {self.neutral} is not in the range {self.range}")
        return self


class FeaturesConfig(_Table):
    """What models learn from."""

    peers: PeersConfig = PeersConfig()
    own: list[OwnFeature] = []


class CostsConfig(_Table):
    """What trading on one exchange costs, in basis points of the traded value; see :mod:`candlewave.backtest.costs`.

    Attributes:
        fee_bps: the taker's fee per side; ccxt's of the lowest tier when None.
        spread_bps: between best bid and ask; each side pays half.
        funding_bps: what a perpetual contract's holder pays per eight hours; None when unknown.
    """

    fee_bps: Annotated[float, Field(ge=0, le=1_000)] | None = None
    spread_bps: Annotated[float, Field(ge=0, le=1_000)] = 2.0
    funding_bps: Annotated[float, Field(ge=0, le=1_000)] | None = None


class RetentionConfig(_Table):
    """How long raw trades stay; candles and everything computed from them stay indefinitely."""

    trades: str | None = None

    @field_validator("trades")
    @classmethod
    def _days(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"[1-9]\d* days?", text):
            raise ValueError(f"retention.trades = {text!r} is not a number of days, such as '365 days'")
        return text

    @property
    def trades_seconds(self) -> int | None:
        """Retention of raw trades in seconds; None when they are kept indefinitely."""
        return None if self.trades is None else int(self.trades.split()[0]) * 86400


class ProjectConfig(_Table):
    """Marks the folder of ``candlewave.toml`` as a project of one's own.

    Attributes:
        name: what people call it.
    """

    name: Annotated[Words, Field(min_length=1, max_length=100)]


class Config(_Table):
    """The whole of ``candlewave.toml``; table ``monitor`` is read by :func:`candlewave.rules.monitor_config`."""

    project: ProjectConfig | None = None
    default_exchange: ExchangeName = "kraken"
    exchanges: dict[ExchangeName, ExchangeConfig] = {}
    candles: CandlesConfig = CandlesConfig()
    indicators: IndicatorsConfig = IndicatorsConfig()
    features: FeaturesConfig = FeaturesConfig()
    predictions: PredictionsConfig = PredictionsConfig()
    monitor: dict[str, Any] = {}
    costs: dict[str, CostsConfig] = {}
    retention: RetentionConfig = RetentionConfig()

    @property
    def markets(self) -> list[Market]:
        """Every configured market, in the file's order."""
        return [Market(name, symbol) for name, exchange in self.exchanges.items() for symbol in exchange.symbols]

    @property
    def peers(self) -> dict[Market, list[Market]]:
        """The markets that are peers, in the file's order, each with those that it is a peer of."""
        markets, wanted = self.markets, self.features.peers
        if wanted.markets is not None:
            chosen = [market for market in markets if str(market) in wanted.markets]
            pairs = [(peer, market) for peer in chosen for market in markets if market != peer]
        else:
            leader = next((market for market in markets if market.base == "BTC"), None)
            pairs = [
                (peer, market)
                for peer in markets
                for market in markets
                if peer != market and (peer.base == market.base or (peer == leader and market.base != "BTC"))
            ]
        found: dict[Market, list[Market]] = {}
        for peer, market in pairs:
            found.setdefault(peer, []).append(market)
        return {peer: found[peer] for peer in list(found)[: wanted.max_markets]}

    @model_validator(mode="after")
    def _timeframes_are_candles(self) -> Self:
        for number, entry in enumerate(self.indicators.own, 1):
            for timeframe in entry.timeframes or ():
                if timeframe not in self.candles.timeframes:
                    known = ", ".join(self.candles.timeframes)
                    raise ValueError(
                        f"indicators.own, entry {number} {entry.kind}: timeframe {timeframe!r} is not one of"
                        f" candles.timeframes, {known}"
                    )
        return self

    @model_validator(mode="after")
    def _peers_are_markets(self) -> Self:
        known = {str(market) for market in self.markets}
        for name in self.features.peers.markets or ():
            if name not in known:
                raise ValueError(f"features.peers.markets: {name!r} is not one of {', '.join(sorted(known))}")
        return self


def load_config(path: Path | None = None) -> Config:
    """Read ``candlewave.toml``.

    Args:
        path: the file; that of the project around the working directory when None, outside of one the shipped defaults.

    Raises:
        ConfigError: the file is missing, not TOML, or holds an unknown or impossible value.
    """
    path = path or config_path()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    exchanges = raw.pop("exchanges", {})
    if isinstance(exchanges, dict) and "default" in exchanges:
        raw["default_exchange"] = exchanges.pop("default")
    raw["exchanges"] = exchanges
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{path}: {in_words(error, show_values=True)}") from None
