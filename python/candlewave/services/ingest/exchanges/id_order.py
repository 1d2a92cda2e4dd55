"""Trades in the order of their running ids, however an exchange's pages cut them."""

from collections.abc import Sequence
from datetime import datetime

from candlewave.core.times import to_us
from candlewave.services.ingest.records import Garbage, RawTrade


class IdOrder:
    """Hand on trades in the order of their running ids, each once; hold back those after a jump.

    Args:
        reached: the id before the first wanted one; None takes the lowest of the first page.
    """

    _TRUST = 5

    def __init__(self, reached: int | None) -> None:
        self._reached = reached
        self._held: dict[int, RawTrade] = {}
        self._times: dict[int, int] = {}
        self._unreadable: set[bytes] = set()
        self._gaps = 0

    @property
    def reached(self) -> int:
        """The id up to which every trade was handed on; -1 before the first."""
        return -1 if self._reached is None else self._reached

    @property
    def missing(self) -> bool:
        """True while trades are held back because others are missing before them."""
        return bool(self._held)

    def take(self, rows: Sequence[RawTrade | Garbage]) -> list[RawTrade | Garbage]:
        """Take a page; return what can be handed on now."""
        ready: list[RawTrade | Garbage] = []
        for row in rows:
            number = None if isinstance(row, Garbage) else running_id(row.trade_id)
            if number is None or isinstance(row, Garbage):
                if row.payload not in self._unreadable:
                    ready.append(row)
                    self._unreadable.add(row.payload)
                continue
            if isinstance(row.ts, datetime):
                self._times[number] = to_us(row.ts) * 1_000
            if self._reached is None or number > self._reached:
                self._held.setdefault(number, row)
        if self._reached is None and self._held:
            self._reached = min(self._held) - 1
        while self._held:
            number = min(self._held) if self._gaps >= self._TRUST else self.reached + 1
            if number not in self._held:
                break
            ready.append(self._held.pop(number))
            self._reached = number
        return ready

    def times_before(self, page: int) -> list[int]:
        """Return times in ns, ever earlier, just before the newest eighth of a page, and more, ahead of a jump."""
        known = sorted(number for number in self._times if number <= self.reached)
        counts = sorted({max(page * eighths // 8, 1) for eighths in (1, 2, 4, 6)})
        return [min(self._times[n] for n in known[-count:]) - 1_000 for count in counts] if known else []

    def forget(self, keep: int) -> None:
        """Forget the times of all but the newest trades."""
        for number in sorted(self._times)[:-keep]:
            del self._times[number]

    def give_up(self) -> list[int]:
        """Go on behind a jump; return the first and last id that are missing. After some, jumps are taken as usual."""
        gap = [self.reached + 1, min(self._held) - 1]
        self._reached = gap[1]
        self._gaps += 1
        return gap


def running_id(value: object) -> int | None:
    """Return a trade id as a number, None where it is none."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None
