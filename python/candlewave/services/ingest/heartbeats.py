"""When heartbeats are due: in ranges that are known to be complete, and on live feeds that fall silent.

A heartbeat says "this feed was watched up to here". It lets a quiet market's candles close. Its id is made
of its time, so two replicas or a second run publish the same one.
"""

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
            empty = self._close(minute)
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

    All times come from the caller.
    """

    def __init__(self, symbols: list[str], grace: timedelta, now: datetime) -> None:
        self._grace = grace
        self._heard = dict.fromkeys(symbols, now)
        self._passed = dict.fromkeys(symbols, now)

    def trade(self, symbol: str, ts: datetime, now: datetime) -> None:
        """Note a trade with event time ``ts`` received at ``now``."""
        self._heard[symbol] = now
        self._passed[symbol] = max(self._passed.get(symbol, ts), ts)

    def remove(self, symbol: str) -> None:
        """Owe nothing for a symbol until its next trade."""
        self._heard.pop(symbol, None)
        self._passed.pop(symbol, None)

    def due(self, now: datetime) -> list[tuple[str, datetime]]:
        """Return (symbol, time) of each heartbeat that is due at ``now`` and count it as published."""
        boundary = floor_to_minute(now - self._grace) + self._grace
        owed = []
        for symbol, passed in self._passed.items():
            if passed < boundary:
                owed.append((symbol, boundary))
            elif now - self._heard[symbol] >= SILENCE:
                owed.append((symbol, now.replace(microsecond=0)))
            else:
                continue
            self._heard[symbol] = now
            self._passed[symbol] = max(passed, owed[-1][1])
        return owed
