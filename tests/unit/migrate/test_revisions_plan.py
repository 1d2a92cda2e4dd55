"""What a plan contains, and which changes of tables it refuses."""

import pytest
from tests.unit.migrate.small_project import SmallProject

from candlewave.engine.migrate.revisions_plan import Action, Plan, StoreChangeError, make_plan
from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep


@pytest.fixture
def initial(project: SmallProject) -> SmallProject:
    project.migration("initial")
    return project


def plan_of(project: SmallProject) -> Plan:
    comparison = project.compare()[0]
    return make_plan(comparison.before, comparison.rendered)


def actions(plan: Plan) -> dict[str, Action]:
    return {change.name: change.action for change in plan.changes}


def test_first_plan_creates_in_dependency_order(project: SmallProject) -> None:
    plan = plan_of(project)
    names = [change.name for change in plan.changes]
    assert {change.action for change in plan.changes} == {Action.CREATED}
    assert names.index("trades") < names.index("minutes") < names.index("scaled") < names.index("scaled_sink")
    assert [step.name for step in plan.downgrade if isinstance(step, Drop)] == names[::-1]


def test_nothing_changed_is_an_empty_plan(initial: SmallProject) -> None:
    assert plan_of(initial) == Plan((), (), (), ())


def test_changed_view_is_rebuilt_with_everything_downstream(initial: SmallProject) -> None:
    initial.edit("scaled", "high *", "high / 2 *")
    plan = plan_of(initial)
    assert actions(plan) == dict.fromkeys(["scaled", "latest", "scaled_sink"], Action.REBUILT)
    reasons = {change.name: change.reason for change in plan.changes}
    assert reasons == {
        "scaled": "its definition changed",
        "latest": "reads scaled",
        "scaled_sink": "reads scaled; every row is sent again",
    }
    assert plan.upgrade[:3] == (
        Drop("sink", "scaled_sink"),
        Drop("view", "latest"),
        Drop("materialized view", "scaled"),
    )
    assert all(isinstance(step, Create) for step in plan.upgrade[3:])
    assert plan.rereads_trades == ()


def test_plan_names_what_is_computed_again_from_trades(initial: SmallProject) -> None:
    initial.edit("minutes", "max(price)", "min(price)")
    assert plan_of(initial).rereads_trades == ("minutes",)


def test_view_that_becomes_materialized_is_rebuilt(initial: SmallProject) -> None:
    initial.edit("latest", "CREATE VIEW", "CREATE MATERIALIZED VIEW")
    plan = plan_of(initial)
    assert actions(plan) == {"latest": Action.REBUILT}
    assert plan.upgrade[0] == Drop("view", "latest")
    assert plan.downgrade[0] == Drop("materialized view", "latest")


def test_new_column_alters_the_table_and_rebuilds_nothing(initial: SmallProject) -> None:
    initial.edit("trades", "ts TIMESTAMPTZ,", "ts TIMESTAMPTZ,\n    side VARCHAR,\n    seq BIGINT,")
    plan = plan_of(initial)
    assert [(c.action, c.reason) for c in plan.changes] == [(Action.ALTERED, "adds side VARCHAR, seq BIGINT")]
    (step,) = plan.upgrade
    assert isinstance(step, Add)
    assert step.columns == ("side", "seq")
    assert [type(step) for step in plan.downgrade] == [Keep]


def test_removed_view_is_dropped_and_removed_table_is_abandoned(initial: SmallProject) -> None:
    initial.remove("latest")
    initial.remove("symbols")
    plan = plan_of(initial)
    assert actions(plan) == {"latest": Action.DROPPED, "symbols": Action.ABANDONED}
    assert plan.upgrade == (Drop("view", "latest"), Abandon("symbols"))
    assert [type(step) for step in plan.downgrade] == [Create, Create]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("    price DOUBLE PRECISION,\n", "", "column price is gone"),
        ("price DOUBLE PRECISION", "price NUMERIC", "column price was DOUBLE PRECISION and would become NUMERIC"),
        ("PRIMARY KEY (symbol, trade_id)", "PRIMARY KEY (trade_id)", "the primary key was"),
        (") APPEND ONLY\nON CONFLICT DO NOTHING", ")", "which row of a key wins"),
        ("ON CONFLICT DO NOTHING", "ON CONFLICT DO NOTHING\nINCLUDE timestamp AS arrived", "the INCLUDE columns"),
        (
            "ON CONFLICT DO NOTHING",
            "ON CONFLICT DO NOTHING\nWITH (connector = 'kafka', topic = 't') FORMAT PLAIN ENCODE JSON",
            "connector was None and would be kafka",
        ),
    ],
)
def test_other_changes_of_a_table_are_refused(initial: SmallProject, old: str, new: str, what: str) -> None:
    initial.edit("trades", old, new)
    with pytest.raises(StoreChangeError, match=r"^trades: .*") as refused:
        plan_of(initial)
    assert what in str(refused.value)
    assert "only adds columns" in str(refused.value)


def test_table_does_not_become_a_view(initial: SmallProject) -> None:
    initial.remove("symbols")
    initial.put(
        "symbols", "CREATE VIEW symbols AS SELECT symbol, max(ts) AS ts FROM trades GROUP BY symbol", keys="symbol"
    )
    with pytest.raises(StoreChangeError, match="it is a table and would become a view"):
        plan_of(initial)
