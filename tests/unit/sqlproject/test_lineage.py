"""Which columns count as changed: never too few, and for the constructs in use no more than those that changed."""

import pytest

from candlewave.sqlproject.lineage import Lineage, trace
from candlewave.sqlproject.render import SqlObject, from_text

TABLE = (
    "-- t: rows.\n-- grain: x\n-- keys: k\n-- event time: none\n-- late data: x\n-- readers: x\n"
    "CREATE TABLE t (k BIGINT, ts TIMESTAMPTZ, a DOUBLE PRECISION, b DOUBLE PRECISION, PRIMARY KEY (k))"
)


def view(name: str, query: str, *, keys: str = "k", kind: str = "VIEW") -> SqlObject:
    header = f"-- {name}: rows.\n-- grain: x\n-- keys: {keys}\n-- event time: none\n-- late data: x\n-- readers: x\n"
    return from_text(f"{header}CREATE {kind} {name} AS\n{query}")


def differing(old: str, new: str) -> set[str]:
    """Return the columns of a view over t that count as changed, with the empty name for its rows."""
    before, after = (trace([from_text(TABLE), view("v", query)])["v"] for query in (old, new))
    assert before.unresolved is None
    assert after.unresolved is None
    return different(before, after)


def different(before: Lineage, after: Lineage) -> set[str]:
    return {c for c in before.columns.keys() | after.columns.keys() if before.columns.get(c) != after.columns.get(c)}


