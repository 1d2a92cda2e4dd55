"""The shipped revisions on an engine, and a user's changed period on top of them."""

import shutil
from pathlib import Path

import pytest
from tests.integration.migrate.conftest import Engine

from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings
from candlewave.engine.migrate.head import head_matches
from candlewave.engine.migrate.history import Branch, History, compare
from candlewave.engine.migrate.migrator import Migrator
from candlewave.engine.migrate.revisions_plan import make_plan
from candlewave.engine.migrate.state import is_store
from candlewave.engine.migrate.writer import write
from candlewave.sqlproject.parameters import fill

LAYER = {"candles", "indicators", "trades", "candles_1m"}


@pytest.fixture
def shipped(tmp_path: Path) -> History:
    """A copy of the project, to which revisions may be added; without revisions that a user has."""
    for folder in ("sql", "migrations"):
        ignore = shutil.ignore_patterns("local_*", "__pycache__")
        shutil.copytree(project_root() / folder, tmp_path / folder, ignore=ignore)
    return History(tmp_path)


def migrator(engine: Engine, history: History, config: Config, **options: object) -> Migrator:
    settings = Settings()  # type: ignore[call-arg]
    return Migrator(
        history, config, engine.connect, engine.risingwave, lambda text: fill(text, settings), engine.journal, **options
    )  # type: ignore[arg-type]


def test_sql_is_as_the_head_has_it() -> None:
    """What `make check` says, so that no change of sql/ is committed without its revision."""
    history = History(project_root())
    assert [c.differences for c in compare(history, Config()) if c.branch is Branch.SHIPPED] == [[]]


def test_shipped_head_applies_and_goes_back(engine: Engine, shipped: History) -> None:
    config = load_config()
    migrator(engine, shipped, config).upgrade()
    state = shipped.state(shipped.head())
    assert state.keys() >= LAYER
    with engine.connect() as conn:
        assert head_matches(conn, state, shipped) == []
    assert {row[1] for row in engine.rows("SELECT * FROM symbols")} == {s.symbol for s in config.symbols}
    migrator(engine, shipped, config).downgrade("base")
    with engine.target() as target:
        assert target.existing().keys() & state.keys() == {name for name, o in state.items() if is_store(o)}


def test_changed_period_rebuilds_the_indicators_and_keeps_candles(engine: Engine, shipped: History) -> None:
    migrator(engine, shipped, Config()).upgrade()
    before = shipped.state(shipped.head())
    own = Config.model_validate({"indicators": {"ema": [9, 26, 50, 200]}})
    comparison = compare(shipped, own)[1]
    plan = make_plan(comparison.before, comparison.rendered)
    write(shipped, Branch.LOCAL, plan, "EMA 9 instead of 12", down_revision=comparison.head)
    rebuilt = {change.name for change in plan.changes}
    assert "indicators" in rebuilt
    assert plan.rereads_trades == ()
    layers = {o.layer for o in map(_rendered(own).get, rebuilt)}  # type: ignore[union-attr]
    assert layers == {"views/indicators", "views/features", "views/evaluation", "sinks"}, "what reads indicators, too"
    kept = sorted(set(before) - rebuilt - {"candles_sink"})
    made = engine.identity(*kept)
    migrator(engine, shipped, own).upgrade()
    assert engine.identity(*kept) == made
    assert [row for row in engine.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'indicators'") if row[0] in ("ema_9", "ema_12")] == [("ema_9",)]  # fmt: skip  # noqa: E501


def test_sinks_come_when_elasticsearch_is_set_up_and_are_not_missed_before(engine: Engine, shipped: History) -> None:
    optional = {"prediction_documents", "predictions_sink", "alerts_sink"}
    migrator(engine, shipped, Config()).upgrade()
    with engine.target() as target:
        assert not target.existing().keys() & optional
    assert migrator(engine, shipped, Config()).status()[2] == []

    def fill_all(text: str) -> str:
        return fill(text, Settings(ELASTICSEARCH_URL="http://search:9200"))  # type: ignore[call-arg,arg-type]

    later = Migrator(shipped, Config(), engine.connect, engine.risingwave, fill_all, engine.journal)
    assert [line.partition(":")[0] for line in later.status()[2]] != []
    later.upgrade()
    with engine.target() as target:
        assert target.existing().keys() >= optional
    # Taken away again, what is there stays and is no deviation.
    assert migrator(engine, shipped, Config()).status()[2] == []


def _rendered(config: Config) -> dict[str, object]:
    from candlewave.sqlproject.render import render_objects

    return {o.name: o for o in render_objects(config)}
