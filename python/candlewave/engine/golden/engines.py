"""The engines a golden case runs on. Each case has a schema of its own; the session's search path leads to it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from candlewave.engine.connect import connect_url
from candlewave.engine.embedded import catalog, server
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.engine.golden.compare import Answer
from candlewave.engine.golden.table import Row
from candlewave.sqlproject.ddl import Statement, parse_statement, plain_table
from candlewave.sqlproject.header import split_header


class Engine(Protocol):
    """What the harness needs of an engine."""

    eventual: bool
    """Whether results may take a moment to show."""

    def open(self, schema: str) -> None:
        """Make a schema and use it from now on."""

    def close(self, schema: str) -> None:
        """Drop a schema with all that is in it."""

    def apply(self, text: str) -> None:
        """Make an object from RisingWave text, in the open schema."""

    def apply_table(self, statement: Statement, *, one_row: bool) -> None:
        """Make a table without a connector; ``one_row`` promises that it holds a single row at any time."""

    def insert(self, relation: str, types: dict[str, str], columns: tuple[str, ...], rows: tuple[Row, ...]) -> None:
        """Insert rows into a table."""

    def settle(self) -> list[str]:
        """Bring the views up to date; return what is wrong with the engine's own state, whatever the case expects."""

    def answer(self, relation: str) -> Answer:
        """Return all rows of a relation."""


class _Sql:
    """What both engines do alike."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def insert(self, relation: str, types: dict[str, str], columns: tuple[str, ...], rows: tuple[Row, ...]) -> None:
        if not rows:
            return
        row = sql.SQL("({})").format(sql.SQL(", ").join(sql.SQL(f"%s::{types[column]}") for column in columns))
        self._conn.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES {}").format(
                sql.Identifier(relation),
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join([row] * len(rows)),
            ),
            [cells[column] for cells in rows for column in columns],
        )

    def answer(self, relation: str) -> Answer:
        with self._conn.cursor(row_factory=dict_row) as cursor:
            cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(relation)))
            rows: list[dict[str, Any]] = cursor.fetchall()
            types = {column.name: self._type_name(column.type_code) for column in cursor.description or ()}
        return Answer(types, rows)

    def _type_name(self, oid: int) -> str:
        known = self._conn.adapters.types.get(oid)
        if known is None:
            raise NotImplementedError(f"a golden case cannot compare columns of the type with oid {oid}")
        return known.regtype


class EmbeddedEngine(_Sql):
    """The embedded engine: PostgreSQL with incremental views."""

    eventual = False

    def __init__(self, conn: psycopg.Connection) -> None:
        super().__init__(conn)
        catalog.install(conn)
        self._schema = ""
        self._refresher = Refresher(conn)

    def open(self, schema: str) -> None:
        self._schema = schema
        self._refresher = Refresher(self._conn, schema=schema)
        self._conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        self._conn.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))

    def close(self, schema: str) -> None:
        self._conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        for table in ("objects", "dirty", "clocks"):
            self._conn.execute(
                sql.SQL("DELETE FROM {} WHERE schema_name = %s").format(sql.Identifier("embedded", table)), [schema]
            )

    def apply(self, text: str) -> None:
        catalog.apply(self._conn, text, schema=self._schema)

    def apply_table(self, statement: Statement, *, one_row: bool) -> None:  # noqa: ARG002 (PostgreSQL need not know)
        self.apply(plain_table(statement))

    def settle(self) -> list[str]:
        self._refresher.run_until_idle()
        return differences(self._conn, self._schema)


class RisingWaveEngine(_Sql):
    """RisingWave. It keeps its own views; nothing of Kafka is needed."""

    eventual = True

    def __init__(self, conn: psycopg.Connection) -> None:
        super().__init__(conn)
        self._made: dict[str, list[str]] = {}
        self._stand_ins: dict[str, str] = {}
        self._schema = ""

    def open(self, schema: str) -> None:
        self._schema = schema
        self._made[schema] = []
        self._stand_ins = {}
        self._conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        self._conn.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))

    def close(self, schema: str) -> None:
        """Drop object by object, the last made first: not every supported version drops a schema with its contents."""
        self._conn.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        for drop in reversed(self._made.pop(schema)):
            self._conn.execute(sql.SQL(drop))
        self._conn.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(schema)))
        self._conn.execute("SET search_path TO public")

    def apply(self, text: str) -> None:
        statement = parse_statement(split_header(text)[1])
        self._conn.execute(sql.SQL(text))
        self._made[self._schema].append(f"DROP {statement.kind.upper()} {statement.name}")

    def apply_table(self, statement: Statement, *, one_row: bool) -> None:
        """Make a table; one that holds a single row becomes a view of it, or a comparison with its value is refused."""
        if not one_row:
            self.apply(plain_table(statement))
            return
        stand_in = f"{statement.name}_given"
        self._stand_ins[statement.name] = stand_in
        self.apply(plain_table(replace(statement, name=stand_in)))
        columns = ", ".join(f"max({column.name}) AS {column.name}" for column in statement.columns)
        self.apply(f"CREATE MATERIALIZED VIEW {statement.name} AS SELECT {columns} FROM {stand_in}")

    def insert(self, relation: str, types: dict[str, str], columns: tuple[str, ...], rows: tuple[Row, ...]) -> None:
        super().insert(self._stand_ins.get(relation, relation), types, columns, rows)

    def settle(self) -> list[str]:
        self._conn.execute("FLUSH")
        return []


FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "'64MB'"}
"""PostgreSQL settings for servers whose data need not survive the machine."""


@contextmanager
def embedded_engine() -> Iterator[Engine]:
    """Yield an embedded engine of the caller's own, which is gone afterwards with all its data."""
    folder = Path(tempfile.mkdtemp(prefix="candlewave-golden-"))
    try:
        with server.start(folder / "data", conf=FAST) as running, connect_url(running.url) as conn:
            yield EmbeddedEngine(conn)
    finally:
        shutil.rmtree(folder)
