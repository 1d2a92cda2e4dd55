"""``candlewave.dataset``: rows of a view as a frame, straight from the engine."""

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Literal

from candlewave.core.config import load_config
from candlewave.core.markets import normalise_symbol
from candlewave.core.settings import get_settings
from candlewave.engine.connect import connect, connect_url
from candlewave.engine.extract import ExtractError, Rows, Selection
from candlewave.sqlproject.render import render_objects

Frame = Literal["pandas", "arrow", "polars"]


def selection_of(
    relation: str,
    *,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] = (),
    labels: Sequence[int] = (),
) -> Selection:
    """Return which rows are wanted; see :func:`dataset`.

    Raises:
        ExtractError: there is no such relation, or it cannot be narrowed so; a time has no zone.
    """
    objects = {o.name: o for o in render_objects(load_config(get_settings().config_file))}
    if relation not in objects:
        raise ExtractError(f"there is no {relation} in sql/; `candlewave render` prints what there is")
    for moment in (since, until):
        if moment is not None and moment.tzinfo is None:
            raise ExtractError(f"{moment} has no time zone")
    market = normalise_symbol(symbol) or symbol if symbol else None
    return Selection(objects[relation], exchange, market, timeframe, since, until, tuple(columns), tuple(labels))


def dataset(
    relation: str = "features",
    *,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] = (),
    labels: Sequence[int] = (),
    frame: Frame = "pandas",
    url: str | None = None,
) -> Any:
    """Return rows of a table or view, candlewave's or the project's own, in the order of its keys.

    Args:
        relation: its name.
        exchange, symbol, timeframe: only these.
        since, until: only rows of this event time or later, and before that one; with time zone.
        columns: only these; all when empty.
        labels: horizons in minutes; to each row of ``features`` the log return that came is added as ``label_5``.
        frame: what is returned: a DataFrame of pandas or of polars, which has to be installed, or an Arrow table.
        url: of the engine; the one that commands use when None.

    Raises:
        ExtractError: there is no such relation or column, or the frame's library is missing.
        EngineError: the engine cannot be used.
    """
    wanted = selection_of(
        relation,
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        since=since,
        until=until,
        columns=columns,
        labels=labels,
    )
    try:  # before the rows are read, which may take minutes
        library = None if frame == "arrow" else import_module(frame)
    except ModuleNotFoundError:
        raise ExtractError(f"frame={frame!r} needs {frame}: pip install {frame}") from None
    with connect_url(url) if url else connect(get_settings()) as conn:
        table = Rows(conn, wanted).table()
    if library is None:
        return table
    return library.from_arrow(table) if frame == "polars" else table.to_pandas()
