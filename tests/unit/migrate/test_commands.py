"""The commands that need no engine: plan, migration, check, and migrate --sql."""

from collections.abc import Iterator

import pytest
import typer
from tests.unit.migrate.small_project import SmallProject
from typer.testing import CliRunner

from candlewave.cli import migrate
from candlewave.core.config import load_config
from candlewave.core.settings import get_settings
from candlewave.engine.migrate.history import Branch


class Commands:
    """Runs the commands in the small project."""

    def __init__(self, project: SmallProject) -> None:
        self.project = project
        self._app = typer.Typer()
        migrate.register(self._app)

    def __call__(self, *arguments: str, answer: str = "", code: int = 0) -> str:
        result = CliRunner().invoke(self._app, arguments, input=answer, env={"COLUMNS": "200"})
        assert result.exit_code == code, result.output
        return result.output

    def files(self, branch: Branch = Branch.SHIPPED) -> list[str]:
        """Return the names of a branch's revision files."""
        return sorted(path.name for path in self.project.history.versions(branch).glob("*0*.py"))


@pytest.fixture
def commands(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands on a project without revisions, an engine or a configuration of the user's own."""
    monkeypatch.setattr("candlewave.engine.migrate.history.project_root", lambda: project.root)
    monkeypatch.setattr("candlewave.core.config.project_root", lambda: project.root)
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(project.root / "data"))
    for name in ("CANDLEWAVE_CONFIG", "RISINGWAVE_URL"):
        monkeypatch.delenv(name, raising=False)
    (project.root / "candlewave.toml").write_text("")
    get_settings.cache_clear()
    yield Commands(project)
    get_settings.cache_clear()


def test_check_fails_until_a_revision_is_written(commands: Commands) -> None:
    assert "minutes: not in any revision" in commands("check", code=1)
    output = commands("migration", "-m", "first things", "--yes")
    assert "6 created" in output
    assert commands.files() == ["0001_first_things.py"]
    assert "6 objects" in commands("check")
    assert "Nothing to write" in commands("migration", "-m", "again", "--yes")


def test_nothing_is_written_without_a_yes(commands: Commands) -> None:
    assert "Write this revision?" in commands("migration", "-m", "first things", answer="n\n", code=1)
    assert commands.files() == []
    commands("migration", "-m", "first things", answer="y\n")
    assert commands.files() == ["0001_first_things.py"]


def test_plan_names_what_is_rebuilt_and_sent_again(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    commands.project.edit("scaled", "high *", "high / 2 *")
    output = commands("plan")
    assert [line.split()[0] for line in output.splitlines() if "rebuilt " in line] == ["rebuilt"] * 3
    assert "every row is sent again" in output
    assert "No engine is running" in output


def test_what_needs_no_engine_may_know_a_broker_alone(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at SQL for the real stack need not have the stack."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    commands("migration", "-m", "first things", "--yes")
    assert "6 objects" in commands("check")
    assert "No engine is running" in commands("plan")
    commands("migrate", code=1)


def test_edited_candlewave_toml_becomes_the_users_branch(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    (commands.project.root / "candlewave.toml").write_text("[indicators]\nrsi = 7\n")
    assert "scaled: differs from revision 0001" in commands("check", code=1)
    commands("migration", "-m", "my period", "--yes")
    assert commands.files() == ["0001_first_things.py"]
    assert commands.files(Branch.LOCAL) == ["local_0001_my_period.py"]
    assert "revision local_0001 (your own branch)" in commands("check")


def test_change_of_sql_and_of_the_users_branch_are_two_revisions(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    (commands.project.root / "candlewave.toml").write_text("[indicators]\nrsi = 7\n")
    commands("migration", "-m", "my period", "--yes")
    commands.project.edit("minutes", "max(price)", "min(price)")
    commands("migration", "-m", "lows", "--yes")
    assert commands.files() == ["0001_first_things.py", "0002_lows.py"]
    assert commands.files(Branch.LOCAL) == ["local_0001_my_period.py", "local_0002_lows.py"]
    commands("check")


def test_rebuild_from_expiring_trades_is_refused_without_refill(commands: Commands) -> None:
    (commands.project.root / "candlewave.toml").write_text("[retention]\ntrades = '1 day'\n[indicators]\nrsi = 7\n")
    assert load_config().retention.trades_seconds == 86400
    commands("migration", "-m", "first things", "--yes")
    commands.project.edit("minutes", "max(price)", "min(price)")
    output = commands("migration", "-m", "lows", "--yes", code=1)
    assert "would compute minutes again from trades" in output
    commands("migration", "-m", "lows", "--yes", "--refill")


def test_refused_change_of_a_table_is_explained(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    commands.project.edit("trades", "    price DOUBLE PRECISION,\n", "")
    output = commands("migration", "-m", "no price", "--yes", code=1)
    assert "error: trades: column price is gone" in output
    assert "--new-database" in output
    assert commands.files() == ["0001_first_things.py"]


def test_branch_for_a_new_database_starts_from_nothing(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    (commands.project.root / "candlewave.toml").write_text("[indicators]\nrsi = 7\n")
    commands("migration", "-m", "all mine", "--yes", "--new-database")
    assert [r.id for r in commands.project.history.line("local_0001")] == ["local_0001"]
    assert "revision local_0001 (your own branch)" in commands("check")
    assert "has revisions already" in commands("migration", "-m", "again", "--yes", "--new-database", code=1)


def test_sql_is_printed_without_an_engine(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    output = commands("migrate", "--sql")
    assert "CREATE MATERIALIZED VIEW minutes" in output
    assert "${topic_prefix}" in output
    assert "run `candlewave up`" in commands("migrate", code=1)


def test_history_lists_revisions_with_their_messages(commands: Commands) -> None:
    assert "There is no revision yet" in commands("migrate", "history")
    commands("migration", "-m", "first things", "--yes")
    commands.project.edit("minutes", "max(price)", "min(price)")
    commands("migration", "-m", "lows", "--yes")
    lines = [line for line in commands("migrate", "history").splitlines() if "000" in line]
    assert ["first things" in lines[0], "lows" in lines[1]] == [True, True]


def test_broken_sequence_fails_check(commands: Commands) -> None:
    commands("migration", "-m", "first things", "--yes")
    versions = commands.project.history.versions(Branch.SHIPPED)
    (versions / "0003_gap.py").write_text("revision = '0003'\ndown_revision = '0001'\n")
    assert "there is a gap: no revision 0002" in commands("check", code=1)
