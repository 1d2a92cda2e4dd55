"""The documents of the REST API, shared by server and client; docs/api.md explains the fields."""

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from candlewave.contracts.records import Role

LogReturn = Annotated[float, Field(description="Natural logarithm of a price ratio")]
Price = Annotated[float, Field(description="In the quote currency")]
Share = Annotated[float, Field(description="Fraction; 1 is all")]
Values = Annotated[dict[str, float | None], Field(description="By name; null where there is no value")]


class Document(BaseModel):
    """Base of all documents: exactly these fields."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), serialize_by_alias=True)


class ParameterError(Document):
    """What is wrong with one parameter."""

    parameter: str
    message: str
    found: str | int | float | bool | None


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ParameterError] | None = None
    nearest: list[str] | None = None
    retry_after_seconds: int | None = None


class Page(Document):
    """A part of a list, newest first; ``next_cursor`` leads to what is older."""

    next_cursor: str | None


class About(Document):
    """What this API serves."""

    version: str
    default_exchange: str
    timeframes: list[str]
    horizons_minutes: list[int]
    indicators: list[str]
    features: list[str]
    interval: Share
    anonymous: bool
    history: Literal["sql", "elasticsearch"]


class Loading(Document):
    """A load of history that is under way."""

    source: Annotated[str, Field(description="`api`, `archive`, or the same with `candle_` before it")]
    range_from: datetime
    range_to: datetime
    records: Annotated[int, Field(description="Trades or candles that were noted so far")]
    updated_at: datetime


class Market(Document):
    """A market, the range of its data, and how fresh they are."""

    exchange: str
    symbol: str
    id: str
    base: str | None
    quote: str | None
    kind: Literal["spot", "swap", "future", "option"] | None
    is_synthetic: bool
    state: Annotated[
        Literal["live", "silent", "history", "waiting"],
        Field(description="Data arrive; they have stopped; it was replayed and only has a past; none has ever arrived"),
    ]
    first_candle: datetime | None
    last_candle: datetime | None
    last_event: datetime | None
    last_trade: datetime | None
    last_price: Price | None
    loading: Loading | None


class Markets(Document):
    """Every market."""

    data: list[Market]


class Layer(Document):
    """How far a layer has come."""

    layer: str
    newest: datetime | None
    age_seconds: float | None


class Freshness(Document):
    """How far each layer has come; on the exchange furthest ahead candles that end by ``closed_until`` are closed."""

    closed_until: datetime | None
    data: list[Layer]


class Candle(Document):
    """A bar; what follows ``is_open`` is null while it is open."""

    open_time: datetime
    close_time: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Field(description="In the base currency")]
    turnover: Annotated[float, Field(description="In the quote currency")]
    trades: Annotated[int | None, Field(description="Null when a source of history did not tell")]
    buy_volume: float | None
    is_open: bool
    is_filled: bool | None
    feed_state: Literal["traded", "loaded", "quiet", "no_feed"] | None
    amended_at: datetime | None
    minutes_present: int | None
    is_whole: Annotated[bool | None, Field(description="Made of all its minutes; else it feeds no indicator")]


class Candles(Page):
    """Bars of one market and timeframe."""

    exchange: str
    symbol: str
    timeframe: str
    data: list[Candle]


class IndicatorRow(Document):
    """Indicators of a closed bar."""

    open_time: datetime
    close_time: datetime
    warm_bars: Annotated[int, Field(description="Bars since the last hole")]
    values: Values


class Indicators(Page):
    """Indicators of one market and timeframe."""

    exchange: str
    symbol: str
    timeframe: str
    data: list[IndicatorRow]


class IndicatorDefinition(Document):
    """What a column of indicators means."""

    name: str
    kind: str
    unit: str
    parameters: str
    needs: Annotated[int, Field(description="Bars until there is a value")]
    warm_up: Annotated[int, Field(description="Bars until it no longer depends on where the data begin")]
    talib: str | None
    source: str
    note: str | None
    entry: Annotated[bool, Field(description="Of `[[indicators.own]]` in candlewave.toml")]


class IndicatorCatalog(Document):
    """All indicators."""

    data: list[IndicatorDefinition]


class ViewColumn(Document):
    """A column of a view."""

    name: str
    meaning: Annotated[str | None, Field(description="Null when its name says it")]


class View(Document):
    """A view of the project that the API runs in."""

    name: str
    purpose: str
    grain: Annotated[str, Field(description="What a row is")]
    keys: Annotated[list[str], Field(description="Columns that identify a row")]
    event_time: Annotated[str | None, Field(description="The column by which `from` and `to` select, if there is one")]
    columns: list[ViewColumn]


class Views(Document):
    """Every view of the project that is served."""

    data: list[View]


class ViewRows(Page):
    """Rows of a view, by column."""

    name: str
    data: list[dict[str, Any]]


class FeatureRow(Document):
    """What models see of a closed minute."""

    open_time: datetime
    close_time: datetime
    available_at: datetime
    values: Values


class Features(Page):
    """Features of one market."""

    exchange: str
    symbol: str
    data: list[FeatureRow]


class FeatureDefinition(Document):
    """What a feature means."""

    name: str
    timeframe: str | None
    needs: int
    range: str
    meaning: str


class FeatureCatalog(Document):
    """All features."""

    data: list[FeatureDefinition]


class Forecast(Document):
    """Quantiles of a market's return over a horizon, and of its price at the target time."""

    exchange: str
    symbol: str
    horizon_minutes: int
    feature_time: Annotated[datetime, Field(description="Open time of the candle it was made from")]
    target_time: datetime
    made_at: datetime
    model_name: str
    model_version: str
    role: Role
    q10: LogReturn
    q50: LogReturn
    q90: LogReturn
    price_q10: Price
    price_q50: Price
    price_q90: Price
    reference_price: Price


