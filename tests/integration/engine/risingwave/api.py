"""The API's own queries, with the values it binds, on both engines."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from candlewave.services.api.context import MARKETS
from candlewave.services.api.history import HistoryQuery, history_of
from candlewave.services.api.parameters import PageQuery
from candlewave.services.api.routes import alerts, bars, forecasts, models, news, overview
from candlewave.services.api.sql import Statement, columns
from candlewave.services.api.stream import feed

_HOUR = timedelta(hours=1)


def constant_statements(now: datetime) -> Iterator[tuple[str, Statement]]:
    """Yield name and statement where the request decides nothing but values."""
    yield "markets", MARKETS
    yield "ranges", overview.RANGES
    yield "prices", overview.PRICES
    yield "freshness", overview.FRESHNESS
    yield "indicator catalog", bars.INDICATOR_CATALOG
    yield "columns of entries", bars.OWN_COLUMNS
    yield "feature catalog", bars.FEATURE_CATALOG
    yield "forecasts that are served", forecasts.SERVED
    yield "roles", models.ROLES
    yield "served", models.SERVED
    yield "events", models.EVENTS
    yield "standing", models.STANDING
    yield "assets", news.ASSETS
    live: dict[str, tuple[str, list[object]]] = {
        "clock": (feed.CLOCK, []),
        "open bars": (feed.OPEN_BARS, []),
        "closed bars": (feed.CLOSED_BARS, ["simulated", now - _HOUR, now, now - 3 * _HOUR]),
        "new alerts": (feed.ALERTS, [now - _HOUR]),
    }
    for name, (text, values) in live.items():
        yield name, Statement(sql.Composed([sql.SQL(text)]), values)  # type: ignore[arg-type]


def paged_statements(exchange: str, symbol: str, asset: str, now: datetime) -> Iterator[tuple[str, Statement]]:
    """Yield name and statement of a page, and of the page after a position."""
    market = {"exchange": exchange, "symbol": symbol}
    few: dict[str, Any] = {**market, "limit": 7}
    span = {"from": now - 3 * _HOUR, "to": now}
    before = [(now - _HOUR).isoformat()]
    for place, position in (("first page", None), ("later page", before)):
        wanted = bars.CandleQuery(**few, timeframe="5m", **span)
        yield f"candles, {place}", bars.candles_of(exchange, symbol, wanted, position)
        page = PageQuery(limit=7)
        minute = {**market, "timeframe": "1m"}
        indicators = ["open_time", "close_time", "warm_bars", "rsi_14", "ema_12"]
        yield f"indicators, {place}", bars.values_of(columns(["indicators"]), minute, indicators, page, position)
        features = ["open_time", "close_time", "available_at", "rsi_14_1m", "no_news"]
        yield f"features, {place}", bars.values_of(columns(["features"]), market, features, page, position)
        yield f"sentiment, {place}", news.minutes_of(asset, page, position)
        scored = position and [*position, "article-1", "1"]
        yield f"headlines, {place}", news.headlines_of(asset, page, scored)
        model = position and [*position, "trees", "1"]
        history = HistoryQuery(**few, horizon_minutes=5)
        roles = ["champion", "baseline"]
        yield f"history, {place}", history_of(exchange, symbol, history, roles, model, 21)
        errors = models.PerformanceHistoryQuery(**few, horizon_minutes=5, span="1h")
        yield f"performance, {place}", models.performance_of(exchange, symbol, errors, model)
        fired = position and [*position, "f1", "firing"]
        for status in ("firing", "all"):
            yield f"alerts {status}, {place}", alerts.alerts_of(alerts.AlertQuery(status=status, limit=7), fired)


def statements(exchange: str, symbol: str, asset: str, now: datetime) -> Iterator[tuple[str, Statement]]:
    """Yield every statement."""
    yield from constant_statements(now)
    yield from paged_statements(exchange, symbol, asset, now)
