"""Engines that are not as their records say, and migrations that are refused."""

import pytest
from tests.integration.engine.migrate.conftest import TRADE, Engine
from tests.worlds.small_project import TRADES, SmallProject

from candlewave.core.config import Config
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.check import deviations
from candlewave.engine.migrate.lease import LeaseError
from candlewave.engine.migrate.plan import Mode, StoreChangeError
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.targets import EmbeddedTarget
from candlewave.sqlproject.ddl import Kind

EXPIRING = "WITH (connector = 'kafka', topic = 't', retention_seconds = 86400) FORMAT PLAIN ENCODE JSON\n"


def deviating(engine: Engine, project: SmallProject) -> list[str]:
    """Return the objects that a service would find missing or different."""
    with engine.connect() as conn:
        lines = deviations(conn, declared=project.declared())
    return sorted(line.split(":")[0] for line in lines)


def test_lost_view_is_made_again_with_its_readers(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    before = engine.picture()
    with engine.target() as target:
        for kind, name in ((Kind.SINK, "scaled_sink"), (Kind.VIEW, "latest"), (Kind.MATERIALIZED_VIEW, "scaled")):
            target.drop(kind, name)
    assert deviating(engine, project) == ["latest", "scaled", "scaled_sink"]
    engine.migrator(project).upgrade()
    assert engine.picture() == before
    assert deviating(engine, project) == []


def test_services_hear_what_differs_from_sql(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    project.stage_changed()
    with engine.connect() as conn:
        assert deviations(conn, ["minutes", "scaled", "highs", "nonsense"], project.declared()) == [
            "nonsense: not in sql/",
            "scaled: differs from sql/",
            "highs: missing on the engine",
        ]


def test_view_without_record_is_made_again_and_table_without_record_is_taken_over(
    engine: Engine, project: SmallProject
) -> None:
    engine.migrator(project).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    before = engine.picture()
    made = engine.identity("trades", "minutes")
    with engine.target() as target:
        target.forget("scaled")
        target.forget("trades")
    assert deviating(engine, project) == ["scaled", "trades"]
    engine.journal.steps.clear()
    engine.migrator(project).upgrade()
    assert "build materialized view scaled beside the old one" in engine.journal.steps
    assert engine.identity("trades", "minutes") == made
    assert engine.picture() == before


def test_table_of_another_shape_is_not_taken_over(engine: Engine, project: SmallProject) -> None:
    with engine.target() as target:
        target.prepare()
        target.create("CREATE TABLE trades (symbol VARCHAR, trade_id BIGINT, PRIMARY KEY (symbol, trade_id))")
    with pytest.raises(MigrationError, match="column trade_id is bigint, expected VARCHAR"):
        engine.migrator(project).upgrade()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("    price DOUBLE PRECISION,\n", "", "column price is gone"),
        ("PRIMARY KEY (symbol, trade_id)", "PRIMARY KEY (trade_id)", "the primary key was"),
    ],
)
def test_changed_table_is_not_replaced(engine: Engine, project: SmallProject, old: str, new: str, what: str) -> None:
    engine.migrator(project).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    project.edit("trades", old, new)
    with pytest.raises(StoreChangeError, match=what):
        engine.migrator(project).upgrade()
    assert engine.rows("SELECT trade_id FROM trades") == [("1",)]


def test_column_that_no_revision_adds_is_missed(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    project.edit("trades", "ts TIMESTAMPTZ,", "ts TIMESTAMPTZ,\n    side VARCHAR,")
    with pytest.raises(
        MigrationError, match=r"column side is missing, expected VARCHAR; .* add the column in a revision"
    ):
        engine.migrator(project).upgrade()


def test_tables_of_a_newer_candlewave_are_explained(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    engine.execute("DELETE FROM alembic_version", "INSERT INTO alembic_version (version_num) VALUES ('0042')")
    with pytest.raises(MigrationError, match=r"at revision 0042, which is not in .*migrate downgrade"):
        engine.migrator(project).upgrade()


def test_column_added_by_hand_with_another_type_is_refused(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    engine.execute("ALTER TABLE trades ADD COLUMN venue BIGINT")
    project.stage_changed()
    with pytest.raises(MigrationError, match="has a column venue already, of type bigint, expected VARCHAR"):
        engine.migrator(project).upgrade()


def test_reader_that_no_migration_made_is_named(engine: Engine, project: SmallProject) -> None:
    engine.migrator(project).upgrade()
    with engine.target() as target:
        target.create("CREATE VIEW mine AS SELECT symbol FROM scaled")
    project.stage_changed()
    with pytest.raises(MigrationError, match=r"(?s)scaled: the engine refused.*DROP MATERIALIZED VIEW scaled.*mine"):
        engine.migrator(project).upgrade(Mode.IN_PLACE)


def test_refused_statement_shows_object_statement_and_reason(engine: Engine, project: SmallProject) -> None:
    project.put("wrong", "CREATE VIEW wrong AS SELECT symbol, no_such_column AS x FROM trades", keys="symbol")
    with pytest.raises(MigrationError) as refused:
        engine.migrator(project).upgrade()
    assert str(refused.value).startswith("wrong: the engine refused\n    CREATE VIEW wrong AS SELECT symbol, no_such")
    assert "no_such_column" in str(refused.value).split("because: ")[1]
    project.remove("wrong")
    engine.migrator(project).upgrade()


def test_unfilled_parameter_stops_before_anything_is_made(engine: Engine, project: SmallProject) -> None:
    with pytest.raises(MigrationError, match=r"scaled_sink: nothing fills .*parameter \$\{topic_prefix\}"):
        engine.migrator(project, fill=lambda text: text).upgrade()

    def missing(_text: str) -> str:
        raise ValueError("KAFKA_BOOTSTRAP_SERVERS is not set")

    with pytest.raises(MigrationError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        engine.migrator(project, fill=missing).upgrade()
    with engine.target() as target:
        assert not set(target.existing()) & {"trades", "minutes"}


def test_second_migrator_waits_and_then_says_why(engine: Engine, project: SmallProject) -> None:
    class Nested(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
        def create(self, text: str) -> None:
            with pytest.raises(LeaseError, match="another `candlewave migrate` is at work on this engine"):
                engine.migrator(project).upgrade()
            super().create(text)

    engine.migrator(project, make_target=Nested, wait_seconds=0.01).upgrade()
    assert engine.migrator(project).status() == ("0001", [])


def test_rebuild_from_expiring_trades_needs_the_history(engine: Engine, project: SmallProject) -> None:
    if engine.risingwave:
        pytest.skip("an expired row cannot be imitated: deleting from trades would delete from the views")
    expiring = Config.model_validate({"retention": {"trades": "1 day"}})
    project.put("trades", TRADES + EXPIRING, keys="symbol, trade_id", time="ts")
    engine.migrator(project).upgrade()
    with engine.connect() as conn:
        conn.execute("INSERT INTO minutes (symbol, open_time, high) VALUES ('A', '2026-01-05 00:00+00', 10)")
    project.edit("minutes", "max(price)", "min(price)")
    with pytest.raises(MigrationError, match=r"would compute minutes again from trades.*--refill"):
        engine.migrator(project, expiring).upgrade()
    with pytest.raises(MigrationError, match=r"minutes begins at .* but the oldest trade is missing"):
        engine.migrator(project, expiring, refill=True).upgrade()
    engine.execute(TRADE.format("1", "00", 10))
    engine.migrator(project, expiring, refill=True).upgrade()
    assert engine.rows("SELECT symbol, high FROM minutes") == [("A", 10)]
