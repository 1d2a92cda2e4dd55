"""`candlewave init` and `candlewave new`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from candlewave.cli import app
from candlewave.core.config import Config, load_config
from candlewave.core.paths import own_root, sql_folders
from candlewave.sqlproject.catalog.features import FeatureCatalog
from candlewave.sqlproject.lint import lint

runner = CliRunner()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["init", "my-desk"])
    assert result.exit_code == 0, result.output
    monkeypatch.chdir(tmp_path / "my-desk")
    return tmp_path / "my-desk"


def test_init_makes_a_project_with_candlewaves_configuration(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_root() == desk
    own = load_config()
    assert own.project is not None
    assert own.project.name == "my-desk"
    monkeypatch.chdir(desk.parent)
    assert own.model_copy(update={"project": None}) == load_config()
    again = runner.invoke(app, ["init", "my-desk"])
    assert (again.exit_code, "exists and is not an empty folder" in again.output) == (1, True)


@pytest.mark.parametrize("arguments", [["view", "spread"], ["indicator", "range_7", "--bars", "7"]])
def test_what_new_writes_holds_all_rules_but_for_its_golden_case(desk: Path, arguments: list[str]) -> None:
    result = runner.invoke(app, ["new", *arguments])
    name = arguments[1]
    assert result.exit_code == 0, result.output
    assert f"candlewave golden {name}" in result.output
    assert (desk / "golden" / name / "first" / "01-expected.csv").is_file()
    assert lint(load_config(), *sql_folders()) == []


def test_new_refuses_names_that_are_taken_or_none(desk: Path) -> None:
    for name, problem in (("candles", "candlewave has an object candles"), ("Range-7", "not a name for a view")):
        result = runner.invoke(app, ["new", "view", name])
        assert (result.exit_code, problem in result.output) == (1, True), result.output
    assert runner.invoke(app, ["new", "view", "spread"]).exit_code == 0
    again = runner.invoke(app, ["new", "indicator", "spread"])
    assert "your project has an object spread already (sql/views/spread.sql.j2)" in again.output
    assert [path.name for path in (desk / "golden").iterdir() if path.is_dir()] == ["spread"]


def test_a_new_feature_is_an_entry_that_models_get(desk: Path) -> None:
    given = ["--sql", "(close - ema_12) / nullif(atr_14, 0)", "--range=-20..20", "--neutral", "0", "--longer"]
    result = runner.invoke(app, ["new", "feature", "trend", *given])
    assert result.exit_code == 0, result.output
    before = {feature.name for feature in FeatureCatalog(Config()).columns}
    made = {feature.name: feature for feature in FeatureCatalog(load_config()).columns}
    assert {"trend_1m", "trend_5m", "trend_15m", "trend_1h"} < made.keys() - before
    assert (made["trend_1m"].needs, made["trend_1m"].neutral, made["trend_1m"].range) == (42, 0, "-20 to 20")
    assert lint(load_config(), *sql_folders()) == []
    assert (desk / "golden" / "bar_features" / "trend" / "01-expected.csv").is_file()


@pytest.mark.parametrize(
    ("name", "sql", "problem"),
    [
        ("body", "close / nullif(open, 0)", "body: there is such a column already"),
        ("ahead", "lead(close) over (partition by symbol order by open_time)", "looks further than one bar"),
        ("mean", "avg(close)", "looks further than one bar"),
        ("hidden", "(SELECT max(close) FROM candles)", "looks further than one bar"),
        ("two", "open, close", "is not one expression"),
        ("all", "close FROM candles", "is not one expression"),
        ("unknown", "close / nullif(vwap_7, 0)", "reads vwap_7, which is neither"),
        ("broken", "close / (", "cannot be read"),
    ],
)
def test_a_feature_that_is_more_than_a_number_of_a_bar_is_refused(
    desk: Path, name: str, sql: str, problem: str
) -> None:
    before = (desk / "candlewave.toml").read_text()
    result = runner.invoke(app, ["new", "feature", name, "--sql", sql])
    assert (result.exit_code, problem in result.output) == (1, True), result.output
    assert (desk / "candlewave.toml").read_text() == before
    assert not (desk / "golden" / "bar_features").exists()


@pytest.mark.parametrize(("sql", "code"), [("close", "CW027"), ("close / open", "CW013"), ("now()", "CW010")])
def test_lint_judges_features_as_ours(desk: Path, sql: str, code: str) -> None:
    with (desk / "candlewave.toml").open("a") as file:
        file.write(f'[[features.own]]\nname = "mine"\nsql = "{sql}"\nrange = "0..1"\n')
    assert code in {finding.code for finding in lint(load_config(), *sql_folders())}


def test_new_needs_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["new", "view", "spread"])
    assert (result.exit_code, "candlewave init" in result.output) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_what_candlewave_ships_is_not_rendered_from_a_project(desk: Path) -> None:
    assert own_root() == desk
    result = runner.invoke(app, ["render", "--write"])
    assert (result.exit_code, "candlewave's own" in result.output) == (1, True)