class LatestForecast(Forecast):
    """The forecast that is served now, and how it stands."""

    median_by: Annotated[str, Field(description="Model whose median it is; the baseline's is the last price")]
    interval_by: Annotated[str, Field(description="Model whose outer quantiles these are")]
    age_seconds: Annotated[float, Field(description="Since the candle closed")]
    latest_price: Price | None
    error_so_far: Annotated[float | None, Field(description="q50 less the log return up to latest_price")]
    is_inside_so_far: bool | None
    is_due: Annotated[bool, Field(description="The target time has passed")]


class LatestForecasts(Document):
    """By market and horizon."""

    data: list[LatestForecast]


class Outcome(Document):
    """What came, against what was forecast; errors are log returns."""

    realised_price: Price
    realised_return: LogReturn
    error: Annotated[float, Field(description="q50 less the realised return")]
    absolute_error: float
    last_price_absolute_error: Annotated[float, Field(description="What the last price as forecast would have had")]
    pinball: Annotated[float, Field(description="Mean pinball loss of the three quantiles")]
    is_covered: bool
    is_direction_right: bool | None
    inputs_amended: Annotated[bool, Field(description="A feature has moved by more than 0.05 since")]


class PastForecast(Forecast):
    """A forecast with its outcome, null until the target minute has closed."""

    outcome: Outcome | None


class PastForecasts(Page):
    """Forecasts of one market and horizon."""

    exchange: str
    symbol: str
    horizon_minutes: int
    data: list[PastForecast]


class Performance(Document):
    """How good a model version was over the window that ends with ``hour``."""

    exchange: str
    symbol: str
    horizon_minutes: int
    model_name: str
    model_version: str
    span: Literal["1h", "24h", "7d"]
    hour: datetime
    forecasts: int
    rmse: float | None
    mae: float | None
    bias: float | None
    directional_accuracy: Share | None
    pinball: float | None
    coverage: Annotated[float | None, Field(description="Share of outcomes inside q10 to q90; aim 0.8")]
    skill: Annotated[float | None, Field(description="1 − MAE / MAE of the last price")]
    interval_skill: Annotated[float | None, Field(description="1 − pinball / pinball of the baseline")]
    amended_share: Share | None


