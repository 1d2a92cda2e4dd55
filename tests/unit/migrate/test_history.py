"""The sequence of revision files, the two branches, and the state at each revision."""

import shutil
from pathlib import Path

import pytest
from tests.unit.migrate.small_project import SmallProject

from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.engine.migrate.history import Branch, History, HistoryError, compare
from candlewave.engine.migrate.writer import write
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import render_objects

OWN = Config.model_validate({"indicators": {"rsi": 7}})


@pytest.fixture
def two(project: SmallProject) -> SmallProject:
    """Two revisions."""
    project.migration("initial")
    project.edit("scaled", "high *", "high / 2 *")
    project.migration("Halve: the scaled value!")
    return project


def files(project: SmallProject, branch: Branch = Branch.SHIPPED) -> list[str]:
    return [revision.path.name for revision in project.history.revisions[branch]]


def test_files_are_numbered_and_named_after_the_message(two: SmallProject) -> None:
    assert files(two) == ["0001_initial.py", "0002_halve_the_scaled_value.py"]
    assert two.history.head() == "0002"
    assert [r.id for r in two.history.line("0002")] == ["0001", "0002"]


def test_state_is_what_was_frozen_at_each_revision(two: SmallProject) -> None:
    assert "high * 14" in two.history.state("0001")["scaled"].text
    assert "high / 2 * 14" in two.history.state("0002")["scaled"].text
    rendered = {o.name: o.text for o in render_objects(Config(), two.root / "sql")}
    assert {name: o.text for name, o in two.history.state("0002").items()} == rendered
    assert "'${topic_prefix}scaled'" in two.history.state("0002")["scaled_sink"].text


def test_writing_again_gives_the_same_file(two: SmallProject) -> None:
    path = two.history.versions(Branch.SHIPPED) / "0002_halve_the_scaled_value.py"
    text = path.read_text()
    path.unlink()
    fresh = SmallProject.at(two.root)
    assert fresh.migration("Halve: the scaled value!").read_text() == text


def test_a_message_is_needed(project: SmallProject) -> None:
    with pytest.raises(HistoryError, match="needs a message"):
        project.migration("  ")


def test_text_with_quotes_and_backslashes_survives(project: SmallProject) -> None:
    strange = r"""CREATE VIEW odd AS SELECT symbol, 'a\n"""
    strange += '""" ${topic_prefix} %(x)s' + "' AS label FROM trades"
    project.put("odd", strange, keys="symbol")
    project.migration('Strange """ text \\ here')
    rendered = next(o for o in render_objects(Config(), project.root / "sql") if o.name == "odd")
    assert project.history.state("0001")["odd"].text == rendered.text
    assert project.compare()[0].differences == []


def test_check_lists_what_differs(two: SmallProject) -> None:
    two.edit("minutes", "max(price)", "min(price)")
    two.remove("latest")
    two.put(
        "highs", "CREATE VIEW highs AS SELECT symbol, max(high) AS high FROM minutes GROUP BY symbol", keys="symbol"
    )
    (comparison,) = two.compare()
    assert comparison.differences == [
        "highs: not in revision 0002",
        "latest: no longer in sql/",
        "minutes: differs from revision 0002",
    ]


def test_changed_candlewave_toml_is_detected(two: SmallProject) -> None:
    shipped, own = two.compare(OWN)
    assert shipped.differences == []
    assert (own.branch, own.head) == (Branch.LOCAL, "0002")
    assert own.differences == ["scaled: differs from revision 0002"]
    assert [c.branch for c in two.compare(Config.model_validate({"indicators": {"cci": 7}}))] == [Branch.SHIPPED]


