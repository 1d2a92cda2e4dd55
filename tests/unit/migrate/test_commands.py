"""The commands that need no engine: check, migrate --sql, migrate history."""

from collections.abc import Iterator

import pytest
import typer
from tests.unit.migrate.small_project import SmallProject
from typer.testing import CliRunner

from candlewave.cli import migrate
from candlewave.core.settings import get_settings


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


@pytest.fixture
def commands(project: SmallProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands on the small project, without an engine or a configuration of the user's own."""
    monkeypatch.setattr("candlewave.engine.migrate.revisions.project_root", lambda: project.root)
    monkeypatch.setattr("candlewave.core.config.project_root", lambda: project.root)
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(project.root / "data"))
    for name in ("CANDLEWAVE_CONFIG", "RISINGWAVE_URL"):
        monkeypatch.delenv(name, raising=False)
    (project.root / "candlewave.toml").write_text("")
    get_settings.cache_clear()
    yield Commands(project)
    get_settings.cache_clear()


def test_check_fails_until_a_revision_follows_the_tables(commands: Commands) -> None:
    commands("check")
    commands.project.edit("trades", "price DOUBLE PRECISION,", "price DOUBLE PRECISION,\n    venue VARCHAR,")
    assert "trades: differs between sql/ and the revisions" in commands("check", code=1)
    path = commands.project.revision("0002", 'add_column("trades", "venue", "VARCHAR")')
    commands("check")
    commands.project.put("notes", "CREATE TABLE notes (id VARCHAR, PRIMARY KEY (id))", keys="id")
    assert "notes: in sql/, but no revision creates it" in commands("check", code=1)
    path.unlink()
    commands.project.remove("symbols")
    assert "symbols: created by the revisions, but no longer in sql/" in commands("check", code=1)


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
