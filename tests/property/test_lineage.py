"""Column lineage of generated views and of the project's own: never too few columns count as changed, and no others.

What a generated view should depend on is known from how it was put together, not from its SQL, and whether columns
that count as unchanged really have the same values is computed by SQLite.
"""

import re
import sqlite3
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlglot import exp

from candlewave.core.config import Config
from candlewave.sqlproject.lineage import Lineage, trace
from candlewave.sqlproject.render import SqlObject, from_text, in_dependency_order, parse_query, render_objects


def view(name: str, query: str, *, keys: str = "k", kind: str = "VIEW") -> SqlObject:
    header = f"-- {name}: rows.\n-- grain: x\n-- keys: {keys}\n-- event time: none\n-- late data: x\n-- readers: x\n"
    return from_text(f"{header}CREATE {kind} {name} AS\n{query}")


def different(before: Lineage, after: Lineage) -> set[str]:
    return {c for c in before.columns.keys() | after.columns.keys() if before.columns.get(c) != after.columns.get(c)}


Column = tuple[str, str]


@dataclass(frozen=True)
class Small:
    """A generated view; ``needs`` and ``row_needs`` say what its columns and its rows are made of."""

    name: str
    columns: tuple[tuple[str, str], ...]
    needs: tuple[frozenset[Column], ...]
    row_needs: frozenset[Column]
    row_inputs: frozenset[str]
    body: str
    """SQL with {columns} where the select list belongs and {also} where one more condition does."""

    def sql(self, *, extra: str = "", also: str = "") -> str:
        listed = ", ".join(f"{expression} AS {name}" for name, expression in self.columns)
        return self.body.format(columns=listed + extra, also=also)


NAMES = ("k", "m", "n")
TABLES = tuple(
    f"-- {name}: rows.\n-- grain: x\n-- keys: k\n-- event time: none\n-- late data: x\n-- readers: x\n"
    f"CREATE TABLE {name} (k BIGINT, m BIGINT, n BIGINT, PRIMARY KEY (k))"
    for name in ("t0", "t1")
)


@st.composite
def small_view(draw: st.DrawFn, number: int) -> Small:
    views = [f"v{n}" for n in range(number)]
    known = ["t0", "t1", *views, *views[-2:], *views[-2:]]  # long chains show more
    relation = st.sampled_from(known)
    shape = draw(st.sampled_from(["plain", "cte", "joined", "grouped", "window", "subquery", "compared"]))
    p, q = draw(relation), draw(relation)
    condition = draw(st.sampled_from(NAMES))
    bound = draw(st.integers(-1, 3))
    row_needs = {(p, condition)}
    row_inputs = {p}
    where = f"WHERE p.{condition} > {bound}{{also}}"
    source = f"{p} AS p"
    start, tail = "", ""
    if shape == "cte":
        start, source = f"WITH c AS (SELECT *, k + m AS unused FROM {p}) ", "c AS p"
    elif shape == "subquery":
        source = f"(SELECT s.k AS k, s.n AS n, s.m AS m FROM {p} AS s) AS p"
    elif shape == "joined":
        source += f" LEFT JOIN {q} AS q ON p.k = q.k"
        row_needs |= {(p, "k"), (q, "k")}
        row_inputs.add(q)
    elif shape == "grouped":
        tail = " GROUP BY p.k"
        row_needs.add((p, "k"))
    elif shape == "compared":
        where += f" AND p.m <= (SELECT max(b.n) FROM {q} AS b)"
        row_needs |= {(p, "m"), (q, "n")}
        row_inputs.add(q)
    columns, needs = [], []
    for name in NAMES:
        alias = draw(st.sampled_from("pq")) if shape == "joined" else "p"
        read = draw(st.sampled_from(NAMES))
        need = {(q if alias == "q" else p, read)}
        expression = f"{alias}.{read}"
        if shape == "grouped":
            expression = f"max({expression})"
        elif shape == "window" and draw(st.booleans()):
            expression = f"sum({expression}) OVER (PARTITION BY p.k ORDER BY p.m, p.n)"
            need |= {(p, "k"), (p, "m"), (p, "n")}
        columns.append((name, expression))
        needs.append(frozenset(need))
    body = f"{start}SELECT {{columns}} FROM {source} {where}{tail}"
    return Small(f"v{number}", tuple(columns), tuple(needs), frozenset(row_needs), frozenset(row_inputs), body)


