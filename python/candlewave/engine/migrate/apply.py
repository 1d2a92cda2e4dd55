"""Carry out a plan: in place, where every affected object is dropped and made again."""

import re
import time
from collections.abc import Callable
from functools import partial

import psycopg

from candlewave import __version__
from candlewave.engine.connect import explain
from candlewave.engine.embedded.catalog import CatalogError
from candlewave.engine.embedded.translate import TranslationError
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.lease import Lease
from candlewave.engine.migrate.plan import READY, Action, Change, Plan
from candlewave.engine.migrate.progress import Progress
from candlewave.engine.migrate.state import State
from candlewave.engine.migrate.targets import CREATING, Record, Target
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.render import SqlObject

_PARAMETER = re.compile(r"\$\{\w+\}")


class Applier:
    """Makes the views and sinks of one engine what a plan says. Tables belong to the revisions.

    Args:
        fill: puts deploy-time parameters into a text.
    """

    def __init__(self, target: Target, fill: Callable[[str], str], progress: Progress, lease: Lease) -> None:
        self._target = target
        self._fill = fill
        self._progress = progress
        self._lease = lease

    def finish(self, wanted: State) -> None:
        """Note as ready what was made just before an earlier run broke off."""
        existing = self._target.existing()
        for record in self._target.records().values():
            sql_object = wanted.get(record.name)
            if (
                record.state == CREATING
                and sql_object is not None
                and record.sha256 == fingerprint(sql_object)
                and existing.get(record.name) is sql_object.kind
            ):
                self._target.note(_record(sql_object, READY))

    def in_place(self, plan: Plan, wanted: State) -> None:
        """Drop every affected object and make it again.

        Raises:
            MigrationError: the engine refuses a statement; what is done stays, and another run goes on from there.
        """
        existing = self._target.existing()
        changes = [change for change in plan.changes if change.kind is not Kind.TABLE]
        made = [change for change in changes if change.action is not Action.REMOVED]
        filled = {change.name: self.filled(wanted[change.name]) for change in made}
        gone = self._target.readers_first(c.name for c in changes if c.name in existing)
        records = self._target.records()
        self._progress.begin("in place", len(gone) + len(made), _seconds(made))
        for name in gone:
            self._lease.check()
            self._drop(name, existing[name])
        for change in changes:
            if change.action is Action.REMOVED and change.name in records:
                self._target.forget(change.name)
        for change in made:
            self._lease.check()
            self._create(wanted[change.name], filled[change.name], change)
        self._progress.end()

    def filled(self, sql_object: SqlObject) -> str:
        """Return an object's text with its deploy-time parameters filled in.

        Raises:
            MigrationError: nothing says the value of one.
        """
        try:
            text = self._fill(sql_object.text)
        except ValueError as error:
            raise MigrationError(f"{sql_object.name}: {error}") from error
        if unknown := _PARAMETER.search(text):
            raise MigrationError(f"{sql_object.name}: nothing fills the deploy-time parameter {unknown[0]}")
        return text

    def _drop(self, name: str, kind: Kind) -> None:
        self._progress.step(f"drop {kind} {name}")
        self._execute(name, f"DROP {kind.upper()} {name}", partial(self._target.drop, kind, name))
        self._target.forget(name)

    def _create(self, sql_object: SqlObject, filled: str, change: Change) -> None:
        self._progress.step(f"create {sql_object.kind} {sql_object.name}", change.seconds)
        self._target.note(_record(sql_object, CREATING))
        started = time.monotonic()
        self._execute(sql_object.name, split_header(sql_object.text)[1], partial(self._target.create, filled))
        seconds = time.monotonic() - started
        self._target.note(_record(sql_object, READY, seconds))

    def _execute(self, name: str, statement: str, action: Callable[[], None]) -> None:
        """Run an action; say of a failure which object it was, how its statement begins and what the engine said."""
        try:
            action()
        except (psycopg.Error, CatalogError, TranslationError, ValueError) as error:
            lines = statement.strip().splitlines()
            excerpt = "\n".join(f"    {line}" for line in [*lines[:5], *(["..."] if len(lines) > 5 else [])])
            message = explain(error) if isinstance(error, psycopg.Error) else str(error)
            raise MigrationError(f"{name}: the engine refused\n{excerpt}\n  because: {message}") from error


def _record(sql_object: SqlObject, state: str, seconds: float | None = None) -> Record:
    return Record(
        sql_object.name,
        fingerprint(sql_object),
        __version__,
        state,
        kind=str(sql_object.kind),
        definition=sql_object.text,
        seconds=seconds,
    )


def _seconds(changes: list[Change]) -> float | None:
    """Return how long the changes took the last time, None when that is unknown of one that takes time."""
    known = [change.seconds for change in changes if change.kind is Kind.MATERIALIZED_VIEW]
    return None if None in known else sum(seconds for seconds in known if seconds is not None)
