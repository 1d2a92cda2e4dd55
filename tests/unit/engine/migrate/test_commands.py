"""The commands that need no engine: plan, check, migrate --sql, migrate history."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from tests.worlds.small_project import SmallProject
from typer.testing import CliRunner

from candlewave.cli import migrate, plan
from candlewave.cli.common import CommandGroup
from candlewave.core.settings import get_settings
from candlewave.engine.migrate.plan import Change, Mode, Plan
from candlewave.sqlproject.rendered import write_rendered


class Commands:
    """Runs the commands in the small project."""

    def __init__(self, project: SmallProject) -> None:
        self.project = project
        self._app = typer.Typer(cls=CommandGroup)
        migrate.register(self._app)

    def runs(self, engine: object) -> None:
        """Let an engine run."""
        self._app = typer.Typer(cls=CommandGroup)
        plan.register(self._app, lambda _console: engine)  # type: ignore[arg-type,return-value]
        get_settings().runtime_file.parent.mkdir(parents=True, exist_ok=True)
        get_settings().runtime_file.write_text("{}")

    def __call__(self, *arguments: str, answer: str = "", code: int = 0) -> str:
        result = CliRunner().invoke(self._app, arguments, input=answer, env={"COLUMNS": "200"})
        assert result.exit_code == code, result.output
        return result.output


@pytest.fixture
def commands(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands on the small project, without an engine or a configuration of the user's own."""
    monkeypatch.setattr("candlewave.engine.migrate.revisions.project_root", lambda: project.root)
    monkeypatch.setattr("candlewave.core.paths.project_root", lambda: project.root)
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(project.root / "data"))
    for name in ("CANDLEWAVE_CONFIG", "RISINGWAVE_URL"):
        monkeypatch.delenv(name, raising=False)
    (project.root / "candlewave.toml").write_text("")
    write_rendered(project.root / "sql")
    get_settings.cache_clear()
    yield Commands(project)
    get_settings.cache_clear()


def test_check_fails_until_a_revision_follows_the_tables(commands: Commands) -> None:
    commands("check")
    commands.project.edit("trades", "price DOUBLE PRECISION,", "price DOUBLE PRECISION,\n    venue VARCHAR,")
    assert "trades: differs between sql/ and the revisions" in commands("check", code=1)
    path = commands.project.revision("0002", 'add_column("trades", "venue", "VARCHAR")')
    assert "sql/rendered/trades.sql: run `make render`" in commands("check", code=1)
    write_rendered(commands.project.root / "sql")
    commands("check")
    commands.project.put("notes", "CREATE TABLE notes (id VARCHAR, PRIMARY KEY (id))", keys="id")
    assert "notes: in sql/, but no revision creates it" in commands("check", code=1)
    path.unlink()
    commands.project.remove("symbols")
    assert "symbols: created by the revisions, but no longer in sql/" in commands("check", code=1)


def test_plan_without_an_engine_compares_with_the_rendered_files(commands: Commands) -> None:
    output = commands("plan")
    assert "No engine is running" in output
    assert "From sql/rendered to sql/" in output
    assert "There is nothing to do." in output
    commands.project.edit("scaled", "AS value", "AS value, high - 1 AS lowered")
    output = commands("plan")
    assert re.search(r"changed +materialized view +scaled +its definition changed: adds lowered", output)
    assert re.search(r"rebuilt +view +latest +is created again on the new scaled", output)
    assert [line[0] for line in output.splitlines() if "* 14 AS value" in line] == ["-", "+"]
    assert "In total: 1 changed, 1 rebuilt." in output
    assert "Computes the rows of 1 materialized view again." in output
    assert "No sink sends a row again." in output
    assert "Alters no table." in output
    assert "AS value" not in commands("plan", "--no-diff")


def test_plan_follows_the_rules_of_the_engine_that_is_asked_for(commands: Commands) -> None:
    commands.project.edit("scaled", "AS value", "AS value, high - 1 AS lowered")
    assert "keeps reading the old scaled; nothing is sent again" in commands("plan", "--engine", "risingwave")
    assert "reads scaled, which is dropped first; every row is sent again" in commands("plan", "--in-place")


def test_plan_says_what_is_sent_again_and_what_is_altered(commands: Commands) -> None:
    commands.project.stage_changed()
    output = commands("plan")
    assert "Sends every row again: scaled_sink." in output
    assert "Alters tables: trades (venue)." in output
    assert re.search(r"removed +view +latest +no longer in sql/", output)