@st.composite
def small_projects(draw: st.DrawFn) -> list[Small]:
    return [draw(small_view(number)) for number in range(draw(st.integers(2, 5)))]


def traced(project: list[Small], **changed: str) -> dict[str, Lineage]:
    views = [view(v.name, changed.get(v.name) or v.sql()) for v in project]
    lineages = trace([*map(from_text, TABLES), *views])
    assert not [lineage.unresolved for lineage in lineages.values() if lineage.unresolved]
    return lineages


def all_different(before: dict[str, Lineage], after: dict[str, Lineage]) -> set[Column]:
    return {(name, c) for name in before for c in different(before[name], after[name]) if c}


def reached(project: list[Small], columns: set[Column], rows: set[str]) -> set[Column]:
    """Return the columns that changed columns and changed sets of rows reach, from how the views were put together."""
    columns, rows = set(columns), set(rows)
    for small in project:
        if small.row_needs & columns or small.row_inputs & rows:
            rows.add(small.name)
        for (name, _), need in zip(small.columns, small.needs, strict=True):
            if small.name in rows or need & columns:
                columns.add((small.name, name))
    return columns


@given(small_projects(), st.data())
def test_new_column_changes_nothing_else(project: list[Small], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(project))
    added = "max(p.n)" if "GROUP BY" in chosen.body else "p.n"
    after = traced(project, **{chosen.name: chosen.sql(extra=f", {added} + 1 AS added")})
    assert all_different(traced(project), after) == {(chosen.name, "added")}


@given(small_projects(), st.data())
def test_other_condition_reaches_every_reader(project: list[Small], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(project))
    after = traced(project, **{chosen.name: chosen.sql(also=" AND p.k <> 7")})
    assert all_different(traced(project), after) == reached(project, set(), {chosen.name})


@given(small_projects(), st.data())
def test_other_expression_reaches_its_readers_alone(project: list[Small], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(project))
    place = data.draw(st.integers(0, len(NAMES) - 1))
    columns = list(chosen.columns)
    columns[place] = (columns[place][0], f"{columns[place][1]} + 41")
    edited = replace(chosen, columns=tuple(columns))
    after = traced(project, **{chosen.name: edited.sql()})
    assert all_different(traced(project), after) == reached(project, {(chosen.name, columns[place][0])}, set())


EDITS = [
    (r" > ", " >= "),
    (r"LEFT JOIN", "JOIN"),
    (r"SELECT (?!\*)", "SELECT DISTINCT "),
    (r" GROUP BY p\.k", " GROUP BY p.m"),
    (r" GROUP BY p\.k", ""),
    (r"max\(", "min("),
    (r"PARTITION BY p\.k", "PARTITION BY p.m"),
    (r" OVER \([^)]*\)", ""),
    (r"p\.m\b", "p.n"),
    (r"p\.n\b", "p.k"),
    (r"q\.k\b", "q.m"),
    (r"b\.n\b", "b.m"),
    (r"s\.k\b", "s.m"),
    (r"k \+ m", "k + n"),
    (r"FROM t0\b", "FROM t1"),
    (r"$", " LIMIT 1"),
    (r"$", " UNION ALL SELECT k, m, n FROM t1"),
]


@given(small_projects(), st.data())
def test_columns_that_count_as_unchanged_have_the_same_values(project: list[Small], data: st.DataObject) -> None:
    """Edit a view at random, compute everything before and after, and compare what was said with what came out."""
    chosen = data.draw(st.sampled_from(project))
    pattern, other = data.draw(st.sampled_from(EDITS))
    edited = re.sub(pattern, other, chosen.sql(), count=data.draw(st.integers(1, 2)))
    assume(edited != chosen.sql())
    rows = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=6)
    tables = {name: data.draw(rows) for name in ("t0", "t1")}
    before, after = traced(project), traced(project, **{chosen.name: edited})
    old = values(project, tables, {})
    new = values(project, tables, {chosen.name: edited})
    for name, columns in old.items():
        for column, counted in columns.items():
            if before[name].columns[column] == after[name].columns[column]:
                assert counted == new[name][column], f"{name}.{column} counts as unchanged"


