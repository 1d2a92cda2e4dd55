"""Past forecasts with their outcomes, from Elasticsearch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from candlewave.elastic.client import ElasticUnavailableError, asking
from candlewave.elastic.indices import PREDICTION_ERRORS, PREDICTIONS

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

_TIMES = ("feature_time", "target_time", "made_at")
OUTCOME = (
    "realised_price", "realised_return", "error", "absolute_error", "last_price_absolute_error", "pinball",
    "is_covered", "is_direction_right",
)  # fmt: skip
"""Fields that a forecast gets when it falls due; None until then."""


@dataclass(frozen=True)
class Wanted:
    """Which forecasts; None and empty mean all.

    Attributes:
        begin, end: feature times, UTC; ``end`` exclusive.
        roles: such as ``champion``.
    """

    exchange: str
    symbol: str
    horizon_minutes: int
    begin: datetime | None = None
    end: datetime | None = None
    roles: Sequence[str] = ()
    model_name: str | None = None
    model_version: str | None = None


async def forecasts(
    client: "AsyncElasticsearch", wanted: Wanted, after: Sequence[str] | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to ``limit`` forecasts with their outcomes, by feature time, model name and version descending.

    Args:
        client: of the server.
        wanted: which.
        after: feature time (ISO-8601), model name and version of the last row of the page before.
        limit: of rows, 1 to 10,000.

    Returns:
        Rows with the columns of ``predictions`` and of outcomes; times in UTC with zone.

    Raises:
        SearchError: the server refuses or cannot be reached.
    """
    with asking("read forecasts"):
        found = await client.search(
            index=PREDICTIONS.pattern,
            query={"bool": {"filter": _filters(wanted)}},
            sort=[
                # Always milliseconds, in whichever form the documents have them.
                {"feature_time": {"order": "desc", "format": "epoch_millis", "unmapped_type": "date"}},
                {"model_name": {"order": "desc", "unmapped_type": "keyword"}},
                {"model_version": {"order": "desc", "unmapped_type": "keyword"}},
            ],
            search_after=None if after is None else [_millis(after[0]), *after[1:]],
            size=limit,
            track_total_hits=False,
            allow_partial_search_results=False,  # a history with holes would look complete
            ignore_unavailable=True,
            allow_no_indices=True,
        )
        hits = found["hits"]["hits"]
        outcomes = await _outcomes(client, hits)
    rows = []
    for hit in hits:
        outcome = outcomes.get(hit["_id"], {})
        row = {**hit["_source"], **{name: outcome.get(name) for name in OUTCOME}}
        for name in _TIMES:
            row[name] = _moment(row[name])
        rows.append(row)
    return rows


async def _outcomes(client: "AsyncElasticsearch", hits: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return outcomes by document id: they have the ids of their forecasts, in the index of the same day."""
    if not hits:
        return {}
    docs = [
        {"_index": hit["_index"].replace(PREDICTIONS.name, PREDICTION_ERRORS.name, 1), "_id": hit["_id"]}
        for hit in hits
    ]
    found = await client.mget(docs=docs, source_includes=list(OUTCOME))
    for doc in found["docs"]:
        reason = doc.get("error", {}).get("type", "index_not_found_exception")
        if reason != "index_not_found_exception":
            raise ElasticUnavailableError(f"cannot read outcomes: {doc['_index']} answered {reason}")
    return {doc["_id"]: doc["_source"] for doc in found["docs"] if doc.get("found")}


def _filters(wanted: Wanted) -> list[dict[str, Any]]:
    exact = {
        "exchange": wanted.exchange,
        "symbol": wanted.symbol,
        "horizon_minutes": wanted.horizon_minutes,
        "model_name": wanted.model_name,
        "model_version": wanted.model_version,
    }
    filters: list[dict[str, Any]] = [{"term": {name: value}} for name, value in exact.items() if value is not None]
    if wanted.roles:
        filters.append({"terms": {"role": list(wanted.roles)}})
    span = {
        word: int(moment.timestamp() * 1000)
        for word, moment in (("gte", wanted.begin), ("lt", wanted.end))
        if moment is not None
    }
    if span:
        filters.append({"range": {"feature_time": {**span, "format": "epoch_millis"}}})
    return filters


def _millis(text: str) -> int:
    return int(_moment(text).timestamp() * 1000)


def _moment(text: str) -> datetime:
    """Read a time as either engine writes it; RisingWave leaves out the zone, which is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