class Performances(Document):
    """Newest hour of every model, market, horizon and window."""

    data: list[Performance]


class PerformanceHistory(Page):
    """All hours of one market, horizon and window."""

    exchange: str
    symbol: str
    data: list[Performance]


class ModelEvent(Document):
    """What became of a model."""

    event: str
    reason: str | None
    occurred_at: datetime


class Model(Document):
    """A model version and what it does in the newest forecasts."""

    model_name: str
    model_version: str
    roles: list[Role]
    horizons_minutes: Annotated[list[int], Field(description="Those it is served for")]
    newest_forecast: datetime | None
    is_silent: Annotated[
        bool, Field(description="Promoted last, but no longer forecasting: the baseline serves instead")
    ]
    registered_at: datetime | None
    promoted_at: datetime | None
    events: list[ModelEvent]


class Training(Document):
    """A training that runs, or that failed last."""

    state: Literal["running", "failed"]
    reason: Annotated[str, Field(description="Why it runs, or why it failed")]
    since: datetime | None
    fitted: Annotated[int | None, Field(description="Boosters that are done")]
    total: Annotated[int | None, Field(description="About how many there will be")]
    updated_at: datetime


class Models(Document):
    """Every model version that forecasts or was heard of."""

    data: list[Model]
    training: Training | None = None


class SentimentMinute(Document):
    """Sentiment of an asset as it was known at the end of a minute, per half-life of news."""

    minute: datetime
    new_articles: int
    sentiment_1h: float
    sentiment_6h: float
    sentiment_24h: float
    volume_1h: float
    volume_6h: float
    volume_24h: float
    dispersion_1h: float | None
    dispersion_6h: float | None
    dispersion_24h: float | None


class Sentiment(Page):
    """Sentiment of one asset."""

    asset: str
    data: list[SentimentMinute]


class Headline(Document):
    """An article's score for an asset."""

    article_id: str
    title: str
    url: str
    source: str
    lang: str | None
    published_at: datetime | None
    scored_at: datetime
    score: Annotated[float, Field(description="−1 bad to 1 good for the asset's price")]
    confidence: Share
    relevance: Share
    event_type: str | None
    extractor: str
    extractor_version: str


class Headlines(Page):
    """News of one asset."""

    asset: str
    data: list[Headline]


class Alert(Document):
    """A change of an alert."""

    fingerprint: str
    rule: str
    severity: str
    labels: dict[str, str]
    value: float | None
    status: Literal["firing", "resolved"]
    occurred_at: datetime
    summary: str


class Alerts(Page):
    """Alerts, newest first."""

    data: list[Alert]


_DEEPEST = 32
_LARGEST = 2**63


def _storable(value: Any, depth: int = 0) -> Any:
    """Return the value; refuse what Python reads as JSON and an engine or another reader of the bus does not."""
    match value:
        case str() if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("a text has NUL or half a surrogate pair in it")
        case float() if not math.isfinite(value):
            raise ValueError("a number is infinite or not a number")
        case int() if not -_LARGEST <= value < _LARGEST:
            raise ValueError("a whole number has more than 64 bits")
        case dict() | list() if depth >= _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels")
        case dict():
            for name, inner in value.items():
                _storable(name)
                _storable(inner, depth + 1)
        case list():
            for inner in value:
                _storable(inner, depth + 1)
    return value


class TrainingRequestBody(BaseModel):
    """Why a training is requested."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[
        str,
        Field(
            max_length=500, pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$", examples=["coverage fell after the halving"]
        ),
    ]
    evidence: Annotated[
        dict[str, Any],
        AfterValidator(_storable),
        Field(default_factory=dict, examples=[{"horizon_minutes": 5, "coverage": 0.62}]),
    ]


class TrainingRequest(Document):
    """A request that was taken."""

    request_id: str
    model_name: str
    reason: str
    requested_at: datetime
