"""Run a golden case on an engine."""

import re
import time
import uuid
from collections.abc import Mapping
from functools import lru_cache

from candlewave.core.config import Config
from candlewave.core.errors import CandlewaveError
from candlewave.engine.golden.case import Case, Step
from candlewave.engine.golden.compare import differences, updated
from candlewave.engine.golden.engines import Engine
from candlewave.engine.golden.table import CaseError, Table, read_table, write_table
from candlewave.sqlproject.ddl import Column, Kind, Statement, plain_table
from candlewave.sqlproject.render import SqlObject, render_objects

DEADLINE_SECONDS = 60.0
"""How long an engine whose results are eventual may take to show the expected rows of a step."""


class MismatchError(CandlewaveError):
    """The engine's rows differ from the expected ones; the text is a table of the differences."""


def run_case(case: Case, engine: Engine, *, update: bool = False) -> None:
    """Run a case: make its objects, and after each step's rows compare the view.

    Args:
        update: write the engine's rows into the expected files instead of comparing.

    Raises:
        CaseError: the case's files cannot be used.
        MismatchError: rows differ, or the engine's own state is wrong.
    """
    objects = _rendered(case.config().model_dump_json())
    if case.view not in objects or objects[case.view].kind is Kind.SINK:
        raise CaseError(f"{case.folder}: {case.view} is not a table or view of sql/")
    needed = objects_between(objects, case.given, case.view)
    schema = f"golden_{uuid.uuid4().hex[:12]}"
    types = _types(objects, needed, case.given, engine, f"{schema}_types")
    engine.open(schema)
    try:
        for sql_object in needed:
            if sql_object.name in types:
                engine.apply_table(_table(sql_object, types[sql_object.name]), one_row=_has_one_row(sql_object))
            else:
                engine.apply(sql_object.text)
        for step in case.steps:
            _run_step(case, step, engine, types, objects[case.view].header.keys, update)
    finally:
        engine.close(schema)


def objects_between(objects: Mapping[str, SqlObject], given: frozenset[str], view: str) -> list[SqlObject]:
    """Return the view, what it reads up to the given relations, and those, in dependency order.

    Stores on the way that are not given are part of it: they stay empty.

    Raises:
        CaseError: a given relation does not exist, or the view does not depend on it.
    """
    needed: set[str] = set()
    pending = [view]
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += [] if name in given else objects[name].inputs
    for name in sorted(given):
        if name not in objects:
            raise CaseError(f"there is no relation {name} in sql/")
        if name not in needed:
            raise CaseError(f"{view} does not read {name}, or only through another relation that is given too")
    return [o for o in objects.values() if o.name in needed]


@lru_cache
def _rendered(config: str) -> dict[str, SqlObject]:
    return {o.name: o for o in render_objects(Config.model_validate_json(config))}


def _types(
    objects: Mapping[str, SqlObject], needed: list[SqlObject], given: frozenset[str], engine: Engine, schema: str
) -> dict[str, dict[str, str]]:
    """Return the column types of stores, and of views given as files.

    What a view's types are the engine must say: it is asked for ordinary views over empty tables.
    """
    types = {o.name: {c.name: c.type for c in o.statement.columns} for o in needed if o.kind is Kind.TABLE}
    views = [o.name for o in needed if o.name in given and o.kind is not Kind.TABLE]
    if not views:
        return types
    chain = {o.name for view in views for o in objects_between(objects, frozenset(), view)}
    engine.open(schema)
    try:
        for sql_object in (o for o in objects.values() if o.name in chain):
            statement = sql_object.statement
            is_table = statement.kind is Kind.TABLE
            engine.apply(plain_table(statement) if is_table else f"CREATE VIEW {statement.name} AS {statement.query}")
        return types | {view: engine.answer(view).types for view in views}
    finally:
        engine.close(schema)


def _table(sql_object: SqlObject, types: Mapping[str, str]) -> Statement:
    """Return the table that stands for a store, or for a given view with its declared key."""
    if sql_object.kind is Kind.TABLE:
        return sql_object.statement
    columns = tuple(Column(name, type_) for name, type_ in types.items())
    return Statement(Kind.TABLE, sql_object.name, columns, sql_object.header.keys)


def _has_one_row(sql_object: SqlObject) -> bool:
    """Tell whether a view is one row, an aggregate over everything: other views may compare with its value."""
    return sql_object.kind is not Kind.TABLE and re.match(r"one row\b(?! per\b)", sql_object.header.grain) is not None


def _run_step(
    case: Case,
    step: Step,
    engine: Engine,
    types: Mapping[str, dict[str, str]],
    keys: tuple[str, ...],
    update: bool,
) -> None:
    for relation, path in step.inputs.items():
        table = read_table(path)
        unknown = [column for column in table.columns if column not in types[relation]]
        if unknown:
            raise CaseError(f"{path}: {relation} has no column {unknown[0]}; it has {', '.join(types[relation])}")
        engine.insert(relation, types[relation], table.columns, table.rows)
    if wrong := engine.settle():
        lines = "\n".join(wrong)
        raise MismatchError(f"{case.id} step {step.number:02}: incremental and full computation differ\n{lines}")
    if step.expected is None:
        return
    if update:
        before = read_table(step.expected) if step.expected.read_text(encoding="utf-8").strip() else Table((), ())
        write_table(step.expected, updated(before, engine.answer(case.view), keys, str(step.expected)))
        return
    expected = read_table(step.expected)
    deadline = time.monotonic() + (DEADLINE_SECONDS if engine.eventual else 0.0)
    while different := differences(expected, engine.answer(case.view), keys, f"{case.id} {step.expected.name}"):
        if time.monotonic() >= deadline:
            raise MismatchError(different)
        engine.settle()
