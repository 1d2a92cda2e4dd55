"""Apply revisions to an engine: Alembic keeps the order, :mod:`candlewave.engine.migrate.runner` makes the steps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from candlewave.core.config import Config
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.environment import ScriptPrinter
from candlewave.engine.migrate.head import deviations
from candlewave.engine.migrate.history import History
from candlewave.engine.migrate.lease import Lease, RowLease, SessionLease
from candlewave.engine.migrate.optional import left_out
from candlewave.engine.migrate.revisions_plan import make_all
from candlewave.engine.migrate.runner import Permissions, Progress, Runner
from candlewave.engine.migrate.targets import EmbeddedTarget, RisingWaveTarget, Target


@dataclass(frozen=True)
class Migrator:
    """What is migrated, and to where.

    Attributes:
        connect: opens a connection to the engine in autocommit mode.
        risingwave: which engine answers.
        fill: puts deploy-time parameters into a text; ValueError for one that is not set.
        wait_seconds: how long to wait for another migrator.
        make_target: how the engine is spoken to; None for the one that ``risingwave`` says.
    """

    history: History
    config: Config
    connect: Callable[[], psycopg.Connection]
    risingwave: bool
    fill: Callable[[str], str]
    progress: Progress
    refill: bool = False
    drop_stores: bool = False
    wait_seconds: float = 60.0
    make_target: Callable[[psycopg.Connection], Target] | None = field(default=None, repr=False)

    def upgrade(self, to: str | None = None) -> None:
        """Bring the engine to a revision, by default the head of the branch it follows.

        Objects that were lost or changed by hand are made again, and ``symbols`` gets the configured markets.

        Raises:
            MigrationError: the engine is on another branch, refuses a statement, or another migrator is at work.
        """
        revision = self._revision(to)
        with self._session() as session:
            current = session.current()
            line = [r.id for r in self.history.line(revision)]
            self._refuse_other_branch(current, line)
            command.upgrade(session.alembic(), revision)
            state = self.history.state(revision)
            session.runner.run(make_all(state), revision)
            if "symbols" in state:
                session.target.put_symbols(self.config.symbols)

    def downgrade(self, to: str) -> None:
        """Go back to a revision, or to ``base``. Tables stay unless ``drop_stores`` is set.

        Raises:
            MigrationError: as for :meth:`upgrade`.
        """
        line = [] if to == "base" else [r.id for r in self.history.line(to)]
        with self._session() as session:
            current = session.current()
            if not current:
                raise MigrationError("nothing has been migrated on this engine")
            if line and line[-1] not in [r.id for r in self.history.line(current[0])]:
                raise MigrationError(f"the engine is at {current[0]}, which does not come after {to}")
            command.downgrade(session.alembic(), to)

    def current(self) -> str | None:
        """Return the revision that the engine is at, None before the first."""
        with self._alembic_connection() as (connection, _):
            return next(iter(_heads(connection)), None)

    def status(self) -> tuple[str | None, list[str], list[str]]:
        """Return where the engine is, which revisions are still to come, and which of its objects need repair."""
        with self._alembic_connection() as (connection, driver):
            current = next(iter(_heads(connection)), None)
            line = [r.id for r in self.history.line(self.history.head())]
            pending = line[line.index(current) + 1 :] if current in line else line
            state = self.history.state(current) if current in line else {}
            target = self._target(driver)
            absent = left_out(state, self.fill) - target.existing().keys()
            state = {name: o for name, o in state.items() if name not in absent}
            return current, pending, deviations(target, state, current)

    def script(self, to: str | None = None) -> str:
        """Return the SQL from nothing to a revision, with parameters unfilled, without an engine."""
        revision = self._revision(to)
        output = io.StringIO()
        config = self.history.alembic_config()
        config.output_buffer = output
        config.attributes["runner"] = ScriptPrinter()
        command.upgrade(config, revision, sql=True)
        return output.getvalue()

    def _revision(self, to: str | None) -> str:
        revision = self.history.head() if to in (None, "head") else to
        if revision is None:
            raise MigrationError("there is no revision yet: write one with `candlewave migration`")
        self.history.line(revision)
        return revision

    def _refuse_other_branch(self, current: list[str], line: list[str]) -> None:
        stray = [revision for revision in current if revision not in line]
        if not stray:
            return
        known = {r.id for revisions in self.history.revisions.values() for r in revisions}
        if stray[0] not in known:
            raise MigrationError(
                f"the engine is at revision {stray[0]}, which is not in {self.history.folder}: put back the revisions"
                " it was migrated with"
            )
        common = [r.id for r in self.history.line(stray[0]) if r.id in line]
        if line[-1] in [r.id for r in self.history.line(stray[0])]:
            raise MigrationError(
                f"the engine is at {stray[0]}, beyond {line[-1]}: use `candlewave migrate downgrade {line[-1]}`"
            )
        raise MigrationError(
            f"the engine is at {stray[0]}, which is not on the way to {line[-1]}: go back first with"
            f" `candlewave migrate downgrade {common[-1] if common else 'base'}`; tables and their rows stay"
        )

    def _target(self, conn: psycopg.Connection) -> Target:
        make = self.make_target or (RisingWaveTarget if self.risingwave else EmbeddedTarget)
        return make(conn)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        with self._alembic_connection() as (connection, driver):
            target = self._target(driver)
            lease: Lease
            if self.risingwave:
                lease = RowLease(self.connect, self.wait_seconds)
            else:
                lease = SessionLease(driver, self.wait_seconds)
            permissions = Permissions(
                drop_stores=self.drop_stores,
                trades_expire=self.config.retention.trades_seconds is not None,
                refill=self.refill,
            )
            with lease:
                target.prepare()
                runner = Runner(target, self.fill, self.progress, lease, permissions)
                yield _Session(self.history, connection, target, runner)

    @contextmanager
    def _alembic_connection(self) -> Iterator[tuple[Connection, psycopg.Connection]]:
        """Yield one connection as SQLAlchemy and as psycopg know it: lease, steps and version stand together."""
        dialect = "risingwave" if self.risingwave else "postgresql"
        engine = create_engine(f"{dialect}+psycopg://", creator=self.connect, poolclass=NullPool)
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            yield connection, driver


@dataclass(frozen=True)
class _Session:
    history: History
    connection: Connection
    target: Target
    runner: Runner

    def current(self) -> list[str]:
        return _heads(self.connection)

    def alembic(self) -> Any:
        config = self.history.alembic_config()
        config.attributes["runner"] = self.runner
        config.attributes["connection"] = self.connection
        return config


def _heads(connection: Connection) -> list[str]:
    context = MigrationContext.configure(connection, opts={"version_table_pk": False})
    return list(context.get_current_heads())