def test_own_branch_forks_from_the_shipped_head_and_then_stands_alone(two: SmallProject) -> None:
    two.migration("my period", OWN, Branch.LOCAL)
    assert files(two, Branch.LOCAL) == ["local_0001_my_period.py"]
    assert two.history.active is Branch.LOCAL
    assert [r.id for r in two.history.line("local_0001")] == ["0001", "0002", "local_0001"]
    assert [c.differences for c in two.compare(OWN)] == [[], []]
    assert two.history.scripts().get_revision("local@head").revision == "local_0001"

    two.edit("minutes", "max(price)", "min(price)")
    two.migration("a shipped change", OWN)
    assert two.history.head() == "local_0001"
    assert [c.differences for c in two.compare(OWN)] == [[], ["minutes: differs from revision local_0001"]]
    two.migration("candlewave 2", OWN, Branch.LOCAL)
    assert [r.id for r in two.history.line("local_0002")] == ["0001", "0002", "local_0001", "local_0002"]
    assert [c.differences for c in two.compare(OWN)] == [[], []]
    assert [c.differences for c in two.compare(Config())] == [[], ["scaled: differs from revision local_0002"]]


def test_own_branch_may_start_from_nothing(two: SmallProject) -> None:
    from candlewave.engine.migrate.revisions_plan import make_plan

    own = two.compare(OWN)[1]
    write(two.history, Branch.LOCAL, make_plan({}, own.rendered), "mine", down_revision=None)
    assert [r.id for r in two.history.line("local_0001")] == ["local_0001"]
    assert "high / 2 * 7" in two.history.state("local_0001")["scaled"].text


def _gap(versions: Path) -> None:
    text = (versions / "0002_halve_the_scaled_value.py").read_text()
    (versions / "0002_halve_the_scaled_value.py").unlink()
    (versions / "0004_late.py").write_text(text.replace("revision = '0002'", "revision = '0004'"))


def _duplicate(versions: Path) -> None:
    shutil.copy(versions / "0002_halve_the_scaled_value.py", versions / "0002_other.py")


def _second_head(versions: Path) -> None:
    text = (versions / "0002_halve_the_scaled_value.py").read_text()
    (versions / "0003_side.py").write_text(text.replace("revision = '0002'", "revision = '0003'"))


def _wrong_name(versions: Path) -> None:
    shutil.copy(versions / "0002_halve_the_scaled_value.py", versions / "third.py")


def _wrong_number(versions: Path) -> None:
    shutil.copy(versions / "0002_halve_the_scaled_value.py", versions / "0003_third.py")


def _wrong_folder(versions: Path) -> None:
    text = (versions / "0001_initial.py").read_text()
    (versions / "local" / "0001_mine.py").write_text(text)


def _unknown_fork(versions: Path) -> None:
    text = (
        (versions / "0002_halve_the_scaled_value.py")
        .read_text()
        .replace("revision = '0002'", "revision = 'local_0001'")
    )
    (versions / "local" / "local_0001_mine.py").write_text(text.replace("= '0001'", "= '0009'"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_gap, "there is a gap: no revision 0002, but 0004"),
        (_duplicate, "number 0002 is used more than once: 0002_halve_the_scaled_value.py, 0002_other.py"),
        (_second_head, "0003_side.py: revises 0001, expected 0002, so there would be two heads"),
        (_wrong_name, "third.py: a revision's file is named"),
        (_wrong_number, "the file says revision '0002', its name '0003'"),
        (_wrong_folder, "0001_mine.py: does not belong into"),
        (_unknown_fork, "local_0001_mine.py: revises 0009, which is no shipped revision"),
    ],
)
def test_broken_sequence_is_reported(two: SmallProject, damage: object, message: str) -> None:
    damage(two.history.versions(Branch.SHIPPED))  # type: ignore[operator]
    with pytest.raises(HistoryError) as error:
        compare(History(two.root), Config())
    assert message in str(error.value)


def test_shipped_toml_says_what_the_built_in_defaults_say() -> None:
    """The shipped branch is rendered with the defaults; the shipped file must not make a user's branch of it."""
    root = project_root() / "sql"
    defaults = {o.name: fingerprint(o) for o in render_objects(Config(), root)}
    shipped = {o.name: fingerprint(o) for o in render_objects(load_config(project_root() / "candlewave.toml"), root)}
    assert shipped == defaults
