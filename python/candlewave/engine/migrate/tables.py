"""What a hand-written revision says about tables: ``create``, ``add_column``, ``drop``.

A revision keeps literal RisingWave text with its deploy-time parameters: ``${kafka_properties}``, ``${topic_prefix}``,
and ``${trades_retention}``, which is filled from ``retention.trades`` when the table is created.
"""

from collections.abc import Callable
from typing import Protocol

from alembic import op

from candlewave.core.config import Config
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.progress import Progress
from candlewave.engine.migrate.targets import Target
from candlewave.sqlproject.ddl import Column, Kind, Statement, parse_statement

OPTION = "tables"
"""Under this name Alembic's context holds what carries the operations out."""


class Tables(Protocol):
    """Carries out what revisions say."""

    def create(self, text: str) -> None:
        """Create a table, unless an earlier, interrupted run did."""

    def add_column(self, table: str, column: Column) -> None:
        """Add a column, unless an earlier, interrupted run did."""

    def drop(self, table: str) -> None:
        """Drop a table, if dropping tables is allowed."""


def create(text: str) -> None:
    """Create a table from RisingWave text."""
    _tables().create(text.strip() + "\n")


def add_column(table: str, name: str, type_: str) -> None:
    """Add a column to a table; rows that it has already get NULL."""
    _tables().add_column(table, Column(name, type_.upper()))


def drop(table: str) -> None:
    """Drop a table. Its rows cannot be computed again, so this happens only with ``--drop-stores``."""
    _tables().drop(table)


def with_retention(text: str, config: Config) -> str:
    """Fill ``${trades_retention}`` in: how long RisingWave keeps trades, nothing when they are kept for good."""
    seconds = config.retention.trades_seconds
    return text.replace("${trades_retention}", f"retention_seconds = {seconds},\n    " if seconds else "")


class EngineTables:
    """Carries out operations on an engine, skipping what is done already.

    Args:
        fill: puts deploy-time parameters into a text.
        before_each: called before each operation; it raises when the migration may not go on.
    """

    def __init__(
        self,
        target: Target,
        fill: Callable[[str], str],
        progress: Progress,
        before_each: Callable[[], None],
        *,
        drop_stores: bool,
    ) -> None:
        self._target = target
        self._fill = fill
        self._progress = progress
        self._before_each = before_each
        self._drop_stores = drop_stores

    def create(self, text: str) -> None:
        """See :class:`Tables`."""
        filled = self._fill(text)
        table = parse_statement(filled)
        self._before_each()
        if self._target.existing().get(table.name) is Kind.TABLE:
            self._progress.step(f"take over table {table.name}")
            check_columns(self._target, table)
            return
        self._progress.step(f"create table {table.name}")
        self._target.create(filled)

    def add_column(self, table: str, column: Column) -> None:
        """See :class:`Tables`."""
        self._before_each()
        found = self._target.columns(table)
        if not found:
            raise MigrationError(f"table {table} is gone, so it cannot be altered; was it dropped by hand?")
        if column.name not in found:
            self._progress.step(f"alter table {table}: add {column.name}")
            self._target.add_column(table, column)
        elif not self._target.same_type(column, found[column.name]):
            raise MigrationError(
                f"{table} has a column {column.name} already, of type {found[column.name]}, expected {column.type}"
            )

    def drop(self, table: str) -> None:
        """See :class:`Tables`."""
        self._before_each()
        if self._target.existing().get(table) is Kind.TABLE:
            if not self._drop_stores:
                self._progress.step(f"keep table {table} with its rows")
                return
            self._progress.step(f"drop table {table}")
            self._target.drop(Kind.TABLE, table)
        self._target.forget(table)


class DeclaredTables:
    """Collects the tables that revisions lead to, without an engine."""

    def __init__(self, config: Config, write: Callable[[str], None] = lambda _: None) -> None:
        self._config = config
        self._write = write
        self.statements: dict[str, Statement] = {}

    def create(self, text: str) -> None:
        """See :class:`Tables`."""
        text = with_retention(text, self._config)
        table = parse_statement(text)
        self._write(text.rstrip() + ";\n")
        self.statements[table.name] = table

    def add_column(self, table: str, column: Column) -> None:
        """See :class:`Tables`."""
        self._write(f'ALTER TABLE {table} ADD COLUMN "{column.name}" {column.type};\n')
        self.statements[table] = self.statements[table].with_column(column)

    def drop(self, table: str) -> None:
        """See :class:`Tables`."""
        self._write(f"DROP TABLE {table};\n")
        self.statements.pop(table, None)


def check_columns(target: Target, table: Statement) -> None:
    """Make sure that a table on the engine has the columns of a statement.

    Raises:
        MigrationError: a column is missing or of another type.
    """
    found = target.columns(table.name)
    for column in table.columns:
        if column.name not in found or not target.same_type(column, found[column.name]):
            raise MigrationError(
                f"table {table.name} on the engine: column {column.name} is {found.get(column.name, 'missing')},"
                f" expected {column.type}; rename or drop that table, or add the column in a revision"
            )


def _tables() -> Tables:
    tables: Tables = op.get_context().opts[OPTION]
    return tables
