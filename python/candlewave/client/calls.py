"""Every question that the API answers, with the document that it answers with.

Times are UTC with zone; symbols are ``BTC-USD`` or ``BTC/USD``; without ``exchange`` it is the API's default.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

from candlewave.contracts import api as schemas

T = TypeVar("T")
P = TypeVar("P", bound=schemas.Page)


@dataclass(frozen=True)
class Call(Generic[T]):
    """A question.

    Attributes:
        path: below ``/v1``.
        model: of the answer.
        parameters: query parameters; None is left out.
    """

    path: str
    model: type[T]
    parameters: dict[str, str] = field(default_factory=dict)


def about() -> Call[schemas.About]:
    """What the API serves."""
    return Call("about", schemas.About)


def symbols() -> Call[schemas.Markets]:
    """Every market."""
    return Call("symbols", schemas.Markets)


def freshness() -> Call[schemas.Freshness]:
    """How far each layer has come."""
    return Call("freshness", schemas.Freshness)


def candles(
    symbol: str,
    exchange: str | None = None,
    *,
    timeframe: str = "1m",
    include_open: bool = True,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> Call[schemas.Candles]:
    """Bars, newest first."""
    return _call(
        "candles",
        schemas.Candles,
        _market(symbol, exchange),
        _page(since, until, limit),
        timeframe=timeframe,
        include_open=include_open,
    )


def indicators(
    symbol: str,
    exchange: str | None = None,
    *,
    timeframe: str = "1m",
    names: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> Call[schemas.Indicators]:
    """Indicators of closed bars, newest first."""
    return _call(
        "indicators",
        schemas.Indicators,
        _market(symbol, exchange),
        _page(since, until, limit),
        timeframe=timeframe,
        names=",".join(names) or None,
    )


def indicator_catalog() -> Call[schemas.IndicatorCatalog]:
    """What the indicators mean."""
    return Call("indicators/catalog", schemas.IndicatorCatalog)


def features(
    symbol: str,
    exchange: str | None = None,
    *,
    names: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> Call[schemas.Features]:
    """What models see of closed minutes, newest first."""
    return _call(
        "features",
        schemas.Features,
        _market(symbol, exchange),
        _page(since, until, limit),
        names=",".join(names) or None,
    )


def feature_catalog() -> Call[schemas.FeatureCatalog]:
    """What the features mean."""
    return Call("features/catalog", schemas.FeatureCatalog)


def views() -> Call[schemas.Views]:
    """Views of the project that the API runs in."""
    return Call("views", schemas.Views)


def view(
    name: str,
    symbol: str | None = None,
    exchange: str | None = None,
    *,
    timeframe: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> Call[schemas.ViewRows]:
    """Rows of a view of the project, newest first."""
    return _call(
        f"views/{name}",
        schemas.ViewRows,
        _page(since, until, limit),
        symbol=symbol,
        exchange=exchange,
        timeframe=timeframe,
    )


def latest(
    symbol: str | None = None, exchange: str | None = None, *, horizon_minutes: int | None = None
) -> Call[schemas.LatestForecasts]:
    """The forecasts that are served now."""
    return _call(
        "predictions/latest", schemas.LatestForecasts, symbol=symbol, exchange=exchange, horizon_minutes=horizon_minutes
    )


def predictions(
    symbol: str,
    horizon_minutes: int,
    exchange: str | None = None,
    *,
    role: str = "served",
    model_name: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> Call[schemas.PastForecasts]:
    """Past forecasts with what came, newest first."""
    return _call(
        "predictions",
        schemas.PastForecasts,
        _market(symbol, exchange),
        _page(since, until, limit),
        horizon_minutes=horizon_minutes,
        role=role,
        model_name=model_name,
        model_version=model_version,
    )


def performance(
    symbol: str | None = None,
    exchange: str | None = None,
    *,
    horizon_minutes: int | None = None,
    span: str | None = None,
    model_name: str | None = None,
    model_version: str | None = None,
) -> Call[schemas.Performances]:
    """How good model versions were, up to the newest hour."""
    return _call(
        "performance",
        schemas.Performances,
        symbol=symbol,
        exchange=exchange,
        horizon_minutes=horizon_minutes,
        span=span,
        model_name=model_name,
        model_version=model_version,
    )


def performance_history(
    symbol: str,
    horizon_minutes: int,
    span: str,
    exchange: str | None = None,
    *,
    model_name: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> Call[schemas.PerformanceHistory]:
    """How good they were, hour by hour."""
    return _call(
        "performance/history",
        schemas.PerformanceHistory,
        _market(symbol, exchange),
        _page(since, until, limit),
        horizon_minutes=horizon_minutes,
        span=span,
        model_name=model_name,
        model_version=model_version,
    )


def models() -> Call[schemas.Models]:
    """Every model version that forecasts or was heard of."""
    return Call("models", schemas.Models)


def sentiment(
    asset: str, *, since: datetime | None = None, until: datetime | None = None, limit: int = 200
) -> Call[schemas.Sentiment]:
    """Sentiment of an asset, minute by minute, newest first."""
    return _call("sentiment", schemas.Sentiment, _page(since, until, limit), asset=asset)


def headlines(
    asset: str, *, since: datetime | None = None, until: datetime | None = None, limit: int = 200
) -> Call[schemas.Headlines]:
    """Scored news of an asset, newest first."""
    return _call("sentiment/headlines", schemas.Headlines, _page(since, until, limit), asset=asset)


def alerts(
    *, status: str = "firing", since: datetime | None = None, until: datetime | None = None, limit: int = 200
) -> Call[schemas.Alerts]:
    """Alerts that fire now, or every change of an alert (``status="all"``)."""
    return _call("alerts", schemas.Alerts, _page(since, until, limit), status=status)


def _call(path: str, model: type[T], *parts: dict[str, str], **more: object) -> Call[T]:
    parameters: dict[str, str] = {}
    for part in parts:
        parameters |= part
    for name, value in more.items():
        if value is not None:
            parameters[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return Call(path, model, parameters)


def _market(symbol: str, exchange: str | None) -> dict[str, str]:
    return {"symbol": symbol, **({} if exchange is None else {"exchange": exchange})}


def _page(since: datetime | None, until: datetime | None, limit: int) -> dict[str, str]:
    found = {"limit": str(limit)}
    for name, moment in (("from", since), ("to", until)):
        if moment is not None:
            if moment.tzinfo is None:
                raise ValueError(f"{name}: {moment} has no time zone")
            found[name] = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return found
