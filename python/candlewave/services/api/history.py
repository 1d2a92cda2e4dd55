"""Past forecasts with their outcomes: from SQL, or from Elasticsearch where it is configured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from psycopg import sql
from psycopg.sql import SQL
from pydantic import Field

from candlewave.elastic.client import SearchError
from candlewave.elastic.reader import Wanted
from candlewave.elastic.reader import forecasts as read_forecasts
from candlewave.services.api.parameters import Horizon, MarketQuery, ModelName, ModelVersion, PageQuery
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.reader import Reader, Row
from candlewave.services.api.sql import Position, Statement, Where, columns
from candlewave.telemetry.logs import get_logger

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

_log = get_logger(__name__)
FORECAST = (
    "exchange", "symbol", "horizon_minutes", "feature_time", "target_time", "made_at", "model_name", "model_version",
    "role", "q10", "q50", "q90", "price_q10", "price_q50", "price_q90", "reference_price",
)  # fmt: skip
OUTCOME = (
    "realised_price", "realised_return", "error", "absolute_error", "last_price_absolute_error", "pinball",
    "is_covered", "is_direction_right",
)  # fmt: skip
ORDER = (("feature_time", "timestamptz"), ("model_name", "varchar"), ("model_version", "varchar"))
_KEY = ("exchange", "symbol", "horizon_minutes", "feature_time", "model_name", "model_version")
_RANK = {"champion": 0, "baseline": 1}


class HistoryQuery(MarketQuery, PageQuery):
    """Past forecasts."""

    horizon_minutes: Horizon
    role: Annotated[
        Literal["served", "champion", "challenger", "baseline", "all"],
        Field(description="served: the champion's of each candle, else the baseline's"),
    ] = "served"
    model_name: ModelName = None
    model_version: ModelVersion = None


class History(Protocol):
    """Where past forecasts are."""

    name: str

    async def rows(self, exchange: str, symbol: str, wanted: HistoryQuery, position: Position, limit: int) -> list[Row]:
        """Return up to ``limit`` forecasts behind ``position``, newest first, with the columns of their outcomes.

        Roles are as asked for, except that ``served`` means all rows of champion and baseline.
        """

    async def close(self) -> None:
        """Let go of connections."""


class SqlHistory:
    """Past forecasts from the SQL engine."""

    name = "sql"

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def rows(self, exchange: str, symbol: str, wanted: HistoryQuery, position: Position, limit: int) -> list[Row]:
        """See :class:`History`."""
        query = history_of(exchange, symbol, wanted, roles_of(wanted), position, limit)
        return await self._reader.rows(query.text, query.values)

    async def close(self) -> None:
        """See :class:`History`; the reader is not its own."""


class SearchHistory:
    """Past forecasts from Elasticsearch, where they are kept for longer.

    Args:
        client: of the server; closed with this.
    """

    name = "elasticsearch"

    def __init__(self, client: "AsyncElasticsearch") -> None:
        self._client = client

    async def rows(self, exchange: str, symbol: str, wanted: HistoryQuery, position: Position, limit: int) -> list[Row]:
        """See :class:`History`.

        Raises:
            ProblemError: 503, Elasticsearch cannot be used now.
        """
        asked = Wanted(
            exchange,
            symbol,
            wanted.horizon_minutes,
            wanted.since,
            wanted.until,
            roles_of(wanted),
            wanted.model_name,
            wanted.model_version,
        )
        try:
            return await read_forecasts(self._client, asked, position, limit)
        except SearchError as error:
            _log.warning("elasticsearch not available", error=str(error))
            raise ProblemError(
                503,
                "history-not-available",
                "History not available",
                "Elasticsearch, which keeps past forecasts, does not answer; try again.",
                headers={"Retry-After": "5"},
                retry_after_seconds=5,
            ) from None

    async def close(self) -> None:
        """See :class:`History`."""
        await self._client.close()


def history_of(
    exchange: str, symbol: str, wanted: HistoryQuery, roles: Sequence[str], position: Position, rows: int
) -> Statement:
    """Return the statement of past forecasts with what came, newest first."""
    where = Where().equal(
        exchange=exchange,
        symbol=symbol,
        horizon_minutes=wanted.horizon_minutes,
        model_name=wanted.model_name,
        model_version=wanted.model_version,
    )
    where.within("feature_time", wanted).before(ORDER, position)
    if roles:
        where.also(f"role IN ({', '.join(['%s'] * len(roles))})", *roles)
    # The page first, then its outcomes: each is found by its whole key.
    text = SQL(
        "SELECT {}, {} FROM (SELECT {} FROM predictions{} ORDER BY feature_time DESC, model_name DESC,"
        " model_version DESC LIMIT {}) AS p LEFT JOIN prediction_outcomes AS o ON {}"
        " ORDER BY p.feature_time DESC, p.model_name DESC, p.model_version DESC"
    ).format(
        columns(FORECAST, "p"),
        columns(OUTCOME, "o"),
        columns(FORECAST),
        where.text,
        sql.Literal(rows),
        SQL(" AND ").join([SQL("o.{0} = p.{0}").format(SQL(name)) for name in _KEY]),
    )
    return Statement(text, where.values)


def roles_of(wanted: HistoryQuery) -> list[str]:
    """Return the roles to read, empty for all."""
    match wanted.role:
        case "all":
            return []
        case "served":
            return list(_RANK)
        case role:
            return [role]


async def read_history(
    history: History, exchange: str, symbol: str, wanted: HistoryQuery, position: Position
) -> list[Row]:
    """Return a page of forecasts and one more, newest first; ``served`` has one per candle: the champion's if any.

    A position of ``served`` has empty names, and so lies behind all forecasts of its candle.
    """
    count = wanted.limit + 1
    if wanted.role != "served":
        return await history.rows(exchange, symbol, wanted, position, count)
    served: list[Row] = []
    while True:
        rows = await history.rows(exchange, symbol, wanted, position, 2 * count)
        complete = len(rows) < 2 * count
        for row in rows:
            if served and served[-1]["feature_time"] == row["feature_time"]:
                if _RANK[row["role"]] < _RANK[served[-1]["role"]]:
                    served[-1] = row
            else:
                served.append(row)
        if complete:
            return served[:count]
        if len(served) > count:  # the last one may lack rows that the next read would bring
            return served[:count]
        position = [rows[-1]["feature_time"].isoformat(), rows[-1]["model_name"], rows[-1]["model_version"]]


async def mark_amended(reader: Reader, exchange: str, symbol: str, rows: list[Row]) -> list[Row]:
    """Add to forecasts of a market whether their inputs were amended later (``inputs_amended``)."""
    if not rows:
        return rows
    times = [row["feature_time"] for row in rows]
    query = (
        "SELECT feature_time FROM input_amendments WHERE exchange = %s AND symbol = %s"
        " AND feature_time >= %s AND feature_time <= %s AND inputs_amended"
    )
    found = await reader.rows(query, [exchange, symbol, min(times), max(times)])
    amended = {row["feature_time"] for row in found}
    return [{**row, "inputs_amended": row["feature_time"] in amended} for row in rows]
