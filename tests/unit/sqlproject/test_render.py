"""Rendering of templates: order, errors, and what is read back."""

from pathlib import Path

import pytest

from candlewave.core.config import CandlesConfig, Config, load_config
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import RenderError, downstream, relations, render_objects

HEADER = """-- {name}: a test object.
-- grain: one row per a
-- keys: a
-- event time: none
-- late data: none
-- readers: people
"""


def write(folder: Path, path: str, body: str) -> None:
    target = folder / f"{path}.sql.j2"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(HEADER.format(name=target.name.removesuffix(".sql.j2")) + body)


def names(folder: Path) -> list[str]:
    return [o.name for o in render_objects(Config(), folder)]


def test_objects_follow_what_they_read(tmp_path: Path) -> None:
    write(tmp_path, "views/a", "CREATE MATERIALIZED VIEW a AS SELECT a FROM TUMBLE(z, t, INTERVAL '1 minute')")
    write(tmp_path, "views/b", "CREATE VIEW b AS WITH y AS (SELECT a FROM a) SELECT a FROM y JOIN c ON y.a = c.a")
    write(tmp_path, "views/c", "CREATE VIEW c AS SELECT a FROM z WHERE a > (SELECT a FROM a)")
    write(tmp_path, "sinks/d", "CREATE SINK d FROM c WITH (connector = 'kafka', topic = 'd')")
    write(tmp_path, "sources/z", "CREATE TABLE z (a INT PRIMARY KEY)")
    assert names(tmp_path) == ["z", "a", "c", "b", "d"]


def test_downstream_is_transitive(tmp_path: Path) -> None:
    write(tmp_path, "z", "CREATE TABLE z (a INT PRIMARY KEY)")
    write(tmp_path, "y", "CREATE VIEW y AS SELECT a FROM z")
    write(tmp_path, "x", "CREATE VIEW x AS SELECT a FROM y")
    write(tmp_path, "other", "CREATE TABLE other (a INT PRIMARY KEY)")
    assert downstream(render_objects(Config(), tmp_path), {"y"}) == {"y", "x"}


def test_own_ctes_are_no_inputs() -> None:
    assert relations(
        "WITH t AS (SELECT a FROM base) SELECT a FROM HOP(t, a, INTERVAL '1 minute', INTERVAL '5 minutes')"
    ) == {"base"}


def test_shipped_objects_are_there_in_order() -> None:
    objects = render_objects(load_config())
    seen: set[str] = set()
    for o in objects:
        assert o.inputs <= seen, o.name
        seen.add(o.name)
    assert {"trades", "market_clock", "candles_1m", "candles", "indicators", "candles_sink", "dead_letters"} <= seen
    assert next(o for o in objects if o.name == "trades").kind is Kind.TABLE
    assert next(o for o in objects if o.name == "candles").layer == "views/ohlc"


def test_timeframes_and_retention_come_from_the_configuration() -> None:
    def text(config: Config, name: str) -> str:
        return next(o.text for o in render_objects(config) if o.name == name)

    longer = Config(candles=CandlesConfig(timeframes=["1m", "4h"]))
    assert "'4h' AS timeframe" in text(longer, "candles")
    assert "'5m' AS timeframe" not in text(longer, "candles")
    assert "retention_seconds" not in text(Config(), "trades")
    keeping = Config.model_validate({"retention": {"trades": "2 days"}})
    assert "retention_seconds = 172800" in text(keeping, "trades")


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("views/a", "CREATE VIEW b AS SELECT a FROM z", "sql/views/a.sql.j2: makes b, the file name says a"),
        ("views/a", "CREATE VIEW a AS SELECT {{ missing }} AS a", "sql/views/a.sql.j2: 'missing' is undefined"),
        ("views/a", "CREATE VIEW a AS SELECT a FROM", "cannot read query"),
        ("views/a", "DROP VIEW a", "sql/views/a.sql.j2: line 1: found 'DROP', expected CREATE"),
    ],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, path: str, body: str, message: str) -> None:
    write(tmp_path, path, body)
    with pytest.raises(RenderError, match=message):
        render_objects(Config(), tmp_path)


def test_a_header_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.sql.j2").write_text("CREATE VIEW a AS SELECT 1 AS a")
    with pytest.raises(RenderError, match=r"sql/a\.sql\.j2: a: the first line must be"):
        render_objects(Config(), tmp_path)


def test_a_name_made_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "sources/a", "CREATE TABLE a (a INT PRIMARY KEY)")
    write(tmp_path, "views/a", "CREATE VIEW a AS SELECT 1 AS a")
    with pytest.raises(RenderError, match=r"views/a\.sql\.j2: a is also made by sources/a"):
        render_objects(Config(), tmp_path)


def test_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a", "CREATE VIEW a AS SELECT a FROM b")
    write(tmp_path, "b", "CREATE VIEW b AS SELECT a FROM a")
    with pytest.raises(RenderError, match="objects read each other in a circle"):
        render_objects(Config(), tmp_path)
