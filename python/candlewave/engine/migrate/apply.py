"""Carry out a plan: beside, where the old objects serve until the new ones take their places, or in place.

What a run has built is recorded with its text, so that another run goes on from there, or drops what it does not need.
"""

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

import psycopg

from candlewave import __version__
from candlewave.engine.connect import explain
from candlewave.engine.embedded.beside import Exchange
from candlewave.engine.embedded.catalog import CatalogError
from candlewave.engine.embedded.translate import TranslationError
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.lease import Lease
from candlewave.engine.migrate.plan import READY, Action, Change, Plan
from candlewave.engine.migrate.progress import Progress
from candlewave.engine.migrate.state import State
from candlewave.engine.migrate.targets import AT_WORK, BUILDING, BUILT, CREATING, Record, Target
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.rename import renamed
from candlewave.sqlproject.render import SqlObject, from_text

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

    def beside(self, plan: Plan, wanted: State) -> None:
        """Build every affected object beside the one that serves, then exchange them all.

        Raises:
            MigrationError: the engine refuses a statement. Until the exchange the old objects serve; another run goes
                on with what was built.
        """
        existing, records = self._target.existing(), self._target.records()
        changes = [change for change in plan.changes if change.kind is not Kind.TABLE]
        made = [change for change in changes if change.action is not Action.REMOVED]
        built = [change for change in made if change.kind is not Kind.SINK]
        work = {name for name, record in records.items() if record.state in AT_WORK}
        serving = existing.keys() - work
        names = {change.name: f"{change.name}__next" for change in built if change.name in serving}
        texts = {change.name: renamed(wanted[change.name].text, names) for change in built}
        self._refuse_outside_readers(names, changes, existing)
        reusable = self._reusable(texts, names, work & existing.keys(), records)
        self.discard(work - reusable)
        steps = [change for change in built if names.get(change.name, change.name) not in reusable]
        self._progress.begin("beside", len(steps) + 1, _seconds(steps))
        for change in steps:
            self._lease.check()
            self._build(wanted[change.name], texts[change.name], names, change)
        self._lease.check()
        self._progress.step("exchange " + (", ".join(names) or "nothing"))
        self._exchange(wanted, changes, names, existing)
        self._progress.end()

    def discard(self, names: Collection[str] | None = None) -> list[str]:
        """Drop what was built and not exchanged, readers first; return the names."""
        existing, records = self._target.existing(), self._target.records()
        if names is None:
            names = {name for name, record in records.items() if record.state in AT_WORK}
        ordered = self._target.readers_first(names)
        for name in ordered:
            if name in existing:
                self._progress.step(f"drop {existing[name]} {name}, which is not needed")
                self._target.drop(existing[name], name)
            self._target.forget(name)
        return ordered

    def _reusable(
        self, texts: Mapping[str, str], names: Mapping[str, str], work: Collection[str], records: Mapping[str, Record]
    ) -> set[str]:
        """Return what an earlier run built and this one would build in the same way, on the same inputs."""
        reusable: set[str] = set()
        for final, text in texts.items():
            name = names.get(final, final)
            inputs = from_text(text).inputs & (set(names.values()) | texts.keys() - names.keys())
            record = records.get(name)
            if name in work and record and record.state == BUILT and record.definition == text and inputs <= reusable:
                reusable.add(name)
        return reusable

    def _build(self, sql_object: SqlObject, text: str, names: Mapping[str, str], change: Change) -> None:
        name = names.get(sql_object.name, sql_object.name)
        what = "beside the old one" if name != sql_object.name else "for the first time"
        self._progress.step(f"build {sql_object.kind} {sql_object.name} {what}", change.seconds)
        record = replace(_record(sql_object, BUILDING), name=name, definition=text)
        self._target.note(record)
        filled = self.filled(from_text(text))
        started = time.monotonic()
        rows: list[int | None] = []
        body = split_header(text)[1]
        self._execute(name, body, lambda: rows.append(self._target.build(filled, self._progress.detail)))
        seconds = time.monotonic() - started
        self._target.note(replace(record, state=BUILT, seconds=seconds, row_count=rows[0]))

    def _exchange(
        self, wanted: State, changes: list[Change], names: Mapping[str, str], existing: Mapping[str, Kind]
    ) -> None:
        records = self._target.records()
        finals: dict[str, Record] = {}
        texts: dict[str, str] = {}
        sinks: list[tuple[str, bool]] = []
        gone = {change.name for change in changes if change.action is Action.REMOVED}
        for change in changes:
            if change.name in gone:
                continue
            sql_object = wanted[change.name]
            record = _record(sql_object, READY)
            if change.kind is Kind.SINK:
                sinks.append((self.filled(sql_object), change.resends is not False))
                gone |= {change.name} & existing.keys()
            else:
                texts[change.name] = self.filled(sql_object)
                work = records[names.get(change.name, change.name)]
                record = replace(record, seconds=work.seconds, row_count=work.row_count)
            finals[change.name] = record
        places = {built: final for final, built in names.items()}
        plan = Exchange(places, texts, frozenset(gone), tuple(sinks))
        self._execute("exchange", ", ".join(finals), lambda: self._target.exchange(plan, finals))

    def _refuse_outside_readers(
        self, names: Mapping[str, str], changes: list[Change], existing: Mapping[str, Kind]
    ) -> None:
        removed = {change.name for change in changes if change.action is Action.REMOVED} & existing.keys()
        records = self._target.records()
        planned = {change.name for change in changes} | {n for n, r in records.items() if r.state in AT_WORK}
        if lines := self._target.outside_readers([*names, *removed], planned):
            raise MigrationError(
                f"{'; '.join(lines)}: no migration made that, so what it reads cannot be replaced. Drop it first, and"
                " create it again afterwards"
            )

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
