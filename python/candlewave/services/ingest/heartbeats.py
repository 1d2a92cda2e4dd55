"""When heartbeats are due: in ranges that are known to be complete, and on live feeds that fall silent.

A heartbeat says "this feed was watched up to here". It lets a quiet market's candles close. Its id is made
of its time, so two replicas or a second run publish the same one.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from candlewave.core.times import MINUTE, floor_to_minute

SILENCE = timedelta(seconds=10)
"""How long a live feed is silent before a heartbeat says so."""


class CompleteRange:
    """Find the empty minutes of a range whose every trade passes by, roughly in order of time.

    The range of a symbol begins with its first trade, or at ``begin``. A minute is given when time, as seen
    on any symbol, has passed its end; a trade that comes later for such a minute does no harm. After
    ``LIMIT`` of silence a symbol's empty minutes are no longer given: no candle is filled that far, and one
    wrong date must not cost millions of heartbeats.
    """

    LIMIT = timedelta(days=1)

    def __init__(self, symbols: list[str] | None = None, begin: datetime | None = None) -> None:
        self._minute = None if begin is None else floor_to_minute(begin)
        self._newest: datetime | None = None
        self._last_traded: dict[str, datetime] = {}
        if self._minute is not None:
            self._last_traded = dict.fromkeys(symbols or [], self._minute - MINUTE)

    @property
    def last_minute(self) -> datetime | None:
        """Start of the newest minute with a trade, None before the first."""
        return self._newest

    @property
    def symbols(self) -> list[str]:
        """The symbols seen."""
        return list(self._last_traded)

    def advance(self, symbol: str, ts: datetime) -> list[tuple[str, datetime]]:
        """Note a trade; return (symbol, minute) of each empty minute that ended before it, oldest first."""
        if self._minute is not None and ts < self._minute:
            return []
        empty = []
        if self._minute is None or ts >= self._minute + MINUTE:
            minute = floor_to_minute(ts)
            steady = len(self._last_traded) == 1 and self._last_traded.get(symbol) == minute - MINUTE
            empty = [] if steady else self._close(minute)
            self._minute = self._newest = minute
        self._last_traded[symbol] = self._minute
        return empty

    def finish(self, end: datetime | None = None) -> list[tuple[str, datetime]]:
        """Return the empty minutes up to ``end`` (exclusive), or up to and with the last minute traded."""
        if end is None:
            end = self._minute if self._newest is None else self._newest + MINUTE
        if self._minute is None or end is None:
            return []
        until = max(floor_to_minute(end), self._minute)
        empty = self._close(until)
        self._minute = until
        return empty

    def _close(self, until: datetime) -> list[tuple[str, datetime]]:
        empty = []
        minute = self._minute
        while minute is not None and minute < until:
            oldest = minute - self.LIMIT
            waiting = [s for s, last in self._last_traded.items() if oldest <= last < minute]
            if not waiting and all(last < minute for last in self._last_traded.values()):
                break
            empty += [(symbol, minute) for symbol in waiting]
            minute += MINUTE
        return empty


class LiveFeed:
    """Find the heartbeats that are due on a live feed: after 10 s of silence, and once a minute is over plus grace.

    Evidence says that a symbol's feed was served at a moment: its own message, the answer to its subscription, or a
    page of its newest trades. Without any that is recent, nothing is given for the symbol. A page without a jump
    proves the time before it too, so the minutes that passed in between are then given. All times come from the caller.

    Args:
        symbols: known from the start.
        grace: how long after a minute's end its candle closes.
        now: the start.
        evidence_lasts: how old evidence may be; None where none is needed, because the feed is this process itself.
    """

    PROVEN_MINUTES = 60
    """The most minutes given for one page."""

    def __init__(
        self, symbols: Iterable[str], grace: timedelta, now: datetime, evidence_lasts: timedelta | None = None
    ) -> None:
        self._grace = grace
        self._lasts = evidence_lasts
        self._heard = dict.fromkeys(symbols, now)
        self._passed = dict.fromkeys(self._heard, now)
        self._evidence: dict[str, datetime] = {}
        self._proven: dict[str, datetime] = {}

    def trade(self, symbol: str, ts: datetime, now: datetime) -> None:
        """Note a trade with event time ``ts`` received at ``now``."""
        self._heard[symbol] = now
        self._passed[symbol] = max(self._passed.get(symbol, ts), ts)

    def evidence(self, symbol: str, at: datetime) -> None:
        """Note that the symbol's feed was served at a moment."""
        if symbol not in self._passed:
            self._heard[symbol] = self._passed[symbol] = at
        self._evidence[symbol] = max(self._evidence.get(symbol, at), at)

    def proven(self, symbol: str, until: datetime) -> None:
        """Note that every trade up to a moment is known."""
        self.evidence(symbol, until)
        self._proven[symbol] = max(self._proven.get(symbol, until), until)

    def lost(self) -> None:
        """Forget all evidence: the connection is gone."""
        self._evidence.clear()
        self._proven.clear()

    def remove(self, symbol: str) -> None:
        """Owe nothing for a symbol until it is heard of again."""
        for known in (self._heard, self._passed, self._evidence, self._proven):
            known.pop(symbol, None)

    def wanting(self, now: datetime) -> list[str]:
        """Return the symbols that are owed a minute's heartbeat for which evidence is missing, oldest first."""
        boundary = self._boundary(now)
        waiting = [s for s, passed in self._passed.items() if passed < boundary and not self._is_served(s, boundary)]
        return sorted(waiting, key=lambda symbol: (self._passed[symbol], symbol))

    def due(self, now: datetime) -> list[tuple[str, datetime]]:
        """Return (symbol, time) of each heartbeat that is due at ``now`` and count it as published."""
        boundary = self._boundary(now)
        owed = []
        for symbol, passed in self._passed.items():
            given = self._proven_minutes(symbol, passed, boundary)
            if passed < boundary:
                if self._is_served(symbol, boundary):
                    given.append(boundary)
            elif now - self._heard[symbol] >= SILENCE and self._is_served(symbol, now):
                given.append(now.replace(microsecond=0))
            if given:
                owed += [(symbol, ts) for ts in given]
                self._heard[symbol] = now
                self._passed[symbol] = max(passed, given[-1])
        return owed

    def _boundary(self, now: datetime) -> datetime:
        """Return the newest moment at which a minute was over plus grace."""
        return floor_to_minute(now - self._grace) + self._grace

    def _is_served(self, symbol: str, at: datetime) -> bool:
        return self._lasts is None or (symbol in self._evidence and at <= self._evidence[symbol] + self._lasts)

    def _proven_minutes(self, symbol: str, passed: datetime, boundary: datetime) -> list[datetime]:
        """Return the ends of minutes plus grace before ``boundary`` that a page has proven."""
        until = min(self._proven.pop(symbol, passed), boundary - MINUTE)
        found: list[datetime] = []
        while until > passed and len(found) < self.PROVEN_MINUTES:
            end = self._boundary(until)
            if end <= passed:
                break
            found.append(end)
            until = end - MINUTE
        return found[::-1]
