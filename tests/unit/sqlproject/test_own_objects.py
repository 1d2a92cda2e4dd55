"""A project's own SQL on top of candlewave's: added and replaced objects in render, lint, plan and API."""

from pathlib import Path

import pytest

from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.engine.migrate.plan import Action, Plan, Recorded, make_plan
from candlewave.engine.migrate.state import ordered
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.lint import lint
from candlewave.sqlproject.render import RenderError, SqlObject, render_objects
from candlewave.sqlproject.served import OwnViews

SHIPPED = project_root() / "sql"
SPREAD = """\
-- spread: how far apart the extremes of a bar are.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends its row
-- columns:
--   spread: high less low
-- footprint:
--   candles by exchange, symbol, timeframe: open_time -> open_time [0, 0]
-- readers: predictions-api
CREATE MATERIALIZED VIEW spread AS
SELECT exchange, symbol, timeframe, open_time, high - low AS spread FROM candles
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The sql/ folder of a project with one view."""
    folder = tmp_path / "desk" / "sql"
    put(folder, "views/spread", SPREAD)
    return folder


def put(folder: Path, path: str, text: str) -> None:
    file = folder / f"{path}.sql.j2"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def shipped(name: str) -> str:
    """Return the template of one of candlewave's own."""
    [file] = SHIPPED.rglob(f"{name}.sql.j2")
    return file.read_text()


def rendered(*folders: Path) -> dict[str, SqlObject]:
    return {o.name: o for o in render_objects(load_config(), *folders)}


def plan(before: dict[str, SqlObject], after: dict[str, SqlObject]) -> Plan:
    recorded = {name: Recorded(name, o.kind, fingerprint(o), o.text) for name, o in before.items()}
    return make_plan(recorded, ordered(after.values()), readers_follow_names=True)


def test_own_objects_are_added_and_candlewaves_stay_as_they_are(own: Path) -> None:
    before, after = rendered(SHIPPED), rendered(SHIPPED, own)
    assert after.keys() - before.keys() == {"spread"}
    assert {name: after[name] for name in before} == before
    assert after["spread"].own
    [change] = plan(before, after).changes
    assert (change.name, change.action, change.reason) == ("spread", Action.ADDED, "new in sql/")


def test_lint_lets_own_objects_read_what_does_not_name_them(own: Path) -> None:
    assert lint(load_config(), SHIPPED, own) == []


def test_lint_checks_own_objects_and_names_their_files(own: Path) -> None:
    put(
        own,
        "views/spread",
        SPREAD.replace("high - low", "high / low").replace("-- readers: p", "-- readers: nobody, p"),
    )
    assert [str(finding).split(" spread: ")[0] for finding in lint(load_config(), SHIPPED, own)] == [
        "sql/views/spread.sql.j2:10: CW022",
        "sql/views/spread.sql.j2:12: CW013",
    ]


def test_a_file_of_the_same_name_replaces_and_the_plan_says_so(own: Path) -> None:
    text = shipped("signals")
    put(own, "signals", text.replace("adx >= 25", "adx >= 30"))
    before, after = rendered(SHIPPED), rendered(SHIPPED, own)
    assert "adx >= 30" in after["signals"].text
    assert lint(load_config(), SHIPPED, own) == []
    changes = {change.name: change for change in plan(before, after).changes}
    assert changes.keys() == {"signals", "spread"}
    assert changes["signals"].action is Action.CHANGED
    assert changes["signals"].reason.endswith("; replaces candlewave's own")
    back = plan(after, before)
    assert [(c.name, c.action, "replaces" in c.reason) for c in back.changes] == [
        ("signals", Action.CHANGED, False),
        ("spread", Action.REMOVED, False),
    ]


def test_own_macros_can_import_candlewaves_and_change_nothing_of_it(own: Path) -> None:
    put(own, "macros/common", "{% macro grace() %}INTERVAL '9 hours'{% endmacro %}")
    put(
        own,
        "macros/mine",
        "{% import 'macros/indicators.sql.j2' as ind %}{% macro rows() %}{{ ind.over_last(3) }}{% endmacro %}",
    )
    put(
        own, "views/spread",
        "{% import 'macros/mine.sql.j2' as mine %}\n"
        + SPREAD.replace("high - low", "max(high) {{ mine.rows() }}").replace("[0, 0]", "[0, +2 bars]"),
    )  # fmt: skip
    before, after = rendered(SHIPPED), rendered(SHIPPED, own)
    assert "ROWS BETWEEN 2 PRECEDING" in after["spread"].text
    assert {name: after[name].text for name in before} == {name: o.text for name, o in before.items()}


@pytest.mark.parametrize(
    ("path", "statement", "problem"),
    [
        ("notes", "CREATE TABLE notes (a INT PRIMARY KEY)", "sql/notes.sql.j2: a project declares views"),
        ("trades", "CREATE VIEW trades AS SELECT a FROM candles", "trades is a table of candlewave"),
    ],
)
def test_tables_are_candlewaves_alone(own: Path, path: str, statement: str, problem: str) -> None:
    header = SPREAD.split("-- columns")[0].replace("spread", path) + "-- readers: people\n"
    put(own, path, header + statement)
    with pytest.raises(RenderError, match=problem):
        render_objects(Config(), SHIPPED, own)


def test_the_api_is_given_what_names_it_as_a_reader(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own.parent / "candlewave.toml").write_text('[project]\nname = "desk"\n')
    monkeypatch.chdir(own)
    put(own, "quiet", SPREAD.replace("spread", "quiet").replace("predictions-api", "people"))
    views = OwnViews(load_config())
    [spread] = views.read().values()
    assert (spread.name, spread.event_time, spread.keys[0]) == ("spread", "open_time", "exchange")
    assert spread.columns["spread"] == "high less low"
    put(own, "broken", "SELECT")
    assert list(views.read()) == ["spread"]  # what is being written takes nothing away
    (own / "broken.sql.j2").unlink()
    (own / "views" / "spread.sql.j2").unlink()
    assert views.read() == {}