def test_plan_as_json_has_the_documented_keys(commands: Commands) -> None:
    commands.project.edit("scaled", "AS value", "AS value, high - 1 AS lowered")
    written = json.loads(commands("plan", "--json").partition("\n")[2])
    assert set(written) == {"from", "to", "champion_problem", "changes", "rebuilt", "space_bytes", "refill"}
    assert (written["from"], written["to"], written["rebuilt"]) == ("sql/rendered", "sql/", ["scaled"])
    assert set(written["changes"][0]) == set(Change.__dataclass_fields__)
    assert written["changes"][0]["added_columns"] == ["lowered"]


def test_two_configurations_are_compared(commands: Commands, tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text("")
    other.write_text("[indicators]\nrsi = 15\n")
    output = commands("plan", "--from", str(one), "--to", str(other))
    assert f"From {one} to {other}" in output
    assert re.search(r"changed +materialized view +scaled +its definition changed: other values in value", output)
    assert "There is nothing to do." in commands("plan", "--from", str(one), "--to", str(one))


def test_checkouts_and_folders_of_rendered_sql_are_compared(commands: Commands, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(commands.project.root, old)
    commands.project.edit("scaled", "high *", "high / 2 *")
    for path in (old, old / "sql", old / "sql" / "rendered"):
        assert "other values in value" in commands("plan", "--from", str(path))
        assert "There is nothing to do." in commands("plan", "--from", str(path), "--to", str(old))
    assert "is neither a candlewave.toml, nor" in commands("plan", "--from", str(tmp_path / "data"), code=1)


class Migrated:
    """An engine that says what it has."""

    def __init__(self, project: SmallProject) -> None:
        self._project = project
        self._recorded = project.recorded()

    def plan(self, mode: Mode = Mode.BESIDE) -> Plan:
        return self._project.plan(self._recorded, mode=mode)

    def upgrade(self, mode: Mode, confirm: Callable[[Plan], bool]) -> bool:
        return confirm(self.plan(mode))


def test_plan_and_check_ask_a_running_engine(project: SmallProject, commands: Commands) -> None:
    engine = Migrated(project)
    commands.runs(engine)
    assert "The engine has what sql/ declares." in commands("check")
    project.edit("minutes", "max(price)", "min(price)")
    output = commands("plan")
    assert "From engine to sql/" in output
    assert "other values in high (1 row, 1 s)" in output
    assert "Computes the rows of 2 materialized views again, about 2 rows, which took 2 s last time." in output
    assert "Needs about 2 bytes of extra space until the old ones are dropped." in output
    write_rendered(project.root / "sql")
    assert "scaled: to be rebuilt on the engine: reads minutes.high" in commands("check", code=1)


def test_migrate_shows_the_plan_with_or_without_changed_lines(
    project: SmallProject, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Migrated(project)
    monkeypatch.setattr(migrate, "_migrator", lambda _console, **_options: engine)
    project.edit("scaled", "AS value", "AS value, high - 1 AS lowered")
    assert "high - 1 AS lowered" in commands("migrate", "--yes")
    short = commands("migrate", "--yes", "--no-diff")
    assert "In total: 1 changed" in short
    assert "high - 1 AS lowered" not in short


def test_sql_is_printed_without_an_engine(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at the SQL of the real stack needs no stack."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    output = commands("migrate", "--sql")
    assert "CREATE MATERIALIZED VIEW minutes" in output
    assert "${topic_prefix}" in output
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS")
    get_settings.cache_clear()
    assert "run `candlewave up`" in commands("migrate", code=1)


def test_history_lists_revisions_with_their_descriptions(commands: Commands) -> None:
    commands.project.revision("0002", 'add_column("trades", "venue", "VARCHAR")')
    lines = [line for line in commands("migrate", "history").splitlines() if "Revision 000" in line]
    assert ["0001" in lines[0], "0002" in lines[1]] == [True, True]


@pytest.mark.parametrize(
    ("number", "down", "message"),
    [
        ("0003", "'0002'", "not in order"),
        ("0002", "None", "0001, 0002 are all the newest"),
        ("0001", "None", "0001, 0001 are all the newest"),
    ],
)
def test_broken_line_of_revisions_fails_check(commands: Commands, number: str, down: str, message: str) -> None:
    versions = commands.project.root / "migrations" / "versions"
    body = f"revision = {number!r}\ndown_revision = {down}\ndef upgrade():\n    pass\n"
    (versions / f"{number}_other.py").write_text(body)
    assert message in commands("check", code=1).replace("\n", " ")
