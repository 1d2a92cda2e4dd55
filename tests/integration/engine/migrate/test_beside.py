"""Views built beside those that serve, and exchanged."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest
from tests.integration.engine.migrate.conftest import TRADE, Engine
from tests.worlds.small_project import SmallProject

from candlewave.engine.embedded import beside, refresh
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.plan import Mode
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.targets import EmbeddedTarget, Target


def differences(engine: Engine) -> list[str]:
    """Compare every view with a full computation; RisingWave computes by itself."""
    if engine.risingwave:
        return []
    with engine.connect() as conn:
        return refresh.differences(conn)


@pytest.fixture
def migrated(engine: Engine, project: SmallProject) -> SmallProject:
    """A project whose views serve one trade."""
    engine.migrator(project).upgrade()
    engine.execute(TRADE.format("1", "01", 10))
    engine.journal.steps.clear()
    return project


def test_changed_view_takes_the_place_of_the_old_one(engine: Engine, migrated: SmallProject) -> None:
    untouched = engine.identity("trades", "minutes")
    replaced = engine.identity("scaled")
    migrated.edit("scaled", "high *", "high / 2 *")
    engine.migrator(migrated).upgrade()
    built = [step for step in engine.journal.steps if step.startswith("build")]
    assert built[0] == "build materialized view scaled beside the old one"
    assert engine.identity("trades", "minutes") == untouched
    assert engine.identity("scaled") != replaced
    assert engine.rows("SELECT value FROM scaled") == [(70,)]
    assert engine.rows("SELECT symbol FROM latest") == [("A",)]
    assert engine.migrator(migrated).plan().is_empty
    with engine.target() as target:
        assert not [name for name in target.existing() if "__" in name]
        assert not [name for name in target.records() if "__" in name]
    engine.execute(TRADE.format("2", "59", 30))
    assert engine.rows("SELECT value FROM scaled") == [(210,)]
    assert differences(engine) == []


def test_picture_is_that_of_a_fresh_engine(engine: Engine, migrated: SmallProject) -> None:
    migrated.stage_changed()
    engine.migrator(migrated).upgrade()
    beside_picture = engine.picture()
    engine.migrator(migrated).downgrade("base")
    engine.migrator(migrated).upgrade()
    assert engine.picture() == beside_picture


def test_unchanged_reader_follows_the_name(engine: Engine, migrated: SmallProject) -> None:
    """On the embedded engine what reads no changed column stays; there is no better on RisingWave."""
    if engine.risingwave:
        pytest.skip("a reader keeps the relation that it was made on")
    migrated.put(
        "first_bars", "CREATE MATERIALIZED VIEW first_bars AS SELECT symbol, open_time FROM minutes", time="open_time",
        keys="symbol, open_time", footprint="minutes by symbol: open_time -> open_time [0, 0]",
    )  # fmt: skip
    engine.migrator(migrated).upgrade()
    made = engine.identity("first_bars", "scaled")
    migrated.edit("minutes", "max(price) AS high", "max(price) AS high, min(price) AS low")
    engine.migrator(migrated).upgrade()
    assert engine.identity("first_bars", "scaled") == made
    engine.execute(TRADE.format("2", "30", 30))
    assert engine.rows("SELECT high, low FROM minutes") == [(30, 10)]
    assert engine.rows("SELECT value FROM scaled") == [(420,)]
    assert differences(engine) == []


@pytest.mark.parametrize(
    ("change", "again"), [("high / 2 * 14 AS value", True), ("high * 14 AS value, high AS bare", False)]
)
def test_sink_sends_again_only_what_may_differ(
    engine: Engine, migrated: SmallProject, change: str, again: bool
) -> None:
    if engine.risingwave:
        pytest.skip("what a sink has sent is seen in its topic alone")
    with engine.connect() as conn:
        conn.execute("UPDATE embedded.objects SET snapshot_due = false")  # all has been sent
    migrated.edit("scaled", "high * {{ config.indicators.rsi }} AS value", change)
    engine.migrator(migrated).upgrade()
    assert engine.rows("SELECT snapshot_due FROM embedded.objects WHERE name = 'scaled_sink'") == [(again,)]


def test_view_that_becomes_materialized(engine: Engine, migrated: SmallProject) -> None:
    migrated.edit("latest", "CREATE VIEW", "CREATE MATERIALIZED VIEW")
    engine.migrator(migrated).upgrade()
    with engine.target() as target:
        assert str(target.existing()["latest"]) == "materialized view"
        assert "latest__old" not in target.existing()
    assert engine.rows("SELECT symbol FROM latest") == [("A",)]


def test_materialized_view_that_a_sink_reads_becomes_plain(engine: Engine, migrated: SmallProject) -> None:
    """RisingWave keeps its rows no longer. The embedded engine does, for it has to know what to send; nothing is sent
    again on either."""
    if not engine.risingwave:
        with engine.connect() as conn:
            conn.execute("UPDATE embedded.objects SET snapshot_due = false")  # all has been sent
    migrated.edit("scaled", "CREATE MATERIALIZED VIEW", "CREATE VIEW")
    changes = {change.name: change for change in engine.migrator(migrated).plan().changes}
    assert not changes["scaled_sink"].resends if engine.risingwave else "scaled_sink" not in changes
    engine.migrator(migrated).upgrade()
    with engine.target() as target:
        assert str(target.existing()["scaled"]) == "view"
        assert "scaled__old" not in target.existing()
    engine.execute(TRADE.format("2", "30", 30))
    assert engine.rows("SELECT value FROM scaled") == [(420,)]
    assert engine.rows("SELECT symbol FROM latest") == [("A",)]
    assert engine.migrator(migrated).plan().is_empty
    if not engine.risingwave:
        assert engine.rows("SELECT snapshot_due FROM embedded.objects WHERE name = 'scaled_sink'") == [(False,)]
        assert engine.rows("SELECT relkind FROM pg_class WHERE relname = 'scaled'") == [("r",)]
        assert differences(engine) == []


@pytest.mark.parametrize("known", [True, False], ids=["known to the catalog", "unknown"])
def test_view_of_the_users_own_is_not_broken(engine: Engine, migrated: SmallProject, known: bool) -> None:
    """It follows the name, or the migration is refused before anything is built; never is it dropped."""
    with engine.target() as target:
        if known:
            target.create("CREATE VIEW mine AS SELECT symbol, value FROM scaled")
        else:
            target.conn.execute("CREATE VIEW mine AS SELECT symbol, value FROM scaled")
    migrated.edit("scaled", "high *", "high / 2 *")
    if known and not engine.risingwave:
        engine.migrator(migrated).upgrade()
        assert engine.rows("SELECT * FROM mine") == [("A", 70)]
        return
    with pytest.raises(MigrationError, match="mine reads scaled: no migration made that"):
        engine.migrator(migrated).upgrade()
    assert engine.journal.steps == []
    assert engine.rows("SELECT * FROM mine") == [("A", 140)]


def test_rows_that_come_while_a_view_is_filled_are_not_lost(
    engine: Engine, migrated: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.risingwave:
        pytest.skip("RisingWave's own backfill")
    fill = beside.fill

    def fill_while_trades_come(conn: object, text: str, schema: str) -> int:
        rows = fill(conn, text, schema)  # type: ignore[arg-type]
        assert "MATERIALIZED" in text
        number = len(engine.rows("SELECT 1 FROM trades")) + 1
        engine.execute(TRADE.format(number, f"{number:02}", 10 * number))  # a refresh, which must not wait for us
        assert [count for (count,) in engine.rows("SELECT count(*) FROM embedded.pending")] != [0]
        return rows

    monkeypatch.setattr(beside, "fill", fill_while_trades_come)
    migrated.edit("minutes", "max(price)", "max(price) + 1")
    engine.migrator(migrated).upgrade()
    assert engine.rows("SELECT high FROM minutes") == [(31,)]
    assert engine.rows("SELECT value FROM scaled") == [(31 * 14,)]
    assert differences(engine) == []


@pytest.mark.parametrize("began", ["before", "after"])
def test_reader_in_a_transaction_is_waited_for(
    engine: Engine, migrated: SmallProject, monkeypatch: pytest.MonkeyPatch, began: str
) -> None:
    """One that began before keeps its snapshot; of one that began after only its lock is in the way."""
    if engine.risingwave:
        pytest.skip("no locks")
    if began == "after":
        monkeypatch.setattr(beside, "await_older_readers", lambda *_: None)
    waits: list[float] = []

    class Patient(EmbeddedTarget):
        def pause(self, seconds: float) -> None:  # type: ignore[override]
            waits.append(seconds)
            assert other.execute("SELECT value FROM scaled").fetchall() == [(140,)], "nobody queues behind us"
            if len(waits) == 3:
                reader.execute("COMMIT")

    migrated.edit("scaled", "high *", "high / 2 *")
    with engine.connect() as reader, engine.connect() as other:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM scaled")
        engine.migrator(migrated, make_target=Patient).upgrade()
    assert len(waits) == 3
    assert engine.rows("SELECT value FROM scaled") == [(70,)]


def test_in_place_leaves_the_same(engine: Engine, migrated: SmallProject) -> None:
    migrated.edit("scaled", "high *", "high / 2 *")
    engine.migrator(migrated).upgrade(Mode.IN_PLACE)
    in_place = engine.picture()
    migrated.edit("scaled", "high / 2 *", "high *")
    engine.migrator(migrated).upgrade()
    migrated.edit("scaled", "high *", "high / 2 *")
    engine.migrator(migrated).upgrade()
    assert engine.picture() == in_place


class Interrupted(BaseException):
    """Stands for a killed process: nothing handles it."""


class Fuse:
    """Lets so many operations pass, then blows before or after the next."""

    def __init__(self, left: int, *, after: bool) -> None:
        self.left, self.after, self.passed = left, after, 0

    def target(self, engine: Engine) -> Callable[[psycopg.Connection], Target]:
        """Return a maker of targets whose every write goes through the fuse."""
        fuse = self

        class Fused(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
            def __getattribute__(self, name: str) -> object:
                found = super().__getattribute__(name)
                watched = ("build", "drop", "note", "forget", "exchange", "create", "add_column", "rename")
                return partial(fuse.burn, found) if name in watched else found

        return Fused

    def burn(self, operation: Callable[..., object], *arguments: object) -> object:
        if self.left == 0 and not self.after:
            raise Interrupted
        last = self.left == 0
        self.left -= 1
        result = operation(*arguments)
        self.passed += 1
        if last:
            raise Interrupted
        return result


@pytest.fixture
def changed(tmp_path: Path) -> SmallProject:
    """The small project at stage "changed"."""
    project = SmallProject(tmp_path / "changed")
    project.stage_changed()
    return project


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_interrupted_anywhere_a_second_run_completes_and_abort_returns(
    engine: Engine, migrated: SmallProject, changed: SmallProject, after: bool
) -> None:
    def start_over() -> None:
        engine.migrator(changed, drop_stores=True).downgrade("base")
        engine.migrator(migrated).upgrade()
        engine.execute(TRADE.format("1", "01", 10))

    def interrupt(operations: int) -> None:
        with pytest.raises(Interrupted):
            engine.migrator(changed, make_target=Fuse(operations, after=after).target(engine)).upgrade()

    before = engine.picture()["rows"]
    counting = Fuse(10_000, after=False)
    engine.migrator(changed, make_target=counting.target(engine)).upgrade()
    expected = engine.picture()
    assert counting.passed > 10
    for operations in range(0, counting.passed, 5 if engine.risingwave else 1):
        start_over()
        interrupt(operations)
        if operations % 2:
            engine.migrator(changed).abort()
            if not has_ended(engine):
                assert engine.picture()["rows"] == before
            with engine.target() as target:
                assert not [name for name in target.existing() if "__" in name]
        engine.migrator(changed).upgrade()
        assert engine.picture() == expected, f"interrupted {'after' if after else 'before'} operation {operations + 1}"
        assert differences(engine) == []


def has_ended(engine: Engine) -> bool:
    """Tell whether the exchange was done before the interruption."""
    with engine.target() as target:
        return "highs" in target.existing() and "latest" not in target.existing()


def test_interrupted_build_is_not_done_again(engine: Engine, migrated: SmallProject) -> None:
    """A view may have taken hours to fill."""

    class Killed(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
        def build(self, text: str, report: Callable[[str], None]) -> int | None:
            rows = super().build(text, report)
            if "VIEW minutes__next" in text:
                raise Interrupted
            return rows

    migrated.edit("minutes", "max(price)", "min(price)")
    with pytest.raises(Interrupted):
        engine.migrator(migrated, make_target=Killed).upgrade()
    with engine.target() as target:
        assert target.records()["minutes__next"].state == "building"
        assert target.recorded({})["minutes"].state == "ready"
    made = engine.identity("minutes__next")
    engine.execute(TRADE.format("2", "02", 5))
    engine.migrator(migrated).upgrade()
    assert [number for _, number in engine.identity("minutes")] == [number for _, number in made]
    assert engine.rows("SELECT high FROM minutes") == [(5,)]
    assert differences(engine) == []


@pytest.mark.parametrize(("text", "high"), [("max(price) + 1", 11), ("max(price)", 10)], ids=["other", "as before"])
def test_what_was_built_for_another_text_is_dropped(
    engine: Engine, migrated: SmallProject, text: str, high: int
) -> None:
    class Killed(RisingWaveTarget if engine.risingwave else EmbeddedTarget):  # type: ignore[misc]
        def exchange(self, *_: object) -> None:
            raise Interrupted

    migrated.edit("minutes", "max(price)", "min(price)")
    with pytest.raises(Interrupted):
        engine.migrator(migrated, make_target=Killed).upgrade()
    migrated.edit("minutes", "min(price)", text)
    engine.migrator(migrated).upgrade()
    assert engine.rows("SELECT high FROM minutes") == [(high,)]
    assert engine.rows("SELECT value FROM scaled") == [(high * 14,)]
    with engine.target() as target:
        assert not [name for name in target.existing() if "__" in name]