def values(
    project: list[Small], tables: dict[str, list[tuple[int, ...]]], changed: dict[str, str]
) -> dict[str, dict[str, Counter[object]]]:
    """Return the values in each column of each view, computed by SQLite."""
    with sqlite3.connect(":memory:") as database:
        for name, rows in tables.items():
            database.execute(f"CREATE TABLE {name} (k, m, n)")
            database.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", rows)
        result = {}
        for small in project:
            database.execute(f"CREATE TABLE {small.name} AS {changed.get(small.name) or small.sql()}")
            result[small.name] = {
                c: Counter(row[0] for row in database.execute(f"SELECT {c} FROM {small.name}")) for c in NAMES
            }
    database.close()
    return result


# The project's own views.


@cache
def own() -> tuple[SqlObject, ...]:
    return tuple(render_objects(Config()))


VIEWS = [o.name for o in own() if o.statement.query]


def edited_own(name: str, edit: "dict[str, exp.Expr] | None" = None, *, where: bool = False) -> dict[str, Lineage]:
    """Return the lineage of the project with one view written back by sqlglot, its columns or condition edited."""
    objects = {o.name: o for o in own()}
    tree = parse_query(objects[name].statement.query or "").copy()
    branches = [tree]
    while isinstance(branches[-1], exp.Union):
        union = branches.pop()
        branches += [union.expression, union.this]
    for branch in branches:
        assert isinstance(branch, exp.Select)
        for alias, expression in (edit or {}).items():
            old = [e for e in branch.expressions if e.alias_or_name == alias]
            if old:
                inner = old[0].unalias().copy()
                old[0].replace(exp.alias_(exp.func("coalesce", inner, expression), alias))
            else:
                branch.append("expressions", exp.alias_(expression, alias))
        if where:
            branch.where(exp.condition("1 = 2"), copy=False)
    header = objects[name].text.partition("CREATE ")[0]
    kind = str(objects[name].kind).upper()
    objects[name] = from_text(f"{header}CREATE {kind} {name} AS\n{tree.sql('risingwave')}")
    return trace(in_dependency_order(objects))


def test_every_view_of_the_project_is_resolved() -> None:
    assert {n: lineage.unresolved for n, lineage in trace(own()).items() if lineage.unresolved} == {}


@pytest.mark.parametrize("name", VIEWS)
def test_new_column_of_any_view_affects_no_reader(name: str) -> None:
    before, after = edited_own(name), edited_own(name, {"added_column": exp.convert(1)})
    assert {o: different(before[o], after[o]) for o in before if different(before[o], after[o])} == {
        o: {"added_column"} for o in after if o == name or _sends(o, name)
    }


@pytest.mark.parametrize("name", VIEWS)
def test_other_condition_of_any_view_affects_all_its_readers(name: str) -> None:
    before, after = edited_own(name), edited_own(name, where=True)
    expected = {name}
    for sql_object in own():
        if sql_object.inputs & expected:
            expected.add(sql_object.name)
    for o in before:
        assert different(before[o], after[o]) == (set(before[o].columns) if o in expected else set())


@pytest.mark.parametrize("name", VIEWS)
def test_other_expression_affects_only_readers_that_name_the_column(name: str) -> None:
    columns = list(trace(own())[name].facts)
    column = columns[len(columns) // 2]
    before, after = edited_own(name), edited_own(name, {column: exp.null()})
    assert different(before[name], after[name]) >= {column}
    affected = {o for o in before if different(before[o], after[o])}
    for reader in own():
        if reader.name in affected and reader.inputs & affected == {name}:
            assert reader.statement.relation or re.search(rf"\b{column}\b|\*", reader.text), (column, reader.name)


def _sends(sink: str, name: str) -> bool:
    return next(o for o in own() if o.name == sink).statement.relation == name
