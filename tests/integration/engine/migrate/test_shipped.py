"""The shipped project on an engine, and a user's changed period on top of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.engine.migrate.conftest import Engine

from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings
from candlewave.engine.migrate.check import deviations
from candlewave.engine.migrate.migrator import Migrator
from candlewave.engine.migrate.plan import StoreChangeError
from candlewave.engine.migrate.revisions import Revisions, compare_tables
from candlewave.engine.migrate.state import is_store
from candlewave.sqlproject.parameters import fill

LAYER = {"candles", "indicators", "trades", "candles_1m"}


def migrator(engine: Engine, config: Config, **options: object) -> Migrator:
    settings = Settings()  # type: ignore[call-arg]
    return Migrator(
        Revisions.of_project(), config, engine.connect, engine.risingwave, lambda text: fill(text, settings),
        engine.journal, **options,
    )  # type: ignore[arg-type]  # fmt: skip


def test_tables_of_sql_are_those_of_the_revisions() -> None:
    assert compare_tables(Revisions.of_project()) == []


def test_shipped_project_applies_and_goes_back(engine: Engine) -> None:
    config = load_config()
    migrator(engine, config).upgrade()
    declared = migrator(engine, config).declared()
    assert declared.keys() >= LAYER
    with engine.connect() as conn:
        assert deviations(conn) == []
    assert migrator(engine, config).plan().is_empty
    assert {row[1] for row in engine.rows("SELECT * FROM symbols")} == {s.symbol for s in config.markets}
    migrator(engine, config).downgrade("base")
    with engine.target() as target:
        assert target.existing().keys() & declared.keys() == {name for name, o in declared.items() if is_store(o)}


def test_changed_period_rebuilds_the_indicators_and_keeps_candles(engine: Engine) -> None:
    migrator(engine, Config()).upgrade()
    own = Config.model_validate({"indicators": {"ema": [9, 26, 50, 200]}})
    plan = migrator(engine, own).plan()
    changed = {change.name for change in plan.changes}
    assert "indicators" in changed
    assert not changed & {"candles", "candles_1m", "trades", "candles_sink"}
    kept = sorted(migrator(engine, own).declared().keys() - changed - {"candles_sink", "indicators_sink"})
    made = engine.identity("candles", "candles_1m", "candles_1m_live", "trades")
    assert len(kept) > 20
    migrator(engine, own).upgrade()
    assert engine.identity("candles", "candles_1m", "candles_1m_live", "trades") == made
    assert [row for row in engine.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'indicators'") if row[0] in ("ema_9", "ema_12")] == [("ema_9",)]  # fmt: skip  # noqa: E501


def test_new_column_of_indicators_rebuilds_one_object_and_sends_nothing_again(engine: Engine, tmp_path: Path) -> None:
    migrator(engine, Config()).upgrade()
    for folder in ("sql", "migrations"):
        shutil.copytree(project_root() / folder, tmp_path / folder)
    template = tmp_path / "sql" / "views" / "indicators" / "indicators.sql.j2"
    text = template.read_text()
    template.write_text(text.replace("\n    obv,\n", "\n    obv,\n    close - 1 AS demo_column,\n"))
    edited = replace(migrator(engine, Config()), revisions=Revisions(tmp_path))
    plan = edited.plan()
    changes = {change.name: change for change in plan.changes}
    assert changes["indicators"].added_columns == ("demo_column",)
    assert not [name for name, change in changes.items() if change.resends]
    if not engine.risingwave:
        assert plan.rebuilt == tuple(changes) == ("indicators",)
    others = sorted(edited.declared().keys() - changes.keys())
    made = engine.identity(*others)
    edited.upgrade()
    assert edited.plan().is_empty
    assert engine.identity(*others) == made
    columns = engine.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'indicators'")
    assert ("demo_column",) in columns


def test_retention_of_trades_is_chosen_when_the_table_is_created(engine: Engine) -> None:
    day = Config.model_validate({"retention": {"trades": "1 day"}})
    migrator(engine, day).upgrade()
    assert migrator(engine, day).plan().is_empty
    with engine.target() as target:
        assert "retention_seconds = 86400" in (target.records()["trades"].definition or "")
    with pytest.raises(StoreChangeError, match="retention_seconds was 86400 and would be None"):
        migrator(engine, Config()).upgrade()


def test_sinks_come_when_elasticsearch_is_set_up_and_are_not_missed_before(engine: Engine) -> None:
    optional = {"prediction_documents", "predictions_sink", "alerts_sink"}
    migrator(engine, Config()).upgrade()
    with engine.target() as target:
        assert not target.existing().keys() & optional
    assert migrator(engine, Config()).status()[1] == []

    def fill_all(text: str) -> str:
        return fill(text, Settings(ELASTICSEARCH_URL="http://search:9200"))  # type: ignore[call-arg,arg-type]

    later = Migrator(Revisions.of_project(), Config(), engine.connect, engine.risingwave, fill_all, engine.journal)
    assert [line.partition(":")[0] for line in later.status()[1]] != []
    later.upgrade()
    with engine.target() as target:
        assert target.existing().keys() >= optional
    # Taken away again, what is there stays and is no deviation.
    assert migrator(engine, Config()).status()[1] == []
