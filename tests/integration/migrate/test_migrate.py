"""Revisions on an engine: from nothing, from one project state to another, back, and after interruptions."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.integration.migrate.conftest import TRADE, Engine
from tests.unit.migrate.small_project import SmallProject

from candlewave.core.config import Config
from candlewave.core.paths import project_root
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.head import head_matches
from candlewave.engine.migrate.targets import EmbeddedTarget, Record, RisingWaveTarget, Target
from candlewave.sqlproject.ddl import Kind


class Interrupted(BaseException):
    """Stands for a killed process: nothing handles it."""


class Fuse:
    """Lets so many statements pass, then blows before or after the next."""

    def __init__(self, statements: int, after: bool) -> None:
        self.left = statements
        self.after = after
        self.passed = 0

    def burn(self, statement: Callable[..., None], *arguments: object) -> None:
        if self.left == 0 and not self.after:
            raise Interrupted
        statement(*arguments)
        self.passed += 1
        if self.left == 0:
            raise Interrupted
        self.left -= 1


def fused(engine: Engine, fuse: Fuse) -> Callable[[psycopg.Connection], Target]:
    """Return a maker of targets whose every write goes through the fuse."""
    target = RisingWaveTarget if engine.risingwave else EmbeddedTarget

    class Fused(target):  # type: ignore[misc, valid-type]
        def create(self, text: str) -> None:
            fuse.burn(super().create, text)

        def drop(self, kind: object, name: str) -> None:
            fuse.burn(super().drop, kind, name)

        def add_column(self, name: str, column: object) -> None:
            fuse.burn(super().add_column, name, column)

        def note(self, record: Record) -> None:
            fuse.burn(super().note, record)

        def forget(self, name: str) -> None:
            fuse.burn(super().forget, name)

    return Fused


def count_statements(engine: Engine, project: SmallProject) -> int:
    """Return how many writes an uninterrupted upgrade makes."""
    fuse = Fuse(10_000, after=False)
    engine.migrator(project, make_target=fused(engine, fuse)).upgrade()
    return fuse.passed


def test_initial_revision_makes_everything(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial, Config.model_validate({"exchanges": {"kraken": {"symbols": ["BTC/USD"]}}})).upgrade()
    with engine.target() as target:
        records = target.records()
        kinds = {name: str(kind) for name, kind in target.existing().items()}
    assert {r.state for r in records.values()} == {"ready"}
    assert {r.revision for r in records.values()} == {"0001"}
    assert kinds.items() >= {
        "trades": "table", "symbols": "table", "minutes": "materialized view", "scaled": "materialized view",
        "latest": "view", "scaled_sink": "sink",
    }.items()  # fmt: skip
    assert engine.rows("SELECT * FROM symbols") == [("kraken", "BTC/USD", "BTC", "USD")]


def test_second_run_does_nothing(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    before = engine.picture()
    engine.journal.steps.clear()
    engine.migrator(initial).upgrade()
    assert engine.journal.steps == []
    assert engine.picture() == before


def test_changed_stage_rebuilds_downstream_only_and_keeps_rows(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10), TRADE.format("2", "02", 12))
    engine.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES ('x', 'A', 'A', 'B')")
    initial.stage_changed()
    engine.journal.steps.clear()
    engine.migrator(initial).upgrade()
    assert engine.journal.steps == [
        "drop sink scaled_sink", "drop view latest", "drop materialized view scaled",
        "alter table trades: add venue",
        "create table notes", "create materialized view scaled", "create view highs", "create sink scaled_sink",
    ]  # fmt: skip
    assert engine.rows("SELECT trade_id, venue FROM trades") == [("1", None), ("2", None)]
    assert engine.rows("SELECT symbol FROM symbols") == [("A",)]
    assert engine.rows("SELECT value FROM scaled") == [(12 / 2 * 14,)]
    with engine.target() as target:
        assert "latest" not in target.existing()
        assert target.records()["minutes"].revision == "0001"
        assert target.records()["scaled"].revision == "0002"


def test_downgrade_returns_to_the_initial_stage(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    before = engine.picture()
    initial.stage_changed()
    engine.migrator(initial).upgrade()
    engine.migrator(initial).downgrade("0001")
    picture = engine.picture()
    assert picture["rows"] == before["rows"]
    assert picture["revision"] == [("0001",)]
    assert engine.rows("SELECT trade_id, venue FROM trades") == [("1", None)], "the column stays"
    with engine.target() as target:
        assert "notes" in target.existing(), "a table stays"
    engine.migrator(initial).upgrade()
    assert engine.rows("SELECT version_num FROM alembic_version") == [("0002",)]


def test_downgrade_to_base_keeps_tables_unless_told(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    engine.migrator(initial).downgrade("base")
    with engine.target() as target:
        assert set(target.existing()) >= {"trades", "symbols"}
        assert not set(target.existing()) & {"minutes", "scaled", "latest", "scaled_sink"}
    engine.migrator(initial).upgrade()
    assert engine.rows("SELECT value FROM scaled") == [(140,)]
    engine.migrator(initial, drop_stores=True).downgrade("base")
    with engine.target() as target:
        assert not set(target.existing()) & {"trades", "symbols", "minutes"}
        assert target.records() == {}
    assert engine.migrator(initial).current() is None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stage", ["initial", "changed"])
def test_interrupted_at_every_statement_goes_on_to_the_same_end(
    engine: Engine, initial: SmallProject, stage: str, after: bool
) -> None:
    def reset() -> None:
        engine.migrator(initial, drop_stores=True).downgrade("base")

    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    if stage == "changed":
        initial.stage_changed()
    else:
        reset()
    start_over = reset if stage == "initial" else lambda: engine.migrator(initial).downgrade("0001")
    total = count_statements(engine, initial)
    expected = engine.picture()
    assert total > 10
    for statements in range(0, total, 7 if engine.risingwave else 1):
        start_over()
        if stage == "changed":
            start_stage_again(engine)
        fuse = Fuse(statements, after)
        with pytest.raises(Interrupted):
            engine.migrator(initial, make_target=fused(engine, fuse)).upgrade()
        engine.migrator(initial).upgrade()
        assert engine.picture() == expected, f"interrupted {'after' if after else 'before'} statement {statements + 1}"


def start_stage_again(engine: Engine) -> None:
    """Take away what a downgrade leaves, so that the next upgrade has the column to add and the table to make."""
    with engine.target() as target:
        target.drop(Kind.TABLE, "notes")
        target.forget("notes")
    engine.execute("ALTER TABLE trades DROP COLUMN venue")


def test_upgrade_stops_where_it_is_told_and_does_not_go_back(engine: Engine, initial: SmallProject) -> None:
    initial.stage_changed()
    engine.migrator(initial).upgrade("0001")
    assert engine.migrator(initial).status() == ("0001", ["0002"], [])
    with engine.target() as target:
        assert "highs" not in target.existing()
    engine.migrator(initial).upgrade()
    with pytest.raises(MigrationError, match="beyond 0001: use `candlewave migrate downgrade 0001`"):
        engine.migrator(initial).upgrade("0001")
    with pytest.raises(MigrationError, match="there is no revision 0007"):
        engine.migrator(initial).upgrade("0007")


def test_symbols_of_the_configuration_are_written_over(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial, Config.model_validate({"exchanges": {"kraken": {"symbols": ["BTC/USD"]}}})).upgrade()
    engine.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES ('kraken', 'BTC/USD', 'XBT', 'USD')")
    both = Config.model_validate({"exchanges": {"kraken": {"symbols": ["BTC/USD", "ETH/USD"]}}})
    engine.migrator(initial, both).upgrade()
    assert engine.rows("SELECT * FROM symbols") == [
        ("kraken", "BTC/USD", "BTC", "USD"),
        ("kraken", "ETH/USD", "ETH", "USD"),
    ]


def test_script_is_the_sql_of_every_revision_with_parameters_left_in(engine: Engine, initial: SmallProject) -> None:
    initial.stage_changed()
    script = engine.migrator(initial).script()
    assert script.index("CREATE TABLE trades") < script.index("CREATE MATERIALIZED VIEW minutes")
    assert script.index("DROP SINK scaled_sink;") < script.index("high / 2 * 14")
    assert 'ALTER TABLE trades ADD COLUMN "venue" VARCHAR;' in script
    assert "topic = '${topic_prefix}scaled'" in script
    assert "UPDATE alembic_version SET version_num='0002'" in script


def test_what_was_made_just_before_the_interruption_is_kept(engine: Engine, initial: SmallProject) -> None:
    """A view may have taken hours to fill; a crash between CREATE and its record must not throw it away."""

    class Killed(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
        def create(self, text: str) -> None:
            super().create(text)
            if "VIEW minutes" in text:
                raise Interrupted

    with pytest.raises(Interrupted):
        engine.migrator(initial, make_target=Killed).upgrade()
    with engine.target() as target:
        assert target.records()["minutes"].state == "creating"
    with engine.connect() as conn:
        assert head_matches(conn, ["minutes", "trades"], initial.history) == [
            "minutes: a migration broke off while it was made"
        ]
    made = engine.identity("minutes", "trades")
    engine.migrator(initial).upgrade()
    assert engine.identity("minutes", "trades") == made


def test_killed_process_leaves_no_lock_and_the_next_run_completes(
    engine: Engine, initial: SmallProject, tmp_path: Path
) -> None:
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    with engine.connect() as conn:
        url = make_conninfo(conn.info.dsn, password=conn.info.password or None)
    command = [sys.executable, str(program), url, str(initial.root), str(engine.risingwave)]
    environment = {**os.environ, "PYTHONPATH": str(project_root())}
    killed = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with engine.target() as target:
        assert "minutes" in target.existing()
        assert "scaled" not in target.existing()
    wait = 300.0 if engine.risingwave else 60.0
    engine.migrator(initial, wait_seconds=wait).upgrade()
    assert engine.migrator(initial).status() == ("0001", [], [])


KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from candlewave.core.config import Config
from candlewave.engine.connect import connect_url
from candlewave.engine.migrate.history import History
from candlewave.engine.migrate.migrator import Migrator
from candlewave.engine.migrate.targets import EmbeddedTarget, RisingWaveTarget
from tests.integration.migrate.conftest import Journal, fill

url, root, risingwave = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "True"

class Killed(RisingWaveTarget if risingwave else EmbeddedTarget):
    def create(self, text):
        if "VIEW scaled" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        super().create(text)

Migrator(History(root), Config(), lambda: connect_url(url), risingwave, fill, Journal(), make_target=Killed).upgrade()
"""
