"""Symbols that fall silent on a connection that lives: when to ask for their trades, when to subscribe to them again.

An exchange can stop serving one subscription while it answers pings and sends the trades of other symbols. A symbol is
*silent* when nothing has shown for a while that it is served, or when a page of its newest trades had some that its
subscription should have brought. It is subscribed to again, with growing pauses, and meanwhile polled over REST.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from candlewave.core.backoff import doubled


@dataclass
class _Symbol:
    subscribed_at: datetime
    heard_at: datetime
    misses: bool = False
    polled_at: datetime | None = None
    failures: int = 0
    problem: str = ""
    tries: int = 0
    again_at: datetime | None = None


class Silence:
    """Note what is heard of each symbol of an exchange. All times come from the caller.

    Args:
        patience: how long a symbol may be without evidence before it is subscribed to again; the first pause.
        poll_pause: the first pause after a poll that failed, and between polls of a symbol that misses trades.
        max_pause: where pauses stop growing.
    """

    def __init__(self, patience: timedelta, poll_pause: timedelta, max_pause: timedelta) -> None:
        self._patience = patience
        self._poll_pause = poll_pause
        self._max = max_pause
        self._symbols: dict[str, _Symbol] = {}

    def connected(self, symbol: str, now: datetime) -> None:
        """Note that a symbol has been asked for on a new connection: it has all its patience again."""
        known = self._symbols.setdefault(symbol, _Symbol(now, now))
        known.subscribed_at = known.heard_at = now
        known.misses = False

    def subscribed(self, symbol: str, now: datetime) -> None:
        """Note that a symbol has been asked for; its trades from now on should come."""
        known = self._symbols.setdefault(symbol, _Symbol(now, now))
        known.subscribed_at = now

    def remove(self, symbol: str) -> None:
        """Forget a symbol."""
        self._symbols.pop(symbol, None)

    def evidence(self, symbol: str, at: datetime) -> None:
        """Note that a symbol was served at a moment."""
        if (known := self._symbols.get(symbol)) is not None:
            known.heard_at = max(known.heard_at, at)

    def heard(self, symbol: str, now: datetime) -> None:
        """Note a live trade: the subscription works."""
        self.evidence(symbol, now)
        if (known := self._symbols.get(symbol)) is not None:
            known.misses, known.tries, known.again_at = False, 0, None

    def should_have_come(self, symbol: str, ts: datetime) -> bool:
        """Return whether a trade of that time was the subscription's to bring."""
        known = self._symbols.get(symbol)
        return known is not None and ts > known.subscribed_at + self._poll_pause

    def polled(self, symbol: str, asked_at: datetime, *, missed: bool) -> None:
        """Note a page of a symbol's newest trades, and whether it had some that the subscription missed."""
        known = self._symbols.get(symbol)
        if known is None:
            return
        known.polled_at, known.failures, known.problem = asked_at, 0, ""
        self.evidence(symbol, asked_at)
        known.misses = known.misses or missed
        if not known.misses:
            known.tries, known.again_at = 0, None

    def poll_failed(self, symbol: str, asked_at: datetime, problem: str) -> None:
        """Note that a symbol's newest trades could not be had, and why."""
        if (known := self._symbols.get(symbol)) is not None:
            known.polled_at, known.problem = asked_at, problem
            known.failures += 1

    def may_poll(self, symbol: str, now: datetime) -> bool:
        """Return whether a symbol can be polled now: pauses grow while that fails."""
        known = self._symbols.get(symbol)
        if known is None:
            return False
        pause = self._poll_pause if known.misses or known.failures else timedelta(0)
        return known.polled_at is None or now >= known.polled_at + self._grown(pause, max(known.failures - 1, 0))

    def missing(self) -> list[str]:
        """Return the symbols whose subscriptions miss trades."""
        return [symbol for symbol, known in self._symbols.items() if known.misses]

    def to_subscribe(self, now: datetime) -> list[str]:
        """Return the silent symbols for which it is time to subscribe again, and count that as done."""
        due = []
        for symbol, known in self._symbols.items():
            if self._is_silent(known, now) and (known.again_at is None or now >= known.again_at):
                known.again_at = now + self._grown(self._patience, known.tries)
                known.tries += 1
                due.append(symbol)
        return due

    def unheard(self, now: datetime) -> set[str]:
        """Return the symbols of which nothing has been heard for too long."""
        return {symbol for symbol, known in self._symbols.items() if now - known.heard_at >= self._patience}

    def silent(self, now: datetime) -> dict[str, str]:
        """Return the silent symbols and what is known about each."""
        return {s: self._words(known, now) for s, known in self._symbols.items() if self._is_silent(known, now)}

    def _is_silent(self, known: _Symbol, now: datetime) -> bool:
        return known.misses or now - known.heard_at >= self._patience

    def _words(self, known: _Symbol, now: datetime) -> str:
        if now - known.heard_at < self._patience:
            what = "its subscription misses trades, which come over REST"
        else:
            what = f"nothing heard for {(now - known.heard_at).total_seconds():.0f} s"
        if known.tries:
            what += f", subscribed again {known.tries} time{'s' if known.tries > 1 else ''}"
        return f"{what}, REST: {known.problem}" if known.problem else what

    def _grown(self, pause: timedelta, times: int) -> timedelta:
        return doubled(pause, times, max(self._max, pause))
