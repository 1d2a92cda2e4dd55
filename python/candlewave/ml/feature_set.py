"""Which columns of the view ``features`` are features: all but its keys and times, in the view's order."""

import hashlib
from collections.abc import Sequence

import psycopg
from psycopg.rows import tuple_row

KEYS = ("exchange", "symbol", "open_time", "close_time", "available_at")
"""Columns of ``features`` that say which row it is; the others are features."""

VOLATILITY_PREFIX = "volatility_"
"""``volatility_<bars>_1m``: root mean square of the one-minute log returns, which scales the baseline's intervals."""


class NoFeaturesError(RuntimeError):
    """The engine has no view ``features``."""


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


def feature_set_id(names: Sequence[str]) -> str:
    """Return 12 hexadecimal digits that tell sets of features, and their orders, apart."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def volatility_feature(names: Sequence[str]) -> str:
    """Return the feature that scales one-minute returns.

    Raises:
        ValueError: there is none among ``names``.
    """
    found = [name for name in names if name.startswith(VOLATILITY_PREFIX) and name.endswith("_1m")]
    if not found:
        raise ValueError(f"none of {len(names)} features is named {VOLATILITY_PREFIX}<bars>_1m")
    return found[0]
