"""Compare what a load published with what the engine stores.

The first trade of an id wins, so that a repetition changes nothing; another trade with the same id would vanish unseen,
so it is published once more as a conflict.
"""

import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice

import psycopg
from psycopg.rows import tuple_row

from candlewave.contracts.records import Trade, renumbered

_BATCH = 5_000
_SHOWN = 5


class StoredTrades:
    """Looks published trades up in table ``trades`` and keeps count of those that are not there as published.

    Args:
        conn: connection in autocommit mode.
        timeout: seconds to wait for trades that the engine has not taken in yet.
        on_differing: called with each trade whose id belongs to another one.
        on_renumbered: called with each trade, under an id of its own, whose id belongs to one of another numbering.

    Attributes:
        checked: trades looked up.
        missing: trades of which no row has the id, after the timeout.
        differing: trades whose id belongs to a row with another time, price, quantity or side.
        renumbered: trades whose id belongs to one of another numbering, and that got one of their own.
        examples: the first few of both, in words.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        timeout: float = 60.0,
        *,
        on_differing: Callable[[Trade], None] = lambda _: None,
        on_renumbered: Callable[[Trade], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._conn = conn
        self._on_differing = on_differing
        self._on_renumbered = on_renumbered
        self._timeout = timeout
        self._clock = clock
        self._sleep = sleep
        self.checked = self.missing = self.differing = self.renumbered = 0
        self.examples: list[str] = []

    def check(self, trades: Iterable[Trade]) -> None:
        """Look trades up; memory is bounded by a batch, however many there are."""
        remaining = iter(trades)
        while batch := list(islice(remaining, _BATCH)):
            markets: dict[tuple[str, str], list[Trade]] = {}
            for trade in batch:
                markets.setdefault((trade.exchange, trade.symbol), []).append(trade)
            for of_market in markets.values():
                self._check_batch(of_market)

    def problem(self) -> str | None:
        """Return what is wrong in one sentence, None when everything is stored as it was published."""
        if not self.missing and not self.differing:
            return None
        parts = []
        if self.differing:
            parts.append(f"{self.differing:,} have an id that another trade of this market used before")
        if self.missing:
            parts.append(f"{self.missing:,} are not stored after {self._timeout:g} s")
        return f"of {self.checked:,} trades {' and '.join(parts)}: {'; '.join(self.examples)}"

    def note(self) -> str | None:
        """Return what the user should know though nothing is wrong."""
        if not self.renumbered:
            return None
        return (
            f"{self.renumbered:,} trades have ids that others used a day or more before or after: theirs begin with r:"
        )

    def _check_batch(self, batch: list[Trade]) -> None:
        self.checked += len(batch)
        waiting = {trade.trade_id: trade for trade in batch}
        deadline = self._clock() + self._timeout
        pause = 0.05
        repeated = [trade for trade in batch if content(waiting[trade.trade_id]) != content(trade)]
        while True:
            stored = self._stored(batch[0].exchange, batch[0].symbol, list(waiting))
            for identity, found in stored.items():
                self._compare(waiting.pop(identity), found)
            if not waiting or self._clock() > deadline:
                break
            self._sleep(pause)
            pause = min(pause * 1.5, 1.0)
        for trade in repeated:
            stored = self._stored(trade.exchange, trade.symbol, [trade.trade_id])
            if trade.trade_id in stored:
                self._compare(trade, stored[trade.trade_id])
        for trade in waiting.values():
            self.missing += 1
            self._show(f"{trade.trade_id} is absent")

    def _compare(self, trade: Trade, stored: tuple[object, ...]) -> None:
        if stored == content(trade):
            return
        if (anew := renumbered(trade, stored[0])) is not None:
            self.renumbered += 1
            self._on_renumbered(anew)
        else:
            self.differing += 1
            self._on_differing(trade)
            self._show(f"{trade.trade_id} was published as {_words(content(trade))}, stored is {_words(stored)}")

    def _show(self, example: str) -> None:
        if len(self.examples) < _SHOWN:
            self.examples.append(example)

    def _stored(self, exchange: str, symbol: str, ids: list[str]) -> dict[str, tuple[object, ...]]:
        return stored_contents(self._conn, exchange, symbol, ids)


def stored_contents(
    conn: psycopg.Connection, exchange: str, symbol: str, ids: list[str]
) -> dict[str, tuple[object, ...]]:
    """Return what is stored under trade ids of a market, comparable with :func:`content`."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT trade_id, ts, price, quantity, side FROM trades"
            " WHERE exchange = %s AND symbol = %s AND trade_id = ANY(%s)",
            [exchange, symbol, ids],
        )
        return {row[0]: (*row[1:4], row[4] or None) for row in cursor}


def content(trade: Trade) -> tuple[object, ...]:
    """Return what makes a trade the same, as the engine's types have it."""
    return trade.ts, float(Decimal(trade.price)), float(Decimal(trade.quantity)), trade.side


def _words(of_trade: tuple[object, ...]) -> str:
    ts, price, quantity, side = of_trade
    return f"{quantity} at {price} ({side or 'side unknown'}, {ts})"
