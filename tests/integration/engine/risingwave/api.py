"""The API's own queries, with the values it binds, on both engines."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from candlewave.services.api import parameters as p
from candlewave.services.api.queries import alerts, bars, forecasts, live, markets, models, news
from candlewave.services.api.queries.common import Query

_HOUR = timedelta(hours=1)


def plain_queries(now: datetime) -> Iterator[tuple[str, str, list[object]]]:
    """Yield name, text and values of the queries that are constant."""
    yield "markets", markets.MARKETS, []
    yield "ranges", markets.RANGES, []
    yield "prices", markets.PRICES, []
    yield "freshness", markets.FRESHNESS, []
    yield "clock", live.CLOCK, []
    yield "open bars", live.OPEN_BARS, []
    yield "closed bars", live.CLOSED_BARS, [now - _HOUR, now, now - 3 * _HOUR]
    yield "new alerts", live.ALERTS, [now - _HOUR]
    yield "indicator catalog", bars.INDICATOR_CATALOG, []
    yield "feature catalog", bars.FEATURE_CATALOG, []
    yield "roles", models.ROLES, []
    yield "served", models.SERVED, []
    yield "events", models.EVENTS, []
    yield "assets", news.ASSETS, []


def paged_queries(exchange: str, symbol: str, asset: str, now: datetime) -> Iterator[tuple[str, Query]]:
    """Yield name and query of a page, and of the page after a position."""
    market: dict[str, Any] = {"symbol": symbol, "exchange": exchange, "limit": 7}
    span = {"from": now - 3 * _HOUR, "to": now}
    before = [(now - _HOUR).isoformat()]
    for place, position in (("first page", None), ("later page", before)):
        wanted = p.CandleQuery(**market, timeframe="5m", **span)
        yield f"candles, {place}", bars.candles(exchange, symbol, wanted, position)
        page = p.PageQuery(limit=7)
        yield f"indicators, {place}", bars.indicators(exchange, symbol, "1m", ["rsi_14", "ema_12"], page, position)
        yield f"features, {place}", bars.features(exchange, symbol, ["rsi_14_1m", "no_news"], page, position)
        yield f"sentiment, {place}", news.minutes(asset, page, position)
        scored = position and [*position, "article-1", "1"]
        yield f"headlines, {place}", news.headlines(asset, page, scored)
        model = position and [*position, "trees", "1"]
        history = p.HistoryQuery(**market, horizon_minutes=5)
        roles = ["champion", "baseline"]
        yield f"history, {place}", forecasts.history(exchange, symbol, history, roles, model, 21)
        errors = p.PerformanceHistoryQuery(**market, horizon_minutes=5, span="1h")
        yield f"performance, {place}", models.performance(exchange, symbol, errors, model)
        fired = position and [*position, "f1", "firing"]
        for status in ("firing", "all"):
            yield f"alerts {status}, {place}", alerts.alerts(p.AlertQuery(status=status, limit=7), fired)


def queries(exchange: str, symbol: str, asset: str, now: datetime) -> Iterator[tuple[str, Query]]:
    """Yield every query."""
    for name, text, values in plain_queries(now):
        yield name, Query(sql.Composed([sql.SQL(text)]), values)  # type: ignore[arg-type]
    yield "forecasts that are served", forecasts.served(None, None)
    yield "forecasts of a market", forecasts.served(exchange, symbol)
    yield "standing", Query(models.STANDING, [])
    yield from paged_queries(exchange, symbol, asset, now)
