"""Documents that both requests and the stream answer with."""

from candlewave.rules import summary
from candlewave.services.api.context import Context
from candlewave.services.api.reader import Row


def alert_document(row: Row) -> Row:
    """Return an alert with its sentence."""
    labels = {str(name): str(value) for name, value in (row["labels"] or {}).items()}
    return {**row, "labels": labels, "summary": summary(row["rule"], labels, row["value"] or 0.0)}


def freshness_document(ctx: Context, rows: list[Row]) -> dict[str, object]:
    """Return the answer of ``/v1/freshness``."""
    now = ctx.clock()
    newest = {row["layer"]: row["newest"] for row in rows}
    closed_until = newest.pop("closed_until", None)
    layers = [
        {"layer": name, "newest": when, "age_seconds": None if when is None else (now - when).total_seconds()}
        for name, when in newest.items()
    ]
    return {"closed_until": closed_until, "data": layers}
