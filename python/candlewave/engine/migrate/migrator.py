"""Bring an engine to what ``sql/`` declares: tables by their revisions, views and sinks by a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from candlewave.core.config import Config
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.apply import Applier
from candlewave.engine.migrate.check import compared
from candlewave.engine.migrate.lease import Lease, RowLease, SessionLease
from candlewave.engine.migrate.optional import left_out
from candlewave.engine.migrate.plan import READY, Action, Mode, Plan, make_plan
from candlewave.engine.migrate.progress import Progress
from candlewave.engine.migrate.revisions import Revisions
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.state import State, is_store, ordered
from candlewave.engine.migrate.tables import EngineTables, check_columns, with_retention
from candlewave.engine.migrate.targets import EmbeddedTarget, Record, Target
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import render_objects


@dataclass(frozen=True)
class Migrator:
    """What is migrated, and to where.

    Attributes:
        connect: opens a connection to the engine in autocommit mode.
        risingwave: which engine answers.
        fill: puts deploy-time parameters into a text; ValueError for one that is not set.
        refill: history was loaded again, so views may be computed again although trades expire.
        drop_stores: a downgrade drops tables, with their rows.
        wait_seconds: how long to wait for another migrator.
        make_target: how the engine is spoken to; None for the one that ``risingwave`` says.
    """

    revisions: Revisions
    config: Config
    connect: Callable[[], psycopg.Connection]
    risingwave: bool
    fill: Callable[[str], str]
    progress: Progress
    refill: bool = False
    drop_stores: bool = False
    wait_seconds: float = 60.0
    make_target: Callable[[psycopg.Connection], Target] | None = field(default=None, repr=False)

    def declared(self) -> State:
        """Return what ``sql/`` renders to.

        Raises:
            RenderError: a template cannot be rendered or read.
        """
        return ordered(render_objects(self.config, *self.revisions.folders))

    def plan(self, mode: Mode = Mode.BESIDE) -> Plan:
        """Return what :meth:`upgrade` would do. Nothing is changed.

        Raises:
            MigrationError: a table changed in a way that its rows do not survive.
        """
        with self._alembic_connection() as (_, driver):
            target = self._target(driver)
            return self._plan(target, self._wanted(target), mode)

    def upgrade(self, mode: Mode = Mode.BESIDE, confirm: Callable[[Plan], bool] = lambda _: True) -> bool:
        """Bring the engine to what ``sql/`` declares, and write the configured markets into ``symbols``.

        Args:
            confirm: receives a plan that is not empty and returns whether to carry it out.

        Returns:
            False when ``confirm`` refused.

        Raises:
            MigrationError: the engine has tables of a newer candlewave, it refuses a statement, or another migrator is
                at work.
        """
        with self._session() as session:
            session.target.resume()
            wanted = self._wanted(session.target)
            current = self._known(self.revisions.current(session.connection))
            session.applier.finish(wanted)
            plan = self._plan(session.target, wanted, mode)
            self._check_history(session.target, plan, wanted)
            for change in plan.changes:
                if change.action not in (Action.REMOVED, Action.ABANDONED):
                    session.applier.filled(wanted[change.name])
            if not plan.is_empty and not confirm(plan):
                return False
            if current != self.revisions.head:
                if current is None:
                    _forget_revision(session)
                self.revisions.upgrade(session.connection, session.tables)
            self._note_tables(session.target, wanted, plan)
            serving = any(kind is not Kind.TABLE for kind in session.target.existing().values())
            if serving and mode is Mode.BESIDE and not plan.is_empty:
                session.applier.beside(plan, wanted)
            else:
                session.applier.discard()
                session.applier.in_place(plan, wanted)
            if "symbols" in wanted:
                session.target.put_symbols(self.config.markets)
        return True

    def abort(self) -> list[str]:
        """Drop what an interrupted migration has built, so that everything is as before it; return the names.

        Tables keep the columns that they have gained.

        Raises:
            MigrationError: old objects have been dropped already.
        """
        with self._session() as session:
            session.target.revert()
            return session.applier.discard()

    def downgrade(self, to: str) -> None:
        """Go back to a revision of the tables, or to ``base``, without the views that later tables feed.

        Tables themselves stay unless ``drop_stores`` is set.

        Raises:
            MigrationError: as for :meth:`upgrade`; or the engine is not beyond ``to``.
        """
        if to != "base":
            self.revisions.check(to)
        with self._session() as session:
            session.target.resume()
            session.applier.discard()
            current = self.revisions.current(session.connection)
            if current is None:
                raise MigrationError("nothing has been migrated on this engine")
            known = [revision.id for revision in self.revisions.all]
            if to != "base" and (current not in known or known.index(current) < known.index(to)):
                raise MigrationError(f"the engine is at revision {current}, which does not come after {to}")
            kept = self.revisions.declared(self.config, to)
            altered = {name for name, table in self.revisions.declared(self.config).items() if kept.get(name) != table}
            target = session.target
            existing = target.existing()
            records = target.records()
            gone = {name for name in records if existing.get(name) is Kind.TABLE} - kept.keys()
            inputs = target.inputs()
            for name in reversed(target.readers_first(inputs)):
                if name in records and (inputs[name] & gone or not kept) and existing.get(name) is not Kind.TABLE:
                    gone.add(name)
            views = target.readers_first(name for name in gone if existing[name] is not Kind.TABLE)
            self.progress.begin(f"to {to}", len(gone))
            for name in views:
                self.progress.step(f"drop {existing[name]} {name}")
                target.drop(existing[name], name)
                target.forget(name)
            self.revisions.downgrade(session.connection, session.tables, to)
            for name in records.keys() & (gone | altered):
                target.forget(name)
            self.progress.end()

    def current(self) -> str | None:
        """Return the revision that the engine's tables are at, None before the first."""
        with self._alembic_connection() as (connection, _):
            return self.revisions.current(connection)

    def status(self) -> tuple[str | None, list[str]]:
        """Return the revision of the tables, and a line for each object that is not as ``sql/`` declares it."""
        with self._alembic_connection() as (connection, driver):
            target = self._target(driver)
            return self.revisions.current(connection), compared(target, self._wanted(target))

    def script(self) -> str:
        """Return the SQL that makes everything, with deploy-time parameters left in, without an engine."""
        views = [o.text.rstrip() + ";\n" for o in self.declared().values() if not is_store(o)]
        return self.revisions.script(self.config) + "\n".join(views)

    def _wanted(self, target: Target) -> State:
        """Return what the engine should have: what is declared, without what it may do without."""
        declared = self.declared()
        absent = left_out(declared, self.fill) - target.existing().keys()
        return {name: o for name, o in declared.items() if name not in absent}

    def _plan(self, target: Target, wanted: State, mode: Mode) -> Plan:
        return make_plan(target.recorded(wanted), wanted, readers_follow_names=not self.risingwave, mode=mode)

    def _known(self, current: str | None) -> str | None:
        """Return the engine's revision; None for a branch of a user's own, which 0.1.0 had.

        Such a branch made the same tables, so all revisions are gone through and find them.
        """
        if current is None or current.startswith("local_"):
            return None
        if current not in [revision.id for revision in self.revisions.all]:
            raise MigrationError(
                f"the engine's tables are at revision {current}, which is not in {self.revisions.root / 'migrations'}:"
                " use the candlewave that made it, there go back with `candlewave migrate downgrade`"
            )
        return current

    def _note_tables(self, target: Target, wanted: State, plan: Plan) -> None:
        """Note each table with the text that describes it now."""
        records = target.records()
        for name, table in wanted.items():
            if not is_store(table):
                continue
            made = Record(
                name, fingerprint(table), self.revisions.head or "", READY, kind=str(Kind.TABLE), definition=table.text
            )
            if records.get(name) != made:
                check_columns(target, table.statement)
                target.describe(self.fill(table.text))
                target.note(made)
        for change in plan.changes:
            if change.action is Action.ABANDONED:
                target.forget(change.name)

    def _check_history(self, target: Target, plan: Plan, wanted: State) -> None:
        """Refuse to compute views again from trades that have expired."""
        if not plan.refill:
            return
        if not self.refill:
            raise MigrationError(
                f"this would compute {', '.join(plan.refill)} again from trades, but retention.trades lets trades"
                " expire: older candles would be lost. Load the history again (`candlewave backfill`), then run with"
                " --refill"
            )
        existing = target.existing()
        oldest_trade = target.earliest("trades", "ts")
        for name in plan.refill:
            time_column = wanted[name].header.event_time
            oldest = target.earliest(name, time_column) if time_column and name in existing else None
            if oldest is not None and (oldest_trade is None or oldest_trade > oldest):  # type: ignore[operator]
                raise MigrationError(
                    f"{name} begins at {oldest}, but the oldest trade is {oldest_trade or 'missing'}: the history is"
                    " not loaded again yet. Use `candlewave backfill` for that range first"
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
            with lease:
                target.prepare()
                applier = Applier(target, self.fill, self.progress, lease)
                tables = EngineTables(
                    target,
                    lambda text: self.fill(with_retention(text, self.config)),
                    self.progress,
                    lease.check,
                    drop_stores=self.drop_stores,
                )
                yield _Session(connection, target, applier, tables)

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
    connection: Connection
    target: Target
    applier: Applier
    tables: EngineTables


def _forget_revision(session: _Session) -> None:
    """Forget the revision of a user's own branch, so that all revisions are gone through."""
    if session.target.columns("alembic_version"):
        session.target.conn.execute("DELETE FROM alembic_version")
