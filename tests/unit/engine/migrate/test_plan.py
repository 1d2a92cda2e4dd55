"""What a plan says on each engine, and which changes of tables it refuses."""

import re

import pytest
from tests.worlds.small_project import SmallProject

from candlewave.engine.migrate.plan import UNRECORDED, Action, Change, Mode, Plan, Recorded, StoreChangeError, make_plan
from candlewave.engine.migrate.state import State, ordered
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import from_text

KAFKA = "WITH (connector = 'kafka', topic = 't', primary_key = 'k') FORMAT UPSERT ENCODE JSON"
STATEMENTS = {
    "trades": "CREATE TABLE trades (k BIGINT, price DOUBLE PRECISION, ts TIMESTAMPTZ, PRIMARY KEY (k)) APPEND ONLY\n"
    "ON CONFLICT DO NOTHING",
    "symbols": "CREATE TABLE symbols (k BIGINT, name VARCHAR, PRIMARY KEY (k))",
    "candles": "CREATE MATERIALIZED VIEW candles AS\n"
    "SELECT k, max(price) AS high, min(price) AS low FROM trades GROUP BY k",
    "means": "CREATE MATERIALIZED VIEW means AS\nSELECT k, (high + low) / 2 AS mean FROM candles",
    "highs": "CREATE MATERIALIZED VIEW highs AS\nSELECT k, high FROM candles WHERE high > 0",
    "latest": "CREATE VIEW latest AS\nSELECT k, mean FROM means",
    "candles_sink": f"CREATE SINK candles_sink FROM candles {KAFKA}",
    "means_sink": f"CREATE SINK means_sink FROM means {KAFKA}",
}


class Engine:
    """What an engine has of the objects above, and what sql/ wants of it."""

    def __init__(self) -> None:
        self.wanted = dict(STATEMENTS)
        self.recorded = {
            o.name: Recorded(o.name, o.kind, fingerprint(o), o.text, rows=1000, seconds=2.5, bytes=4096)
            for o in state(STATEMENTS).values()
        }

    def edit(self, name: str, old: str, new: str) -> None:
        assert old in self.wanted[name]
        self.wanted[name] = self.wanted[name].replace(old, new)

    def forget_texts(self) -> None:
        for name, r in self.recorded.items():
            self.recorded[name] = Recorded(name, r.kind, r.sha256, None)

    def plan(self, *, by_name: bool = True, mode: Mode = Mode.BESIDE) -> Plan:
        return make_plan(self.recorded, state(self.wanted), readers_follow_names=by_name, mode=mode)


def state(statements: dict[str, str]) -> State:
    header = "-- {}: x.\n-- grain: x\n-- keys: k\n-- event time: none\n-- late data: x\n-- readers: x\n"
    return ordered(from_text(header.format(name) + statement) for name, statement in statements.items())


@pytest.fixture
def engine() -> Engine:
    return Engine()


def actions(plan: Plan) -> dict[str, Action]:
    return {change.name: change.action for change in plan.changes}


def by_name(plan: Plan) -> dict[str, Change]:
    return {change.name: change for change in plan.changes}


@pytest.mark.parametrize("follows", [True, False])
def test_nothing_changed_is_an_empty_plan(engine: Engine, follows: bool) -> None:
    engine.edit("means", "AS\nSELECT", "AS -- half of the sum\nSELECT")
    assert engine.plan(by_name=follows) == Plan()
    assert Plan().is_empty


def test_an_empty_engine_gets_everything_inputs_first(engine: Engine) -> None:
    engine.recorded = {}
    plan = engine.plan()
    assert set(actions(plan).values()) == {Action.ADDED}
    names = [change.name for change in plan.changes]
    assert names.index("trades") < names.index("candles") < names.index("means") < names.index("means_sink")
    assert by_name(plan)["means_sink"].reason == "new in sql/; every row is sent"
    assert (plan.rebuilt, plan.space_bytes) == ((), 0)


