"""Which columns of the view ``features`` are features: all but its keys and times, in the view's order."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import tuple_row

from candlewave.core.config import Config
from candlewave.core.errors import CandlewaveError

KEYS = ("exchange", "symbol", "open_time", "close_time", "available_at")
"""Columns of ``features`` that say which row it is; the others are features."""

DEFAULT_VOLATILITY = "volatility_60_1m"
"""Feature that scales returns, with the shipped ``indicators.realised_volatility``; see :func:`volatility_feature`."""


class NoFeaturesError(CandlewaveError):
    """The engine has no view ``features``, or not the one that the configuration asks for."""


def feature_names(conn: psycopg.Connection) -> tuple[str, ...]:
    """Return the features in the order of the view's columns.

    Raises:
        NoFeaturesError: the engine is not migrated.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = 'features' ORDER BY ordinal_position"
        )
        names = tuple(name for (name,) in cursor)
    if not names:
        raise NoFeaturesError("the engine has no view features: run `candlewave migrate`")
    return tuple(name for name in names if name not in KEYS)


def require_volatility(config: Config, names: Sequence[str]) -> None:
    """Raise NoFeaturesError unless the feature that scales returns is there."""
    if volatility_feature(config) not in names:
        raise NoFeaturesError(
            f"the view features lacks {volatility_feature(config)}, which `indicators.realised_volatility` of the"
            " configuration asks for: run `candlewave migrate`, or set it back"
        )


def feature_set(conn: psycopg.Connection) -> str:
    """Return the identity of the engine's features and their meanings: other periods behind a name are another set.

    Raises:
        NoFeaturesError: the engine is not migrated.
    """
    try:
        with conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute("SELECT max(feature_set) FROM feature_catalog").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        row = None
    if row is None or row[0] is None:
        raise NoFeaturesError("the engine's view feature_catalog names no set of features: run `candlewave migrate`")
    return str(row[0])


def volatility_feature(config: Config) -> str:
    """Return the feature that holds the root mean square of one-minute log returns."""
    return f"volatility_{config.indicators.realised_volatility}_1m"
