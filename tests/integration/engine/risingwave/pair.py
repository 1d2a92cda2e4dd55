"""The two engines with all of ``sql/``, fed equally and compared row by row.

Stores are made without their connector in a schema of the test's own, so that RISINGWAVE_URL is all this needs.
"""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from psycopg.rows import dict_row

from candlewave.core.config import load_config
from candlewave.engine.golden.engines import EmbeddedEngine, Engine, RisingWaveEngine
from candlewave.engine.golden.table import Row
from candlewave.services.api.sql import Statement
from candlewave.sqlproject.catalog.indicators import Unit, catalog
from candlewave.sqlproject.ddl import Kind, plain_table
from candlewave.sqlproject.render import SqlObject, render_objects

EXACT = {"open", "high", "low", "close", "price", "quantity"}
SUMS, INDICATORS = 1e-12, 1e-9
"""Largest relative difference of sums of trades, and of what indicators compute from candles."""
TYPICAL_RETURN = 1e-3
"""What differences of forecasts' errors are relative to."""
INTERNAL_SUMS = {"indicator_chunks", "indicator_carry"}
"""Sums of terms that grow by many powers of ten over a chunk. RisingWave adds and subtracts: when the last, largest
terms of a chunk are withdrawn, the rounding that remains is large against what is left, but nothing against the weight
of any bar that reads it, as indicator_averages shows."""
INSERT_ROWS = 500
"""Rows of one INSERT statement."""
OBJECTS = [o for o in render_objects(load_config()) if o.kind is not Kind.SINK]
TYPES = {o.name: {c.name: c.type for c in o.statement.columns} for o in OBJECTS if o.kind is Kind.TABLE}
UNITS = {i.name: i.unit for i in catalog(load_config().indicators)}
BOUNDED = tuple(i.name for i in catalog(load_config().indicators) if i.unit is Unit.BOUNDED)
UNITS |= dict.fromkeys(("macd", "macd_signal"), Unit.PRICE)  # as indicator_averages names them
UNITS |= dict.fromkeys(("rsi", "plus_di", "minus_di", "dx"), Unit.BOUNDED)

Batch = dict[str, list[Row]]


class Pair:
    """The two engines, with all objects of ``sql/`` in a schema."""

    def __init__(self, embedded: EmbeddedEngine, risingwave: RisingWaveEngine) -> None:
        self._engines: tuple[Engine, Engine] = (embedded, risingwave)
        self._schema = f"same_{uuid4().hex[:12]}"
        for engine in self._engines:
            engine.open(self._schema)
            for sql_object in OBJECTS:
                engine.apply(plain_table(sql_object.statement) if sql_object.kind is Kind.TABLE else sql_object.text)

    def feed(self, batch: Batch) -> None:
        """Insert a batch into both, and bring their views up to date."""
        for engine in self._engines:
            for relation, rows in batch.items():
                for begin in range(0, len(rows), INSERT_ROWS):
                    part = rows[begin : begin + INSERT_ROWS]
                    engine.insert(relation, TYPES[relation], tuple(part[0]), tuple(part))
        self.settle()

    def settle(self) -> None:
        for engine in self._engines:
            assert engine.settle() == []

    def both(self, statement: str) -> None:
        """Execute a statement on both."""
        for engine in self._engines:
            engine._conn.execute(statement)  # type: ignore[attr-defined]
        self.settle()

    def rows(self, relation: str) -> list[dict[str, Any]]:
        """Return the rows of a relation on the embedded engine."""
        return self._engines[0].answer(relation).rows

    def assert_same(self) -> dict[str, int]:
        """Compare every view; return how many rows each has."""
        counts, wrong = {}, []
        for sql_object in OBJECTS:
            embedded, risingwave = (engine.answer(sql_object.name) for engine in self._engines)
            counts[sql_object.name] = len(embedded.rows)
            found = list(differences(sql_object, embedded.rows, risingwave.rows))
            wrong += found[:5] + ([f"{sql_object.name}: {len(found)} differences"] if found else [])
        assert wrong == [], "\n".join(wrong)
        return counts

    def assert_same_answers(self, query: Statement) -> int:
        """Compare what a query gives, in order but for what ties; return how many rows there are."""
        one, other = (
            engine._conn.cursor(row_factory=dict_row).execute(query.text, query.values or None).fetchall()  # type: ignore[attr-defined]
            for engine in self._engines
        )
        assert len(one) == len(other)
        for a, b in zip(sorted(one, key=_sortable), sorted(other, key=_sortable), strict=True):
            assert a.keys() == b.keys()
            different = {name: (a[name], b[name]) for name in a if not same(a[name], b[name], 1.0, INDICATORS)}
            assert different == {}
        return len(one)

    def close(self) -> None:
        for engine in self._engines:
            engine.close(self._schema)


def _sortable(row: dict[str, Any]) -> str:
    return repr([value for value in row.values() if not isinstance(value, float | Decimal)])


def differences(
    sql_object: SqlObject, embedded: list[dict[str, Any]], risingwave: list[dict[str, Any]]
) -> Iterable[str]:
    """Yield a line for each row or value that differs."""
    keys = sql_object.header.keys
    wanted, found = ({tuple(row[k] for k in keys): row for row in rows} for rows in (embedded, risingwave))
    if len(found) != len(risingwave):
        yield f"{sql_object.name}: RisingWave has {len(risingwave) - len(found)} rows whose key is not unique"
    for key in wanted.keys() | found.keys():
        where = f"{sql_object.name} {' '.join(map(str, key))}"
        if key not in found or key not in wanted:
            yield f"{where}: only on {'RisingWave' if key in found else 'the embedded engine'}"
            continue
        for column, value in wanted[key].items():
            if sql_object.name in INTERNAL_SUMS and isinstance(value, float):
                continue
            other, unit = found[key][column], scale(sql_object, column, wanted[key])
            if not same(value, other, unit, tolerance(sql_object, column)):
                yield f"{where}: {column} is {value!r} embedded, {other!r} on RisingWave"


def tolerance(sql_object: SqlObject, column: str) -> float:
    if column in EXACT:
        return 0.0
    return SUMS if sql_object.layer in ("views/ohlc", "views/sentiment") else INDICATORS


def scale(sql_object: SqlObject, column: str, row: dict[str, Any]) -> float:
    """Return what a difference is relative to, when the value itself is small: the scale of the column's unit."""
    match sql_object.layer:
        case "views/indicators":
            match UNITS.get(column):
                case Unit.PRICE:
                    return abs(row["close"])
                case Unit.BOUNDED:
                    return 100.0
                case Unit.RATIO:
                    return 1.0
        case "views/features":
            return 100.0 if any(column.startswith(name) for name in BOUNDED) else 1.0
        case "views/evaluation":
            return 100.0 if column == "largest_change" else TYPICAL_RETURN  # that one is of features
    return 0.0


def same(one: Any, other: Any, scale: float, tolerance: float) -> bool:
    if isinstance(one, float | Decimal) and type(one) is type(other):
        a, b = float(one), float(other)
        return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b), scale) or (math.isnan(a) and math.isnan(b))
    return type(one) is type(other) and one == other
