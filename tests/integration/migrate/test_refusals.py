"""Engines that are not as their records say, and migrations that are refused."""

from dataclasses import replace

import pytest
from tests.integration.migrate.conftest import TRADE, Engine
from tests.unit.migrate.small_project import SmallProject

from candlewave.core.config import Config
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.head import head_matches
from candlewave.engine.migrate.lease import LeaseError
from candlewave.engine.migrate.revisions_plan import StoreChangeError
from candlewave.engine.migrate.targets import EmbeddedTarget, RisingWaveTarget
from candlewave.sqlproject.ddl import Kind


def deviating(engine: Engine, project: SmallProject) -> list[str]:
    """Return the objects that a service would find missing or different."""
    with engine.connect() as conn:
        lines = head_matches(conn, project.history.state("0001"), project.history)
    return sorted(line.split(":")[0] for line in lines)


def test_lost_view_is_made_again_with_its_readers(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    before = engine.picture()
    with engine.target() as target:
        for kind, name in ((Kind.SINK, "scaled_sink"), (Kind.VIEW, "latest"), (Kind.MATERIALIZED_VIEW, "scaled")):
            target.drop(kind, name)
    assert deviating(engine, initial) == ["latest", "scaled", "scaled_sink"]
    engine.migrator(initial).upgrade()
    assert engine.picture() == before
    assert deviating(engine, initial) == []


def test_services_are_told_what_differs_from_the_head(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    initial.stage_changed()
    with engine.connect() as conn:
        assert head_matches(conn, ["minutes", "scaled", "highs", "nonsense"], initial.history) == [
            "nonsense: not in revision 0002",
            "scaled: as of revision 0001, which differs from 0002",
            "highs: missing on the engine",
        ]


def test_view_without_record_is_made_again_and_table_without_record_is_taken_over(
    engine: Engine, initial: SmallProject
) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    before = engine.picture()
    made = engine.identity("trades", "minutes")
    with engine.target() as target:
        target.forget("scaled")
        target.forget("trades")
    assert deviating(engine, initial) == ["scaled", "trades"]
    engine.journal.steps.clear()
    engine.migrator(initial).upgrade()
    assert "take over table trades" in engine.journal.steps
    assert "create materialized view scaled" in engine.journal.steps
    assert engine.identity("trades", "minutes") == made
    assert engine.picture() == before


def test_table_of_another_shape_is_not_taken_over(engine: Engine, initial: SmallProject) -> None:
    with engine.target() as target:
        target.prepare()
        target.create("CREATE TABLE trades (symbol VARCHAR, trade_id BIGINT, PRIMARY KEY (symbol, trade_id))")
    with pytest.raises(StoreChangeError, match="column trade_id is bigint, expected VARCHAR"):
        engine.migrator(initial).upgrade()


def test_table_made_by_another_definition_is_not_replaced(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    with engine.target() as target:
        target.note(replace(target.records()["trades"], sha256="another"))
    with pytest.raises(StoreChangeError, match="trades exists with another definition"):
        engine.migrator(initial).upgrade()
    assert engine.rows("SELECT trade_id FROM trades") == [("1",)]


def test_column_added_by_hand_with_another_type_is_refused(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute("ALTER TABLE trades ADD COLUMN venue BIGINT")
    initial.stage_changed()
    with pytest.raises(StoreChangeError, match="has a column venue already, of type bigint, expected VARCHAR"):
        engine.migrator(initial).upgrade()


def test_reader_that_no_migration_made_is_named(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    with engine.target() as target:
        target.create("CREATE VIEW mine AS SELECT symbol FROM scaled")
    initial.stage_changed()
    with pytest.raises(MigrationError, match=r"(?s)scaled: the engine refused.*DROP MATERIALIZED VIEW scaled.*mine"):
        engine.migrator(initial).upgrade()


def test_refused_statement_shows_object_statement_and_reason(engine: Engine, initial: SmallProject) -> None:
    initial.put("wrong", "CREATE VIEW wrong AS SELECT symbol, no_such_column AS x FROM trades", keys="symbol")
    path = initial.migration("wrong")
    with pytest.raises(MigrationError) as refused:
        engine.migrator(initial).upgrade()
    assert str(refused.value).startswith("wrong: the engine refused\n    CREATE VIEW wrong AS SELECT symbol, no_such")
    assert "no_such_column" in str(refused.value).split("because: ")[1]
    path.unlink()
    engine.migrator(SmallProject.at(initial.root)).upgrade()


def test_unfilled_parameter_stops_before_anything_is_made(engine: Engine, initial: SmallProject) -> None:
    with pytest.raises(MigrationError, match=r"scaled_sink: nothing fills .*parameter \$\{topic_prefix\}"):
        engine.migrator(initial, fill=lambda text: text).upgrade()

    def missing(_text: str) -> str:
        raise ValueError("KAFKA_BOOTSTRAP_SERVERS is not set")

    with pytest.raises(MigrationError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        engine.migrator(initial, fill=missing).upgrade()
    with engine.target() as target:
        assert not set(target.existing()) & {"trades", "minutes"}


def test_second_migrator_waits_and_then_says_why(engine: Engine, initial: SmallProject) -> None:
    class Nested(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
        def create(self, text: str) -> None:
            with pytest.raises(LeaseError, match="another `candlewave migrate` is at work on this engine"):
                engine.migrator(initial).upgrade()
            super().create(text)

    engine.migrator(initial, make_target=Nested, wait_seconds=0.01).upgrade()
    assert engine.migrator(initial).status() == ("0001", [], [])


def test_rebuild_from_expiring_trades_needs_the_history(engine: Engine, initial: SmallProject) -> None:
    if engine.risingwave:
        pytest.skip("an expired row cannot be imitated: deleting from trades would delete from the views")
    expiring = Config.model_validate({"retention": {"trades": "1 day"}})
    engine.migrator(initial).upgrade()
    with engine.connect() as conn:
        conn.execute("INSERT INTO minutes (symbol, open_time, high) VALUES ('A', '2026-01-05 00:00+00', 10)")
    initial.edit("minutes", "max(price)", "min(price)")
    initial.migration("reads trades again")
    with pytest.raises(MigrationError, match=r"would compute minutes again from trades.*--refill"):
        engine.migrator(initial, expiring).upgrade()
    with pytest.raises(MigrationError, match=r"minutes begins at .* but the oldest trade is missing"):
        engine.migrator(initial, expiring, refill=True).upgrade()
    engine.execute(TRADE.format("1", "00", 10))
    engine.migrator(initial, expiring, refill=True).upgrade()
    assert engine.rows("SELECT symbol, high FROM minutes") == [("A", 10)]
    assert engine.rows("SELECT version_num FROM alembic_version") == [("0002",)]
