"""Which candles of which markets are to be forecast from now. No clock, no connection."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, floor_to_minute
from candlewave.engine.clocks import HISTORY_AFTER

_SKEW = timedelta(seconds=10)


class Task(NamedTuple):
    """A candle to forecast from."""

    exchange: str
    symbol: str
    open_time: datetime

    @property
    def market(self) -> Market:
        """Its market."""
        return Market(self.exchange, self.symbol)


@dataclass
class DueTasks:
    """What to do now.

    Attributes:
        tasks: by time, then market.
        newest: newest due candle of each market with tasks.
        skipped: markets left out for a reason that is new.
        stale: markets whose newest candle is too old.
        oldest_due: oldest of the newest due candles of all markets that should have one.
    """

    tasks: list[Task] = field(default_factory=list)
    newest: dict[Market, datetime] = field(default_factory=dict)
    skipped: list[tuple[Market, str]] = field(default_factory=list)
    stale: list[Market] = field(default_factory=list)
    oldest_due: datetime | None = None


class ForecastSchedule:
    """Remembers how far each market has been forecast.

    Args:
        catch_up: how far back missed candles are made up for.
        max_age: age at which a market's newest candle is too old to forecast from; None for any.
        expected: markets whose silence always matters; others, which were replayed or are no longer configured, are
            forgotten after an hour.
    """

    def __init__(
        self, catch_up: timedelta, max_age: timedelta | None, expected: Collection[Market] = frozenset()
    ) -> None:
        self._catch_up = catch_up
        self._expected = frozenset(expected)
        self._max_age = max_age
        self._done: dict[Market, datetime | None] = {}
        self._said: dict[Market, tuple[str, datetime]] = {}
        self._waiting: set[Task] = set()

    @property
    def waiting(self) -> bool:
        """True while the newest candle of a market is due and does not exist yet."""
        return bool(self._waiting)

    def unknown(self, markets: Iterable[Market]) -> list[Market]:
        """Return the markets of which it must be asked how far they are; forget all that are not among them."""
        wanted = list(markets)
        kept = set(wanted)
        self._done = {market: done for market, done in self._done.items() if market in kept}
        self._said = {market: said for market, said in self._said.items() if market in kept}
        self._waiting = {task for task in self._waiting if task.market in kept}
        return [market for market in wanted if market not in self._done]

    def resume(self, market: Market, done: datetime | None) -> None:
        """Say how far a market has been forecast; None if it never was: then it begins with its newest candle."""
        self._done[market] = done

    def plan(self, due: Mapping[Market, datetime], now: datetime) -> DueTasks:
        """Return the candles to forecast from.

        Args:
            due: newest due candle by market.
            now: wall clock, UTC.
        """
        plan = DueTasks()
        present = floor_to_minute(now + _SKEW) - MINUTE
        for market, last in due.items():
            # A trade from the future closes candles that have not happened: nothing is forecast from them.
            newest = min(last, present)
            if market not in self._expected and now - newest > max(HISTORY_AFTER, self._max_age or timedelta.max):
                continue
            plan.oldest_due = min(newest, plan.oldest_due or newest)
            if self._max_age is not None and now - (newest + MINUTE) > self._max_age:
                plan.stale.append(market)
                self._skip(plan, market, "stale", newest)
                continue
            done = self._done.get(market)
            if done is None:
                done = newest - MINUTE
            elif newest - done > self._catch_up + MINUTE:
                self._skip(plan, market, "missed", newest)
                done = newest - self._catch_up - MINUTE
            if newest > done:
                plan.newest[market] = newest
                steps = (newest - done) // MINUTE
                plan.tasks += [Task(*market, newest - MINUTE * back) for back in range(steps - 1, -1, -1)]
        plan.tasks.sort(key=lambda task: task.open_time)
        return plan

    def finish(self, plan: DueTasks, tasks: Sequence[Task], found: Iterable[Task]) -> list[Task]:
        """Note what was forecast, and return the tasks whose candle does not exist, each once.

        A candle that is missing behind another one will not come any more. The newest one of a market may: it is
        asked for again until the next one is due.

        Args:
            plan: they came from.
            tasks: that were tried.
            found: of them, those whose features exist.
        """
        known = set(found)
        missing = []
        for task in tasks:
            was_waiting = task in self._waiting
            self._waiting.discard(task)
            if task not in known and not was_waiting:
                missing.append(task)
            if task in known or task.open_time < plan.newest[task.market]:
                self._done[task.market] = task.open_time
            else:
                self._waiting.add(task)
        return missing

    def _skip(self, plan: DueTasks, market: Market, reason: str, newest: datetime) -> None:
        if self._said.get(market) != (reason, newest):
            self._said[market] = (reason, newest)
            plan.skipped.append((market, reason))


def batches(tasks: Sequence[Task], size: int) -> Iterable[Sequence[Task]]:
    """Cut tasks into batches of at most ``size``."""
    for begin in range(0, len(tasks), size):
        yield tasks[begin : begin + size]