def test_new_column_rebuilds_one_view_where_readers_follow_names(engine: Engine) -> None:
    engine.edit("candles", "AS low", "AS low, max(price) - min(price) AS spread")
    plan = engine.plan()
    (change,) = plan.changes
    assert (change.name, change.action, change.added_columns) == ("candles", Action.CHANGED, ("spread",))
    assert change.reason == "its definition changed: adds spread"
    assert (change.rows, change.seconds, change.resends, change.cheap) == (1000, 2.5, None, False)
    assert "spread" in str(change.new_text)
    assert "spread" not in str(change.old_text)
    assert plan.rebuilt == ("candles",)
    assert plan.space_bytes == 4096


def test_new_column_replaces_readers_that_keep_the_old_relation_and_sends_nothing_again(engine: Engine) -> None:
    engine.edit("candles", "AS low", "AS low, max(price) - min(price) AS spread")
    plan = engine.plan(by_name=False)
    assert plan.rebuilt == ("candles", "highs", "means")
    reasons = {change.name: change.reason for change in plan.changes if change.action is Action.REBUILT}
    assert reasons == {
        "highs": "keeps reading the old candles",
        "means": "keeps reading the old candles",
        "latest": "keeps reading the old means",
        "candles_sink": "keeps reading the old candles; nothing is sent again",
        "means_sink": "keeps reading the old means; nothing is sent again",
    }
    assert {c.name: c.resends for c in plan.changes if c.kind is Kind.SINK} == {
        "candles_sink": False,
        "means_sink": False,
    }
    assert all(c.because_of == () for c in plan.changes)
    assert plan.space_bytes == 3 * 4096


def test_a_sink_without_keys_cannot_be_replaced_without_sending_again(engine: Engine) -> None:
    plain = "WITH (connector = 'kafka', topic = 't') FORMAT PLAIN ENCODE JSON"
    engine.wanted["means_sink"] = f"CREATE SINK means_sink FROM means {plain}"
    sink = state(engine.wanted)["means_sink"]
    engine.recorded["means_sink"] = Recorded("means_sink", Kind.SINK, fingerprint(sink), sink.text)
    engine.edit("means", "AS mean", "AS mean, high - low AS spread")
    change = by_name(engine.plan(by_name=False))["means_sink"]
    assert (change.resends, change.reason) == (True, "keeps reading the old means; every row is sent again")


@pytest.mark.parametrize("follows", [True, False])
def test_changed_column_rebuilds_what_reads_it(engine: Engine, follows: bool) -> None:
    engine.edit("candles", "min(price) AS low", "min(price) - 1 AS low")
    plan = engine.plan(by_name=follows)
    changes = by_name(plan)
    assert (changes["means"].action, changes["means"].because_of) == (Action.REBUILT, ("candles.low",))
    assert changes["means"].reason == "reads candles.low"
    assert changes["latest"].because_of == ("means.mean",)
    assert changes["latest"].cheap
    assert changes["candles_sink"].reason == "reads candles.low; every row is sent again"
    assert changes["means_sink"].resends is True
    assert ("highs" in changes) is not follows
    assert plan.rebuilt == (("candles", "means") if follows else ("candles", "highs", "means"))


def test_other_rows_rebuild_every_reader(engine: Engine) -> None:
    engine.edit("candles", "FROM trades", "FROM trades WHERE price > 0")
    plan = engine.plan()
    assert by_name(plan)["highs"].because_of == ("candles.*",)
    assert by_name(plan)["highs"].reason == "reads candles, where rows differ"
    assert plan.rebuilt == ("candles", "highs", "means")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("min(price) AS low", "min(price) AS lowest", "adds lowest; drops low"),
        ("min(price) AS low", "min(price) - 1 AS low", "other values in low"),
        ("FROM trades", "FROM trades WHERE price > 0", "its rows may differ"),
        ("FROM trades", "FROM trades, generate_series(1, 2) AS g", "could not resolve its columns, "),
        ("FROM trades", "FROM trades AS trades", "all values stay"),
    ],
)
def test_the_reason_says_what_about_a_definition_changed(engine: Engine, old: str, new: str, reason: str) -> None:
    del engine.wanted["means"], engine.wanted["latest"], engine.wanted["means_sink"]
    engine.edit("candles", old, new)
    found = by_name(engine.plan())["candles"].reason
    assert found.startswith(
        f"its definition changed: {reason}" if reason else "its definition changed, but its values do"
    )


