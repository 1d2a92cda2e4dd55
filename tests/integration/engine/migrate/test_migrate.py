"""Migrations on an engine: from nothing, from one project state to another, back, and after interruptions."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.integration.engine.migrate.conftest import TRADE, Engine
from tests.worlds.small_project import SmallProject

from candlewave import __version__
from candlewave.core.config import Config
from candlewave.core.paths import project_root
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.check import deviations
from candlewave.engine.migrate.plan import Mode
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.targets import EmbeddedTarget, Record, Target


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
    upgrade(engine, project, make_target=fused(engine, fuse))
    return fuse.passed


def upgrade(engine: Engine, project: SmallProject, **options: object) -> None:
    engine.migrator(project, **options).upgrade(Mode.IN_PLACE)


def test_first_migration_makes_everything(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project, Config.model_validate({"exchanges": {"kraken": {"symbols": ["BTC/USD"]}}})).upgrade()
    with engine.target() as target:
        records = target.records()
        kinds = {name: str(kind) for name, kind in target.existing().items()}
    assert {r.state for r in records.values()} == {"ready"}
    assert {r.revision for r in records.values()} == {"0001", __version__}
    assert kinds.items() >= {
        "trades": "table", "symbols": "table", "minutes": "materialized view", "scaled": "materialized view",
        "latest": "view", "scaled_sink": "sink",
    }.items()  # fmt: skip
    assert engine.rows("SELECT * FROM symbols") == [("kraken", "BTC/USD", "BTC", "USD", "spot")]


def test_second_run_does_nothing(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    before = engine.picture()
    engine.journal.steps.clear()
    engine.migrator(project).upgrade()
    assert engine.journal.steps == []
    assert engine.picture() == before


def test_changed_stage_rebuilds_downstream_only_and_keeps_rows(engine: Engine, project: SmallProject) -> None:
    upgrade(engine, project)
    engine.execute(TRADE.format("1", "01", 10), TRADE.format("2", "02", 12))
    engine.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES ('x', 'A', 'A', 'B')")
    made = engine.identity("minutes", "trades")
    project.stage_changed()
    engine.journal.steps.clear()
    upgrade(engine, project)
    assert engine.journal.steps == [
        "alter table trades: add venue", "create table notes",
        "drop sink scaled_sink", "drop view latest", "drop materialized view scaled",
        "create materialized view scaled", "create view highs", "create sink scaled_sink",
    ]  # fmt: skip
    assert engine.rows("SELECT trade_id, venue FROM trades") == [("1", None), ("2", None)]
    assert engine.rows("SELECT symbol FROM symbols") == [("A",)]
    assert engine.rows("SELECT value FROM scaled") == [(12 / 2 * 14,)]
    assert engine.identity("minutes", "trades") == made
    with engine.target() as target:
        assert "latest" not in target.existing()
        assert "latest" not in target.records()


def test_older_checkout_takes_views_back(engine: Engine, project: SmallProject) -> None:
    upgrade(engine, project)
    engine.execute(TRADE.format("1", "01", 10))
    before = engine.picture()
    project.edit("scaled", "high *", "high / 2 *")
    upgrade(engine, project)
    assert engine.rows("SELECT value FROM scaled") == [(70,)]
    project.edit("scaled", "high / 2 *", "high *")
    upgrade(engine, project)
    assert engine.picture() == before


def test_downgrade_takes_tables_back_when_told(engine: Engine, project: SmallProject) -> None:
    upgrade(engine, project)
    engine.execute(TRADE.format("1", "01", 10))
    project.stage_changed()
    project.put("noted", "CREATE VIEW noted AS SELECT id FROM notes", keys="id")
    upgrade(engine, project)
    engine.migrator(project).downgrade("0001")
    assert engine.migrator(project).current() == "0001"
    assert engine.rows("SELECT trade_id, venue FROM trades") == [("1", None)], "the column stays"
    with engine.target() as target:
        assert "notes" in target.existing(), "a table stays"
        assert "notes" not in target.records()
        assert "noted" not in target.existing(), "what reads it goes"
        assert "scaled" in target.existing()
    upgrade(engine, project)
    engine.migrator(project, drop_stores=True).downgrade("0001")
    with engine.target() as target:
        assert "notes" not in target.existing()
    upgrade(engine, project)
    assert engine.migrator(project).status() == ("0002", [])


def test_downgrade_to_base_keeps_tables_unless_told(engine: Engine, project: SmallProject) -> None:
    upgrade(engine, project)
    engine.execute(TRADE.format("1", "01", 10))
    engine.migrator(project).downgrade("base")
    with engine.target() as target:
        assert set(target.existing()) >= {"trades", "symbols"}
        assert not set(target.existing()) & {"minutes", "scaled", "latest", "scaled_sink"}
    upgrade(engine, project)
    assert engine.rows("SELECT value FROM scaled") == [(140,)]
    engine.migrator(project, drop_stores=True).downgrade("base")
    with engine.target() as target:
        assert not set(target.existing()) & {"trades", "symbols", "minutes"}
        assert target.records() == {}
    assert engine.migrator(project).current() is None


def test_downgrade_of_an_unknown_revision_is_refused(engine: Engine, project: SmallProject) -> None:
    with pytest.raises(MigrationError, match="nothing has been migrated"):
        engine.migrator(project).downgrade("base")
    upgrade(engine, project)
    with pytest.raises(MigrationError, match="there is no revision 0007"):
        engine.migrator(project).downgrade("0007")


def test_changed_configuration_plans_and_applies(engine: Engine, project: SmallProject) -> None:
    upgrade(engine, project)
    engine.execute(TRADE.format("1", "01", 10))
    own = Config.model_validate({"indicators": {"rsi": 7}})
    made = engine.identity("trades", "minutes")
    engine.migrator(project, own).upgrade(Mode.IN_PLACE)
    assert engine.rows("SELECT value FROM scaled") == [(70,)]
    assert engine.identity("trades", "minutes") == made, "what the period does not reach is not touched"


def test_refused_plan_changes_nothing(engine: Engine, project: SmallProject) -> None:
    assert not engine.migrator(project).upgrade(confirm=lambda plan: plan.is_empty)
    with engine.target() as target:
        assert target.existing().keys() <= {"candlewave_objects", "candlewave_migrators"}
    upgrade(engine, project)
    assert engine.migrator(project).upgrade(confirm=lambda _: False), "nobody is asked about nothing"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stage", ["initial", "changed"])
def test_interrupted_at_every_statement_goes_on_to_the_same_end(
    engine: Engine, project: SmallProject, tmp_path: Path, stage: str, after: bool
) -> None:
    changed = SmallProject(tmp_path / "changed")
    changed.stage_changed()
    wanted = project if stage == "initial" else changed

    def start_over() -> None:
        engine.migrator(changed, drop_stores=True).downgrade("base")
        if stage == "changed":
            upgrade(engine, project)
            engine.execute(TRADE.format("1", "01", 10))

    upgrade(engine, changed)
    start_over()
    total = count_statements(engine, wanted)
    expected = engine.picture()
    assert total > 10
    for statements in range(0, total, 7 if engine.risingwave else 1):
        start_over()
        fuse = Fuse(statements, after)
        with pytest.raises(Interrupted):
            upgrade(engine, wanted, make_target=fused(engine, fuse))
        upgrade(engine, wanted)
        assert engine.picture() == expected, f"interrupted {'after' if after else 'before'} statement {statements + 1}"


def test_symbols_of_the_configuration_are_written_over(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project, Config.model_validate({"exchanges": {"kraken": {"symbols": ["BTC/USD"]}}})).upgrade()
    engine.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES ('kraken', 'BTC/USD', 'XBT', 'USD')")
    both = Config.model_validate({"exchanges": {"kraken": {"symbols": ["BTC/USD", "ETH/USDT:USDT"]}}})
    engine.migrator(project, both).upgrade()
    assert engine.rows("SELECT * FROM symbols") == [
        ("kraken", "BTC/USD", "BTC", "USD", "spot"),
        ("kraken", "ETH/USDT:USDT", "ETH", "USDT", "swap"),
    ]


def test_script_is_the_sql_with_parameters_left_in(engine: Engine, project: SmallProject) -> None:
    project.stage_changed()
    script = engine.migrator(project).script()
    assert script.index("CREATE TABLE trades") < script.index("CREATE MATERIALIZED VIEW minutes")
    assert 'ALTER TABLE trades ADD COLUMN "venue" VARCHAR;' in script
    assert "topic = '${topic_prefix}scaled'" in script
    assert script.count("CREATE TABLE trades") == 1


def test_what_was_made_just_before_the_interruption_is_kept(engine: Engine, project: SmallProject) -> None:
    """A view may have taken hours to fill; a crash between CREATE and its record must not throw it away."""

    class Killed(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
        def create(self, text: str) -> None:
            super().create(text)
            if "VIEW minutes" in text:
                raise Interrupted

    with pytest.raises(Interrupted):
        upgrade(engine, project, make_target=Killed)
    with engine.target() as target:
        assert target.records()["minutes"].state == "creating"
    with engine.connect() as conn:
        assert deviations(conn, ["minutes", "trades"], project.declared()) == [
            "minutes: a migration broke off while it was made"
        ]
    made = engine.identity("minutes", "trades")
    upgrade(engine, project)
    assert engine.identity("minutes", "trades") == made


def test_killed_process_leaves_no_lock_and_the_next_run_completes(
    engine: Engine, project: SmallProject, tmp_path: Path
) -> None:
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    with engine.connect() as conn:
        url = make_conninfo(conn.info.dsn, password=conn.info.password or None)
    command = [sys.executable, str(program), url, str(project.root), str(engine.risingwave)]
    environment = {**os.environ, "PYTHONPATH": f"{project_root()}:{project_root() / 'python'}"}
    killed = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with engine.target() as target:
        assert "minutes" in target.existing()
        assert "scaled" not in target.existing()
    wait = 300.0 if engine.risingwave else 60.0
    engine.migrator(project, wait_seconds=wait).upgrade()
    assert engine.migrator(project).status() == ("0001", [])


KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from candlewave.core.config import Config
from candlewave.engine.connect import connect_url
from candlewave.engine.migrate.revisions import Revisions
from candlewave.engine.migrate.migrator import Migrator
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.targets import EmbeddedTarget
from tests.integration.engine.migrate.conftest import Journal, fill

url, root, risingwave = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "True"

class Killed(RisingWaveTarget if risingwave else EmbeddedTarget):
    def create(self, text):
        if "VIEW scaled" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        super().create(text)

Migrator(Revisions(root), Config(), lambda: connect_url(url), risingwave, fill, Journal(), make_target=Killed).upgrade()
"""
