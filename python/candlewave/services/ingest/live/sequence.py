"""The order of one market's trades."""

from collections.abc import Collection
from datetime import datetime, timedelta

from candlewave.contracts.records import Trade
from candlewave.services.ingest.holes import Hole, Last
from candlewave.services.ingest.verify import content

_RESET = timedelta(minutes=1)
_REMEMBERED = 2_000


class TradeSequence:
    """The order of one market's trades: what is new, what was seen, where something is missing."""

    def __init__(self, exchange: str, symbol: str, last: Last | None, *, running_ids: bool) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.last = last
        self._running_ids = running_ids
        self._recent: dict[str, tuple[object, ...]] = {}
        self._highest = -1 if last is None or last.number is None else last.number
        self.doubtful = False
        """Whether the id of the trade just taken may belong to another one: only the engine knows."""
        # What was stored before this process may have been followed by trades that were missed.
        self.broken = last is not None

    def take(self, trade: Trade) -> tuple[bool, Hole | None]:
        """Return whether a trade is new, and what is missing right before it."""
        here = Last(int(trade.trade_id) if self._running_ids else None, trade.trade_id, trade.ts)
        previous = self.last
        known = self._recent.get(trade.trade_id)
        seen = self._seen(here)
        if here.number is not None:
            self.doubtful = known != content(trade) and here.number <= self._highest
            self._highest = max(self._highest, here.number)
        else:
            self.doubtful = seen and known != content(trade)
        if seen:
            return False, None
        self._remember(trade)
        hole = None
        if previous is not None:
            if previous.number is not None and here.number is not None:
                if here.number > previous.number + 1:
                    hole = Hole(self.exchange, self.symbol, previous, here)
            elif self.broken and here.ts > previous.ts:
                hole = Hole(self.exchange, self.symbol, previous, here)
        self.broken = False
        self.last = here
        return True, hole

    def is_reached_by(self, trades: Collection[Trade]) -> bool:
        """Return whether a page of the newest trades goes up to what is known, so that it is not out of date."""
        last = self.last
        return last is None or any(t.trade_id == last.trade_id or t.ts > last.ts for t in trades)

    def is_joined_by(self, trades: Collection[Trade]) -> bool:
        """Return whether nothing is missing between what is known and such a page."""
        last = self.last
        return last is None or any(t.trade_id == last.trade_id for t in trades)

    def is_unknown(self, trade: Trade, since: datetime) -> bool:
        """Return whether a trade of such a page comes after what is known; of an unknown market, after ``since``."""
        last = self.last
        if last is None:
            return trade.ts >= since
        if last.number is not None and trade.trade_id.isdigit():
            return int(trade.trade_id) > last.number or trade.ts > last.ts + _RESET
        return trade.trade_id != last.trade_id and trade.trade_id not in self._recent and trade.ts >= last.ts

    def _seen(self, here: Last) -> bool:
        last = self.last
        if here.number is not None:
            if last is None or last.number is None or here.number > last.number:
                return False
            # Ids that go back while time advances mean the exchange began to count again; these are not old trades.
            return here.ts <= last.ts + _RESET
        if here.trade_id in self._recent or (last is not None and here.trade_id == last.trade_id):
            return True
        # Before this process's first trade only the time shows what is stored already.
        return self.broken and last is not None and here.ts < last.ts

    def _remember(self, trade: Trade) -> None:
        self._recent[trade.trade_id] = content(trade)
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