def test_a_plain_view_is_created_again_on_a_replaced_relation(engine: Engine) -> None:
    engine.edit("means", "AS mean", "AS mean, high - low AS spread")
    plan = engine.plan()
    assert actions(plan) == {"means": Action.CHANGED, "latest": Action.REBUILT}
    assert by_name(plan)["latest"].reason == "is created again on the new means"
    assert by_name(plan)["latest"].cheap
    assert plan.rebuilt == ("means",)


def test_what_cannot_be_resolved_counts_as_changed_and_says_so(engine: Engine) -> None:
    query = "SELECT k, high FROM candles, generate_series(1, 2) AS g"
    engine.wanted["highs"] = f"CREATE MATERIALIZED VIEW highs AS\n{query}"
    engine.recorded["highs"] = Recorded(
        "highs", Kind.MATERIALIZED_VIEW, fingerprint(state(engine.wanted)["highs"]), state(engine.wanted)["highs"].text
    )
    engine.edit("candles", "AS low", "AS low, 1 AS one")
    change = by_name(engine.plan())["highs"]
    assert change.action is Action.REBUILT
    assert re.match(r"could not resolve its columns \(GENERATE_SERIES.* in FROM\): counts as changed", change.reason)


def test_size_is_unknown_when_one_is(engine: Engine) -> None:
    engine.edit("candles", "FROM trades", "FROM trades WHERE price > 0")
    engine.recorded["highs"] = Recorded("highs", Kind.MATERIALIZED_VIEW, engine.recorded["highs"].sha256)
    assert engine.plan().space_bytes is None
    assert engine.plan(mode=Mode.IN_PLACE).space_bytes == 0


def test_engine_without_texts_compares_fingerprints(engine: Engine) -> None:
    """As engines that candlewave 0.1.0 migrated: what changed is unknown, so all that reads it is rebuilt."""
    engine.forget_texts()
    assert engine.plan().is_empty
    engine.edit("candles", "AS low", "AS low, 1 AS one")
    plan = engine.plan()
    assert plan.rebuilt == ("candles", "highs", "means")
    changes = by_name(plan)
    assert (changes["candles"].old_text, changes["candles"].added_columns) == (None, ())
    assert changes["highs"].reason == (
        "could not resolve its columns (what candles was made from is not known): counts as changed"
    )
    assert changes["means_sink"].resends is True


def test_table_whose_text_is_unknown_rebuilds_no_reader(engine: Engine) -> None:
    engine.forget_texts()
    engine.edit("trades", "ts TIMESTAMPTZ", "ts TIMESTAMPTZ, side VARCHAR")
    (change,) = engine.plan().changes
    assert (change.action, change.reason) == (Action.ALTERED, "its definition changed since candlewave 0.1.0")
    engine.recorded["trades"] = Recorded("trades", Kind.TABLE, "", state=UNRECORDED)
    (change,) = engine.plan().changes
    assert (change.action, change.reason) == (Action.REPAIRED, "on the engine, but not made by a migration")


def test_missing_and_half_made_objects_are_repaired(engine: Engine) -> None:
    r = engine.recorded
    r["highs"] = Recorded("highs", r["highs"].kind, r["highs"].sha256, r["highs"].text, exists=False, bytes=1)
    r["means"] = Recorded("means", r["means"].kind, r["means"].sha256, r["means"].text, state="creating", bytes=2)
    plan = engine.plan()
    assert actions(plan) == {"highs": Action.REPAIRED, "means": Action.REPAIRED, "latest": Action.REBUILT}
    assert by_name(plan)["highs"].reason == "missing on the engine"
    assert by_name(plan)["means"].reason == "only half made on the engine"
    assert by_name(engine.plan(by_name=False))["means_sink"].resends is False


def test_removed_views_go_readers_first_and_tables_stay(engine: Engine) -> None:
    for name in ("latest", "means_sink", "means", "symbols"):
        del engine.wanted[name]
    plan = engine.plan()
    assert actions(plan) == dict.fromkeys(["latest", "means", "means_sink"], Action.REMOVED) | {
        "symbols": Action.ABANDONED
    }
    names = [change.name for change in plan.changes]
    assert names.index("means") > max(names.index("latest"), names.index("means_sink"))


