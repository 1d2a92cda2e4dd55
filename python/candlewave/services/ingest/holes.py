"""Holes in a market's live trades, and how the ledger remembers them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from candlewave.services.ingest.ledger import LoadedRange, RangeSource, State


@dataclass(frozen=True, slots=True)
class Last:
    """The newest trade of a market that is stored or on its way: id when it is a running number, and time."""

    number: int | None
    trade_id: str
    ts: datetime


@dataclass(frozen=True, slots=True)
class Hole:
    """Trades that are missing between two known ones.

    Attributes:
        exchange, symbol: the market.
        after, before: the known trades around it.
    """

    exchange: str
    symbol: str
    after: Last
    before: Last

    def entry(self, state: State = State.LOADING, trades: int = 0) -> LoadedRange:
        """Return the ledger's row of it."""
        reached = json.dumps(
            {
                "hole": True,
                "after": [self.after.number, self.after.trade_id],
                "before": [self.before.number, self.before.trade_id],
            }
        )
        end = max(self.before.ts, self.after.ts + timedelta(microseconds=1))
        return LoadedRange(
            self.exchange,
            self.symbol,
            RangeSource.API,
            self.after.ts,
            end,
            state,
            reached if state is State.LOADING else "",
            trades,
        )

    @staticmethod
    def from_entry(entry: LoadedRange) -> "Hole | None":
        """Return the hole of a ledger's row; None when the row is something else."""
        if entry.state is not State.LOADING or not entry.reached.startswith("{"):
            return None
        found = json.loads(entry.reached)
        if not found.get("hole"):
            return None
        after, before = found["after"], found["before"]
        return Hole(
            entry.exchange, entry.symbol, Last(after[0], after[1], entry.begin), Last(before[0], before[1], entry.end)
        )
