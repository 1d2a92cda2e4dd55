"""Which candles are forecast from: each once, in order, never before the market's own feed has passed them."""

from datetime import UTC, datetime, timedelta

import pytest

from candlewave.core.markets import Market
from candlewave.engine.clocks import newest_due
from candlewave.services.predictor.schedule import ForecastSchedule, Task, batches

BTC = Market("kraken", "BTC/USD")
ETH = Market("kraken", "ETH/USD")
MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=2)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-05-04T{text}+00:00")


@pytest.mark.parametrize(
    ("last_ts", "closed_until", "newest"),
    [
        ("12:05:02", "12:05:00", "12:04:00"),
        ("12:05:01.999999", "12:05:00", "12:03:00"),
        ("12:05:59", "12:05:00", "12:04:00"),
        ("12:07:30", "12:05:00", "12:04:00"),
        ("11:30:00", "12:05:00", "11:28:00"),
    ],
)
def test_a_candle_is_due_when_clock_and_own_feed_have_passed_it(last_ts: str, closed_until: str, newest: str) -> None:
    assert newest_due(at(last_ts), at(closed_until), GRACE) == at(newest)


def schedule(catch_up: int = 10, max_age: int | None = 300) -> ForecastSchedule:
    age = None if max_age is None else timedelta(seconds=max_age)
    return ForecastSchedule(timedelta(minutes=catch_up), age)


def run(
    schedule: ForecastSchedule, due: dict[Market, datetime], now: datetime, holes: tuple[Task, ...] = ()
) -> list[Task]:
    """Plan and finish; return what was tried."""
    plan = schedule.plan(due, now)
    schedule.finish(plan, plan.tasks, [task for task in plan.tasks if task not in holes])
    return plan.tasks


def test_a_market_begins_with_its_newest_candle_and_has_each_once() -> None:
    book = schedule()
    assert book.unknown([BTC]) == [BTC]
    book.resume(BTC, None)
    assert book.unknown([BTC]) == []
    due = {BTC: at("12:00:00")}
    assert run(book, due, at("12:01:02")) == [Task(*BTC, at("12:00:00"))]
    assert run(book, due, at("12:01:03")) == []
    assert run(book, {BTC: at("12:01:00")}, at("12:02:02")) == [Task(*BTC, at("12:01:00"))]


def test_downtime_is_made_up_for_in_order_of_time_and_only_so_far() -> None:
    book = schedule(catch_up=2)
    book.resume(BTC, at("11:50:00"))
    book.resume(ETH, at("11:58:00"))
    plan = book.plan({BTC: at("12:00:00"), ETH: at("12:00:00")}, at("12:01:02"))
    assert [(task.symbol, f"{task.open_time:%H:%M}") for task in plan.tasks] == [
        ("BTC/USD", "11:58"),
        ("BTC/USD", "11:59"),
        ("ETH/USD", "11:59"),
        ("BTC/USD", "12:00"),
        ("ETH/USD", "12:00"),
    ]
    assert plan.skipped == [(BTC, "missed")]


def test_nothing_is_made_up_for_when_so_configured() -> None:
    book = schedule(catch_up=0)
    book.resume(BTC, at("11:50:00"))
    assert run(book, {BTC: at("12:00:00")}, at("12:01:02")) == [Task(*BTC, at("12:00:00"))]


def test_what_was_not_finished_is_planned_again() -> None:
    book = schedule()
    book.resume(BTC, at("11:57:00"))
    due = {BTC: at("12:00:00")}
    plan = book.plan(due, at("12:01:02"))
    book.finish(plan, plan.tasks[:1], plan.tasks[:1])
    assert [f"{task.open_time:%H:%M}" for task in book.plan(due, at("12:01:03")).tasks] == ["11:59", "12:00"]


def test_a_candle_that_is_missing_behind_another_is_passed_over_the_newest_is_asked_for_again() -> None:
    book = schedule()
    book.resume(BTC, at("11:57:00"))
    hole, newest = Task(*BTC, at("11:59:00")), Task(*BTC, at("12:00:00"))
    plan = book.plan({BTC: at("12:00:00")}, at("12:01:02"))
    assert len(plan.tasks) == 3
    assert book.finish(plan, plan.tasks, plan.tasks[:1]) == [hole, newest]
    assert book.waiting
    assert book.finish(plan, [newest], []) == []
    assert run(book, {BTC: at("12:00:00")}, at("12:01:03"), (newest,)) == [newest]
    assert run(book, {BTC: at("12:00:00")}, at("12:01:04")) == [newest]
    assert not book.waiting
    assert run(book, {BTC: at("12:00:00")}, at("12:01:05")) == []


def test_a_stale_market_is_left_out_said_once_and_taken_up_again() -> None:
    book = schedule(max_age=300)
    book.resume(BTC, at("11:59:00"))
    assert book.plan({BTC: at("12:00:00")}, at("12:06:00")).stale == []
    late = book.plan({BTC: at("12:00:00")}, at("12:06:01"))
    assert (late.tasks, late.stale, late.skipped) == ([], [BTC], [(BTC, "stale")])
    again = book.plan({BTC: at("12:00:00")}, at("12:07:01"))
    assert (again.stale, again.skipped) == ([BTC], [])
    assert len(run(book, {BTC: at("12:06:00")}, at("12:07:02"))) == 7


def test_the_silence_of_a_market_that_is_not_expected_is_forgotten_after_an_hour() -> None:
    book = ForecastSchedule(timedelta(minutes=10), timedelta(seconds=300), [BTC])
    for market in (BTC, ETH):
        book.resume(market, at("11:59:00"))
    due = {BTC: at("12:00:00"), ETH: at("12:00:00")}
    assert book.plan(due, at("13:00:00")).stale == [BTC, ETH]
    later = book.plan(due, at("13:00:01"))
    assert later.stale == [BTC]
    assert later.oldest_due == at("12:00:00")
    assert book.plan({ETH: at("12:00:00")}, at("13:00:01")).oldest_due is None


def test_a_trade_from_the_future_is_no_ground_for_forecasts() -> None:
    book = schedule()
    book.resume(BTC, at("11:59:00"))
    future = {BTC: at("18:00:00")}
    assert run(book, future, at("12:00:49")) == []
    assert run(book, future, at("12:00:50")) == [Task(*BTC, at("12:00:00"))]
    assert run(book, {BTC: at("12:01:00")}, at("12:02:02")) == [Task(*BTC, at("12:01:00"))]


def test_replays_may_be_of_any_age() -> None:
    book = schedule(max_age=None)
    book.resume(BTC, None)
    assert len(run(book, {BTC: at("12:00:00")}, datetime(2030, 1, 1, tzinfo=UTC))) == 1


def test_a_clock_that_goes_back_forecasts_nothing_twice() -> None:
    book = schedule()
    book.resume(BTC, at("12:00:00"))
    assert run(book, {BTC: at("11:50:00")}, at("12:01:02")) == []
    assert run(book, {BTC: at("12:01:00")}, at("12:02:02")) == [Task(*BTC, at("12:01:00"))]


def test_markets_of_other_replicas_are_forgotten() -> None:
    book = schedule()
    book.resume(BTC, at("12:00:00"))
    assert book.unknown([ETH]) == [ETH]
    assert book.unknown([BTC, ETH]) == [BTC, ETH]


def test_batches_keep_order() -> None:
    tasks = [Task("kraken", str(i), at("12:00:00")) for i in range(5)]
    assert [len(batch) for batch in batches(tasks, 2)] == [2, 2, 1]
    assert [task for batch in batches(tasks, 2) for task in batch] == tasks
