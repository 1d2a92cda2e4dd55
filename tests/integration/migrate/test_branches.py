"""A user's own branch on an engine: a changed indicator period, and engines that are elsewhere."""

import pytest
from tests.integration.migrate.conftest import TRADE, Engine
from tests.unit.migrate.small_project import SmallProject

from candlewave.core.config import Config
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.history import Branch

OWN = Config.model_validate({"indicators": {"rsi": 7}})


def test_own_branch_rebuilds_only_what_the_period_reaches(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    made = engine.identity("trades", "minutes")
    initial.migration("my period", OWN, Branch.LOCAL)
    engine.journal.steps.clear()
    engine.migrator(initial, OWN).upgrade()
    assert engine.journal.steps == [
        "drop sink scaled_sink", "drop view latest", "drop materialized view scaled",
        "create materialized view scaled", "create view latest", "create sink scaled_sink",
    ]  # fmt: skip
    assert engine.rows("SELECT value FROM scaled") == [(70,)]
    assert engine.identity("trades", "minutes") == made, "what the period does not reach is not touched"
    assert engine.migrator(initial, OWN).current() == "local_0001"
    engine.migrator(initial, OWN).downgrade("0001")
    assert engine.rows("SELECT value FROM scaled") == [(140,)]


def test_empty_engine_follows_the_own_branch_through_its_fork(engine: Engine, initial: SmallProject) -> None:
    initial.migration("my period", OWN, Branch.LOCAL)
    engine.migrator(initial, OWN).upgrade()
    assert engine.migrator(initial, OWN).current() == "local_0001"
    engine.execute(TRADE.format("1", "01", 10))
    assert engine.rows("SELECT value FROM scaled") == [(70,)]


def test_engine_beyond_the_fork_is_not_mixed_with_the_own_branch(engine: Engine, initial: SmallProject) -> None:
    initial.migration("my period", OWN, Branch.LOCAL)
    initial.edit("minutes", "max(price)", "min(price)")
    initial.migration("a shipped change")
    own = initial.history.versions(Branch.LOCAL) / "local_0001_my_period.py"
    hidden = own.rename(own.with_suffix(".hidden"))
    engine.migrator(SmallProject.at(initial.root)).upgrade()
    hidden.rename(own)
    project = SmallProject.at(initial.root)
    with pytest.raises(MigrationError, match=r"at 0002, which is not on the way to local_0001.*downgrade 0001"):
        engine.migrator(project, OWN).upgrade()
    engine.migrator(project, OWN).downgrade("0001")
    engine.migrator(project, OWN).upgrade()
    assert engine.migrator(project, OWN).current() == "local_0001"


def test_unknown_revision_on_the_engine_is_explained(engine: Engine, initial: SmallProject) -> None:
    engine.migrator(initial).upgrade()
    engine.execute("DELETE FROM alembic_version", "INSERT INTO alembic_version (version_num) VALUES ('0042')")
    with pytest.raises(MigrationError, match="at revision 0042, which is not in"):
        engine.migrator(initial).upgrade()
    with pytest.raises(MigrationError, match="there is no revision 0042"):
        engine.migrator(initial).downgrade("0001")
