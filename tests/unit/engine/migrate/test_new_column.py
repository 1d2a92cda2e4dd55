"""A new column of `indicators`, as somebody would add it: how much there is to review, and what it costs to apply."""

import difflib
import shutil
from pathlib import Path

import pytest

from candlewave.core.paths import project_root
from candlewave.engine.migrate.plan import Action, Plan, Recorded, make_plan
from candlewave.engine.migrate.state import ordered
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import render_objects
from candlewave.sqlproject.rendered import CONFIG, read_rendered, write_rendered

TEMPLATE = "views/indicators/indicators.sql.j2"


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """The sql/ folder with the column, rendered."""
    root = tmp_path / "sql"
    shutil.copytree(project_root() / "sql", root)
    template = root / TEMPLATE
    text = template.read_text(encoding="utf-8")
    assert text.count("\n    obv,\n") == 1
    template.write_text(text.replace("\n    obv,\n", "\n    obv,\n    close - 1 AS demo_column,\n"), encoding="utf-8")
    write_rendered(root)
    return root


def plan(root: Path, *, by_name: bool) -> Plan:
    """Return the plan for an engine that has what sql/rendered has."""
    before = read_rendered()
    recorded = {name: Recorded(name, o.kind, fingerprint(o), o.text) for name, o in before.items()}
    return make_plan(recorded, ordered(render_objects(CONFIG, root)), readers_follow_names=by_name)


def test_the_difference_is_a_few_lines(edited: Path) -> None:
    changed = 0
    for path in sorted(p.relative_to(edited) for p in edited.rglob("*") if p.is_file()):
        before, after = (folder / path for folder in (project_root() / "sql", edited))
        lines = difflib.unified_diff(before.read_text().splitlines(), after.read_text().splitlines(), n=0, lineterm="")
        found = [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]
        assert not found or path.as_posix() in (TEMPLATE, "rendered/indicators.sql")
        changed += len(found)
    assert 2 <= changed <= 10


def test_the_embedded_engine_rebuilds_one_object_and_sends_nothing_again(edited: Path) -> None:
    made = plan(edited, by_name=True)
    (change,) = made.changes
    assert (change.name, change.action, change.added_columns) == ("indicators", Action.CHANGED, ("demo_column",))
    assert made.rebuilt == ("indicators",)
    assert not [c for c in made.changes if c.resends]


def test_risingwave_sends_nothing_again_either(edited: Path) -> None:
    made = plan(edited, by_name=False)
    assert {c.name: c.resends for c in made.changes if c.kind is Kind.SINK} == {"indicators_sink": False}
    assert {c.because_of for c in made.changes} == {()}