def test_view_that_becomes_materialized_is_changed(engine: Engine) -> None:
    engine.edit("latest", "CREATE VIEW", "CREATE MATERIALIZED VIEW")
    assert actions(engine.plan()) == {"latest": Action.CHANGED}


def test_new_column_alters_the_table_and_rebuilds_nothing(engine: Engine) -> None:
    engine.edit("trades", "ts TIMESTAMPTZ", "ts TIMESTAMPTZ, side VARCHAR, seq BIGINT")
    (change,) = engine.plan(by_name=False).changes
    assert (change.action, change.reason) == (Action.ALTERED, "gains side VARCHAR, seq BIGINT")
    assert change.added_columns == ("side", "seq")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("price DOUBLE PRECISION, ", "", "column price is gone"),
        ("price DOUBLE PRECISION", "price NUMERIC", "column price was DOUBLE PRECISION and would become NUMERIC"),
        ("PRIMARY KEY (k)", "PRIMARY KEY (k, ts)", "the primary key was"),
        (") APPEND ONLY\nON CONFLICT DO NOTHING", ")", "which row of a key wins"),
        ("ON CONFLICT DO NOTHING", "ON CONFLICT DO NOTHING\nINCLUDE timestamp AS arrived", "the INCLUDE columns"),
        (
            "ON CONFLICT DO NOTHING",
            "ON CONFLICT DO NOTHING\nWITH (connector = 'kafka', topic = 't') FORMAT PLAIN ENCODE JSON",
            "connector was None and would be kafka",
        ),
    ],
)
def test_other_changes_of_a_table_are_refused(engine: Engine, old: str, new: str, what: str) -> None:
    engine.edit("trades", old, new)
    with pytest.raises(StoreChangeError, match=r"^trades: .*") as refused:
        engine.plan()
    assert what in str(refused.value)
    assert "a table only gains columns" in str(refused.value)


@pytest.mark.parametrize(("name", "was", "would_be"), [("symbols", "table", "view"), ("latest", "view", "table")])
def test_tables_and_views_do_not_become_each_other(engine: Engine, name: str, was: str, would_be: str) -> None:
    other = {"view": f"CREATE VIEW {name} AS SELECT k FROM trades", "table": f"CREATE TABLE {name} (k BIGINT)"}
    engine.wanted[name] = other[would_be]
    with pytest.raises(StoreChangeError, match=f"it is a {was} and would become a {would_be}"):
        engine.plan()


def test_expiring_trades_name_what_would_lose_its_past(engine: Engine) -> None:
    engine.edit("candles", "min(price) AS low", "min(price) - 1 AS low")
    assert engine.plan().refill == ()
    kafka = " WITH (connector = 'kafka', topic = 't', retention_seconds = 60) FORMAT PLAIN ENCODE JSON"
    engine.wanted["trades"] += kafka
    trades = state(engine.wanted)["trades"]
    engine.recorded["trades"] = Recorded("trades", Kind.TABLE, fingerprint(trades), trades.text)
    assert engine.plan().refill == ("candles",)


def test_json_holds_every_change(engine: Engine) -> None:
    engine.edit("candles", "min(price) AS low", "min(price) - 1 AS low")
    plan = engine.plan()
    written = plan.to_json()
    assert set(written) == {"changes", "rebuilt", "space_bytes", "refill"}
    assert isinstance(written["changes"], list)
    assert [c["name"] for c in written["changes"]] == [c.name for c in plan.changes]
    assert written["rebuilt"] == ["candles", "means"]


def test_in_place_every_reader_is_made_again_and_every_sink_sends(project: SmallProject) -> None:
    recorded = project.recorded()
    project.edit("minutes", "max(price) AS high", "max(price) AS high, min(price) AS low")
    plan = project.plan(recorded, by_name=False, mode=Mode.IN_PLACE)
    reasons = {change.name: change.reason for change in plan.changes}
    assert reasons["scaled"] == "reads minutes, which is dropped first"
    assert reasons["scaled_sink"] == "reads scaled, which is dropped first; every row is sent again"
