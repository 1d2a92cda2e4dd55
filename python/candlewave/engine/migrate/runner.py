"""Carry out a revision's steps, skipping what an earlier, interrupted run has done.

What is noted before and after each statement makes the steps repeatable: a record ``creating`` is written only once the
old object is gone, so an object found beside it is the new one; drops go from readers to what they read, so an object
whose input was rebuilt is never mistaken for a finished one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import psycopg

from candlewave.engine.connect import explain
from candlewave.engine.embedded.catalog import CatalogError
from candlewave.engine.embedded.translate import TranslationError
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.lease import Lease
from candlewave.engine.migrate.optional import left_out
from candlewave.engine.migrate.revisions_plan import StoreChangeError
from candlewave.engine.migrate.state import is_store, ordered
from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep, Step
from candlewave.engine.migrate.targets import CREATING, READY, Record, Target
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.render import SqlObject, downstream, from_text

_PARAMETER = re.compile(r"\$\{\w+\}")


class Progress(Protocol):
    """Told what happens, one call per object."""

    def begin(self, title: str, total: int) -> None:
        """``total`` operations follow."""

    def step(self, what: str) -> None:
        """An operation begins, such as "create view candles"."""

    def end(self) -> None:
        """All operations are done."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the caller allowed beyond the ordinary.

    Attributes:
        drop_stores: a downgrade may drop tables, with their rows.
        trades_expire: ``retention.trades`` is set, so views cannot be computed again from all of history.
        refill: the history was loaded again, so they can.
    """

    drop_stores: bool = False
    trades_expire: bool = False
    refill: bool = False


class Runner:
    """Carries out steps on one engine.

    Args:
        fill: puts deploy-time parameters into a text.
    """

    def __init__(
        self,
        target: Target,
        fill: Callable[[str], str],
        progress: Progress,
        lease: Lease,
        permissions: Permissions,
    ) -> None:
        self._target = target
        self._fill = fill
        self._progress = progress
        self._lease = lease
        self._permissions = permissions

    def run(self, steps: tuple[Step, ...], revision: str | None) -> None:
        """Carry out what is not done yet.

        Raises:
            MigrationError: a step is refused by the engine or by the rules for tables.
        """
        wanted = ordered(from_text(step.text) for step in steps if isinstance(step, Create))
        existing, records = self._target.existing(), self._target.records()
        absent = left_out(wanted, self._fill) - existing.keys()
        wanted = {name: o for name, o in wanted.items() if name not in absent}
        for sql_object in wanted.values():
            self._finish(sql_object, existing, records)
        stale = {name for name, o in wanted.items() if not self._is_done(o, existing, records)}
        stores = {name for name in stale if is_store(wanted[name])}
        rebuilt = stores | downstream(list(wanted.values()), stale - stores)
        self._check_history(wanted, rebuilt, existing)
        filled = {name: self._filled(wanted[name]) for name in rebuilt}
        planned = {step.name for step in steps if isinstance(step, Drop)}
        leftover = [n for n in reversed(wanted) if n in rebuilt and n in existing and n not in planned]
        todo: list[Step] = [Drop(existing[n], n) for n in leftover if not is_store(wanted[n])]
        todo += [step for step in steps if self._is_needed(step, wanted, rebuilt, existing, records)]
        title = f"to {revision}" if revision else "to nothing"
        self._progress.begin(title, len(todo))
        for step in todo:
            self._lease.check()
            match step:
                case Drop(_, name):
                    self._drop(name, existing)
                case Create(text):
                    sql_object = from_text(text)
                    self._create(sql_object, filled[sql_object.name], revision or "", existing, records)
                case Add(text, columns):
                    self._add(from_text(text), columns, revision or "", existing)
                case Keep(text):
                    self._keep(from_text(text), revision or "")
                case Abandon(name):
                    self._progress.step(f"keep table {name}, no longer managed")
                    self._target.forget(name)
        self._progress.end()

    def _finish(self, sql_object: SqlObject, existing: dict[str, Kind], records: dict[str, Record]) -> None:
        """Note as ready what was made just before a run broke off."""
        record = records.get(sql_object.name)
        if (
            record is not None
            and record.state == CREATING
            and record.sha256 == fingerprint(sql_object)
            and existing.get(record.name) is sql_object.kind
        ):
            records[record.name] = replace(record, state=READY)
            self._target.note(records[record.name])

    def _is_done(self, sql_object: SqlObject, existing: dict[str, Kind], records: dict[str, Record]) -> bool:
        record = records.get(sql_object.name)
        return (
            existing.get(sql_object.name) is sql_object.kind
            and record is not None
            and record.sha256 == fingerprint(sql_object)
            and record.state == READY
        )

    def _is_needed(
        self,
        step: Step,
        wanted: dict[str, SqlObject],
        rebuilt: set[str],
        existing: dict[str, Kind],
        records: dict[str, Record],
    ) -> bool:
        match step:
            case Drop(_, name):
                return (name in existing or name in records) and (name not in wanted or name in rebuilt)
            case Create(text):  # one that is left out is not among the rebuilt
                return from_text(text).name in rebuilt
            case Add(text) | Keep(text):
                return not self._is_done(from_text(text), existing, records)
            case Abandon(name):
                return name in records

    def _check_history(self, wanted: dict[str, SqlObject], rebuilt: set[str], existing: dict[str, Kind]) -> None:
        """Refuse to compute views again from trades that have expired."""
        names = sorted(n for n in rebuilt if n in existing and "trades" in wanted[n].inputs and not is_store(wanted[n]))
        if not self._permissions.trades_expire or not names:
            return
        if not self._permissions.refill:
            raise MigrationError(
                f"this would compute {', '.join(names)} again from trades, but retention.trades lets trades expire:"
                " older candles would be lost. Load the history again (`candlewave backfill`), then run with --refill"
            )
        oldest_trade = self._target.earliest("trades", "ts")
        for name in names:
            time_column = wanted[name].header.event_time
            oldest = self._target.earliest(name, time_column) if time_column else None
            if oldest is not None and (oldest_trade is None or oldest_trade > oldest):  # type: ignore[operator]
                raise MigrationError(
                    f"{name} begins at {oldest}, but the oldest trade is {oldest_trade or 'missing'}: the history is"
                    " not loaded again yet. Use `candlewave backfill` for that range first"
                )

    def _filled(self, sql_object: SqlObject) -> str:
        try:
            text = self._fill(sql_object.text)
        except ValueError as error:
            raise MigrationError(f"{sql_object.name}: {error}") from error
        if unknown := _PARAMETER.search(text):
            raise MigrationError(f"{sql_object.name}: nothing fills the deploy-time parameter {unknown[0]}")
        return text

    def _drop(self, name: str, existing: dict[str, Kind]) -> None:
        kind = existing.get(name)
        if kind is Kind.TABLE and not self._permissions.drop_stores:
            self._progress.step(f"keep table {name} with its rows")
            return
        if kind is not None:
            self._progress.step(f"drop {kind} {name}")
            self._execute(name, f"DROP {kind.upper()} {name}", partial(self._target.drop, kind, name))
            del existing[name]
        self._target.forget(name)

    def _create(
        self, sql_object: SqlObject, filled: str, revision: str, existing: dict[str, Kind], records: dict[str, Record]
    ) -> None:
        name, sha = sql_object.name, fingerprint(sql_object)
        if name in existing and not is_store(sql_object):
            raise MigrationError(f"{name}: a {existing[name]} of that name exists; rename or drop it")
        if name in existing:
            self._adopt(sql_object, records.get(name))
        else:
            self._progress.step(f"create {sql_object.kind} {name}")
            self._target.note(Record(name, sha, revision, CREATING))
            self._execute(name, split_header(sql_object.text)[1], partial(self._target.create, filled))
            existing[name] = sql_object.kind
        self._target.note(Record(name, sha, revision, READY))

    def _adopt(self, table: SqlObject, record: Record | None) -> None:
        """Take over a table that is there already, if it can be the one that is wanted."""
        self._progress.step(f"take over table {table.name}")
        if record is not None and record.state == READY:
            raise StoreChangeError(
                f"{table.name} exists with another definition (made by revision {record.revision or 'none'}); its rows"
                " cannot be computed again, so it is not replaced"
            )
        found = self._target.columns(table.name)
        for column in table.statement.columns:
            if column.name not in found or not self._target.same_type(column, found[column.name]):
                raise StoreChangeError(
                    f"a table {table.name} exists already, and its column {column.name} is"
                    f" {found.get(column.name, 'missing')}, expected {column.type}; rename or drop that table"
                )

    def _add(self, table: SqlObject, names: tuple[str, ...], revision: str, existing: dict[str, Kind]) -> None:
        if table.name not in existing:
            raise MigrationError(f"table {table.name} is gone, so it cannot be altered; was it dropped by hand?")
        self._progress.step(f"alter table {table.name}: add {', '.join(names)}")
        filled = self._filled(table)
        found = self._target.columns(table.name)
        for column in table.statement.columns:
            if column.name not in names:
                continue
            if column.name not in found:
                statement = f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}"
                self._execute(table.name, statement, partial(self._target.add_column, table.name, column))
            elif not self._target.same_type(column, found[column.name]):
                raise StoreChangeError(
                    f"{table.name} has a column {column.name} already, of type {found[column.name]}, expected"
                    f" {column.type}"
                )
        self._target.describe(filled)
        self._target.note(Record(table.name, fingerprint(table), revision, READY))

    def _keep(self, table: SqlObject, revision: str) -> None:
        self._progress.step(f"keep table {table.name} and its columns")
        self._target.describe(self._filled(table))
        self._target.note(Record(table.name, fingerprint(table), revision, READY))

    def _execute(self, name: str, statement: str, action: Callable[[], None]) -> None:
        """Run an action; say of a failure which object it was, how its statement begins and what the engine said."""
        try:
            action()
        except (psycopg.Error, CatalogError, TranslationError, ValueError) as error:
            lines = statement.strip().splitlines()
            excerpt = "\n".join(f"    {line}" for line in [*lines[:5], *(["..."] if len(lines) > 5 else [])])
            message = explain(error) if isinstance(error, psycopg.Error) else str(error)
            raise MigrationError(f"{name}: the engine refused\n{excerpt}\n  because: {message}") from error
