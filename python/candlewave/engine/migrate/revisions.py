"""The revisions of tables: hand-written Alembic files in ``migrations/versions``.

Only tables need a history, because their rows are memory. Views and sinks are declared in ``sql/`` and compared with
what the engine has (:mod:`candlewave.engine.migrate.plan`).
"""

import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config as AlembicConfig
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from candlewave.core.config import Config
from candlewave.core.paths import project_root, sql_folders
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.tables import OPTION, DeclaredTables, Tables
from candlewave.sqlproject.ddl import Kind, Statement
from candlewave.sqlproject.render import render_objects


class RisingWaveImpl(PostgresqlImpl):
    """Tells Alembic that RisingWave exists; it rolls nothing back."""

    __dialect__ = "risingwave"
    transactional_ddl = False


@dataclass(frozen=True)
class Revision:
    """A revision: its id and the first line of its description."""

    id: str
    what: str


@dataclass(frozen=True)
class Revisions:
    """The revisions of a project.

    Attributes:
        root: folder that holds ``migrations/``, and ``sql/``.
        own: ``sql`` folder of a project on top, which declares no tables.
    """

    root: Path
    own: Path | None = None

    @classmethod
    def of_project(cls) -> "Revisions":
        """Return the revisions of this installation, with the project around the working directory."""
        return cls(project_root(), *sql_folders()[1:])

    @property
    def folders(self) -> tuple[Path, ...]:
        """The ``sql`` folders, as :func:`~candlewave.sqlproject.render.render_objects` takes them."""
        return (self.root / "sql", *([self.own] if self.own else []))

    @cached_property
    def all(self) -> tuple[Revision, ...]:
        """All revisions, oldest first.

        Raises:
            MigrationError: they are not one unbroken line.
        """
        folder = self.root / "migrations" / "versions"
        try:
            scripts = ScriptDirectory.from_config(self.alembic())
            line = list(scripts.walk_revisions())[::-1]
            heads = scripts.get_heads()
        except (RevisionError, CommandError, KeyError) as error:
            raise MigrationError(f"the revisions in {folder} are not in order: {error}") from error
        if len(heads) > 1:
            raise MigrationError(f"the revisions in {folder} are not one line: {', '.join(heads)} are all the newest")
        return tuple(Revision(s.revision, (s.doc or "").partition("\n")[0]) for s in line)

    @property
    def head(self) -> str | None:
        """The newest revision, None without any."""
        return self.all[-1].id if self.all else None

    def check(self, revision: str) -> None:
        """Make sure that a revision exists.

        Raises:
            MigrationError: it does not.
        """
        known = [r.id for r in self.all]
        if revision not in known:
            raise MigrationError(f"there is no revision {revision}; there are {', '.join(known) or 'none'}")

    def declared(self, config: Config, to: str | None = None) -> dict[str, Statement]:
        """Return the tables that the revisions up to ``to`` lead to; up to the head when None."""
        tables = DeclaredTables(config)
        self._offline(tables, to)
        return tables.statements

    def script(self, config: Config) -> str:
        """Return the SQL that makes all tables, with deploy-time parameters left in."""
        output = io.StringIO()
        self._offline(DeclaredTables(config, lambda text: print(text, file=output)), None)
        return output.getvalue()

    def current(self, connection: Connection) -> str | None:
        """Return the revision that an engine is at, None before the first."""
        options = {"version_table_pk": False}
        return next(iter(MigrationContext.configure(connection, opts=options).get_current_heads()), None)

    def upgrade(self, connection: Connection, tables: Tables) -> None:
        """Run the revisions that an engine lacks."""
        command.upgrade(self.alembic(connection=connection, tables=tables), "head")

    def downgrade(self, connection: Connection, tables: Tables, to: str) -> None:
        """Go back to a revision, or to ``base``."""
        command.downgrade(self.alembic(connection=connection, tables=tables), to)

    def alembic(self, **attributes: Any) -> AlembicConfig:
        """Return what Alembic needs to know; there is no alembic.ini."""
        folder = str(self.root / "migrations").replace("%", "%%")
        config = AlembicConfig(output_buffer=io.StringIO(), attributes=attributes)
        config.set_main_option("script_location", folder)
        config.set_main_option("path_separator", "newline")
        return config

    def _offline(self, tables: Tables, to: str | None) -> None:
        if self.all and to != "base":
            command.upgrade(self.alembic(tables=tables), to or "head", sql=True)


def tables_of_revisions(config: Config, root: Path | None = None) -> dict[str, Statement]:
    """Return the tables that all revisions lead to, for the comparison with ``sql/sources``."""
    return (Revisions(root) if root else Revisions.of_project()).declared(config)


def compare_tables(revisions: Revisions) -> list[str]:
    """Return a line for each table that ``sql/sources`` declares otherwise than the revisions; none when all agree."""
    config = Config()
    declared = {o.name: o.statement for o in render_objects(config, revisions.root / "sql") if o.kind is Kind.TABLE}
    made = revisions.declared(config)
    lines = [f"{name}: in sql/, but no revision creates it" for name in declared if name not in made]
    lines += [f"{name}: created by the revisions, but no longer in sql/" for name in made if name not in declared]
    for name in declared.keys() & made.keys():
        if _comparable(declared[name]) != _comparable(made[name]):
            lines.append(f"{name}: differs between sql/ and the revisions")
    return sorted(lines)


def _comparable(table: Statement) -> Statement:
    """Return a table without the order of its columns, which ALTER TABLE does not keep."""
    return replace(table, columns=tuple(sorted(table.columns, key=lambda column: column.name)))


def run_migrations() -> None:
    """Let Alembic run the revisions that were asked for: the body of ``migrations/env.py``.

    Raises:
        MigrationError: Alembic was started by something other than candlewave.
    """
    attributes = context.config.attributes
    if "tables" not in attributes:
        raise MigrationError("revisions are applied by `candlewave migrate`, which holds the lease and the records")
    options: dict[str, Any] = {"version_table_pk": False, "transactional_ddl": False, OPTION: attributes["tables"]}
    if context.is_offline_mode():
        context.configure(dialect_name="risingwave", **options)
    else:
        context.configure(connection=attributes["connection"], **options)
    context.run_migrations()