ALL = {"", "x", "y"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("SELECT a AS x, b AS y FROM t", "SELECT a AS x, b AS y, a - 1 AS z FROM t", {"z"}),
        ("SELECT a AS x, b AS y FROM t", "SELECT a + 1 AS x, b AS y FROM t", {"x"}),
        ("SELECT a AS x, b AS y FROM t", "SELECT b AS x, b AS y FROM t", {"x"}),
        ("SELECT a AS x, b AS y FROM t", "SELECT '1' AS x, b AS y FROM t", {"x"}),
        ("SELECT a AS x, b AS y FROM t", "SELECT a AS x, b AS y FROM t WHERE a > 1", ALL),
        ("SELECT a AS x, b AS y FROM t", "SELECT DISTINCT a AS x, b AS y FROM t", ALL),
        ("SELECT a AS x, b AS y FROM t", "SELECT DISTINCT ON (k) a AS x, b AS y FROM t", ALL),
        ("SELECT a AS x, b AS y FROM t", "SELECT a AS x, b AS y FROM t LIMIT 1", ALL),
        ("SELECT DISTINCT a AS x, b AS y FROM t", "SELECT DISTINCT a AS x, b AS y, k AS z FROM t", {*ALL, "z"}),
        ("SELECT a AS x, b AS y FROM t", "SELECT a AS x, b AS y, unnest(ARRAY[1, 2]) AS z FROM t", {*ALL, "z"}),
        ("SELECT a AS x, b AS y FROM t", "SELECT a AS x, b AS y, jsonb_each(a) AS z FROM t", {*ALL, "z"}),
        ("SELECT 1 AS x, 2 AS y FROM t", "SELECT 1 AS x, max(2) AS y FROM t", ALL),
        ("SELECT sum(a) AS x, max(b) AS y FROM t GROUP BY k", "SELECT sum(a) AS x, max(b) AS y FROM t GROUP BY a", ALL),
        (
            "SELECT a AS x, sum(b) OVER (PARTITION BY k ORDER BY ts) AS y FROM t",
            "SELECT a AS x, sum(b) OVER (PARTITION BY a ORDER BY ts) AS y FROM t",
            {"y"},
        ),
        (
            "SELECT a AS x, sum(b) OVER w AS y FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)",
            "SELECT a AS x, sum(b) OVER w AS y FROM t WINDOW w AS (PARTITION BY k ORDER BY a)",
            {"y"},
        ),
        (
            "SELECT a AS x, last_value(b IGNORE NULLS) OVER (PARTITION BY k ORDER BY ts) AS y FROM t",
            "SELECT a AS x, last_value(b) OVER (PARTITION BY k ORDER BY ts) AS y FROM t",
            ALL,  # sqlglot does not give IGNORE NULLS back, so nothing about the query is trusted
        ),
        (
            "WITH c AS (SELECT * FROM t) SELECT a AS x, b AS y FROM c",
            "WITH c AS (SELECT *, a * 2 AS d FROM t) SELECT a AS x, b AS y, d AS z FROM c",
            {"z"},
        ),
        (
            "WITH c AS (SELECT * FROM t) SELECT a AS x, b AS y FROM c",
            "WITH c AS (SELECT * FROM t WHERE b > 0) SELECT a AS x, b AS y FROM c",
            ALL,
        ),
        (
            "WITH c AS (SELECT a, b FROM t) SELECT a AS x, b AS y FROM c",
            "WITH c AS (SELECT b AS a, b FROM t) SELECT a AS x, b AS y FROM c",
            {"x"},
        ),
        (
            "WITH c AS (SELECT a, b FROM t) SELECT c.a AS x, c.b AS y FROM c",
            "WITH d AS (SELECT a, b FROM t) SELECT c.a AS x, c.b AS y FROM d AS c",
            set(),
        ),
        (
            "SELECT p.a AS x, q.b AS y FROM t AS p JOIN t AS q ON p.k = q.k",
            "SELECT q.a AS x, q.b AS y FROM t AS p JOIN t AS q ON p.k = q.k",
            {"x"},
        ),
        (
            "SELECT p.a AS x, q.b AS y FROM t AS p JOIN t AS q ON p.k = q.k",
            "SELECT p.a AS x, q.b AS y FROM t AS p LEFT JOIN t AS q ON p.k = q.k",
            ALL,
        ),
        (
            "SELECT p.a AS x, q.b AS y FROM t AS p JOIN t AS q ON p.k = q.k",
            "SELECT p.a AS x, q.b AS y FROM t AS p JOIN t AS q ON p.k = q.a",
            ALL,
        ),
        (
            "SELECT a AS x, b AS y FROM t UNION ALL SELECT a, b FROM t",
            "SELECT a AS x, b AS y FROM t UNION ALL SELECT a, k FROM t",
            {"y"},
        ),
        (
            "SELECT a AS x, b AS y FROM t UNION ALL SELECT a, b FROM t",
            "SELECT a AS x, b AS y FROM t UNION SELECT a, b FROM t",
            ALL,
        ),
        (
            "SELECT a AS x, b AS y FROM t UNION SELECT a, b FROM t",
            "SELECT a AS x, b AS y FROM t UNION SELECT a, k FROM t",
            ALL,
        ),
        (
            "SELECT a AS x, b AS y FROM t WHERE a < (SELECT max(a) FROM t)",
            "SELECT a AS x, b AS y FROM t WHERE a < (SELECT max(b) FROM t)",
            ALL,
        ),
        (
            "SELECT a AS x, (SELECT max(s.b) FROM t AS s WHERE s.k = o.k) AS y FROM t AS o",
            "SELECT a AS x, (SELECT max(s.b) FROM t AS s WHERE s.k = o.a) AS y FROM t AS o",
            {"y"},
        ),
        (
            "SELECT max(a) AS x, window_start AS y FROM TUMBLE(t, ts, INTERVAL '1 minute') GROUP BY window_start",
            "SELECT max(a) AS x, window_start AS y FROM TUMBLE(t, ts, INTERVAL '2 minutes') GROUP BY window_start",
            ALL,
        ),
        (
            "SELECT a AS x, b AS y FROM t EXCEPT SELECT a, b FROM t",
            "SELECT a AS x, b AS y FROM t EXCEPT ALL SELECT a, b FROM t",
            ALL,
        ),
        (
            "SELECT a AS x, max(b) OVER (PARTITION BY k) AS y FROM t",
            "SELECT a AS x, max(b) OVER (PARTITION BY k ORDER BY ts ROWS UNBOUNDED PRECEDING) AS y FROM t",
            {"y"},
        ),
        (
            "WITH c AS (SELECT a, b FROM t) SELECT count(*) AS x, max(ROW(c.*)) AS y FROM c",
            "WITH c AS (SELECT a, b + 1 AS b FROM t) SELECT count(*) AS x, max(ROW(c.*)) AS y FROM c",
            {"y"},
        ),
        ("SELECT a AS x, b AS y FROM t", "SELECT a AS x, -- the first\n  b AS y FROM t AS t", set()),
        ("SELECT a AS x, 'A' AS y FROM t", "SELECT A AS X, 'a' AS y FROM t", {"y"}),
    ],
)
def test_columns_that_count_as_changed(old: str, new: str, expected: set[str]) -> None:
    assert differing(old, new) == expected


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT a AS x FROM t JOIN LATERAL (SELECT 1) AS l ON true", "FROM"),
        ("SELECT a AS x FROM t, generate_series(1, 2) AS g", "FROM"),
        ("SELECT k AS x FROM t AS p JOIN t AS q ON p.k = q.k", "column k is in several inputs"),
        ("SELECT missing AS x FROM t", "no input has the column missing"),
        ("SELECT t.missing AS x FROM t", "t has no column missing"),
        ("SELECT a AS x FROM unknown_table", "what unknown_table was made from is not known"),
        ("SELECT a AS x, b AS x FROM t", "two columns are named x"),
        ("SELECT a AS x FROM t UNION ALL SELECT a, b FROM t", "different numbers of columns"),
        ("SELECT p.a AS x FROM t AS p NATURAL JOIN t AS q", "NATURAL JOIN"),
        ("SELECT p AS x FROM t AS p", "no input has the column p"),
        ("WITH c (m, n) AS (SELECT a FROM t) SELECT m AS x FROM c", "more names than columns: m, n"),
        ("WITH RECURSIVE c AS (SELECT 1 AS n) SELECT n AS x FROM c", "WITH RECURSIVE"),
    ],
)
def test_what_cannot_be_resolved_depends_on_every_column(query: str, reason: str) -> None:
    before = trace([from_text(TABLE), view("v", query)])["v"]
    assert reason in str(before.unresolved)
    after = trace([from_text(TABLE.replace("b DOUBLE", "b NUMERIC, c DOUBLE")), view("v", query)])["v"]
    assert "x" in before.columns
    if "t" in {name for name, _ in before.reads}:
        assert different(before, after) == set(before.columns)


def test_reader_of_an_object_whose_text_is_unknown_is_unresolved() -> None:
    reader = view("v", "SELECT x FROM u")
    one, same, other = (trace([reader], {"u": sha})["v"] for sha in ("1", "1", "2"))
    assert one.unresolved == "what u was made from is not known"
    assert one.columns == same.columns
    assert different(one, other) == {"", "x"}


@pytest.mark.parametrize("change", ["k, x", "k"])
def test_header_of_a_materialized_view_counts(change: str) -> None:
    old = view("v", "SELECT k, a AS x FROM t", kind="MATERIALIZED VIEW", keys="k")
    new = view("v", "SELECT k, a AS x FROM t", kind="MATERIALIZED VIEW", keys=change)
    before, after = (trace([from_text(TABLE), o])["v"] for o in (old, new))
    assert different(before, after) == ({"", "k", "x"} if change != "k" else set())
