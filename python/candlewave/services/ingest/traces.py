"""The first span of a minute's trace: from its first trade on the bus to the record that closes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from candlewave.contracts.records import Conflict, Heartbeat, Trade
from candlewave.core.times import floor_to_minute
from candlewave.telemetry import tracing


@dataclass
class _Open:
    minute: datetime
    started: datetime
    trades: int = 0


class MinuteTraces:
    """Follows the minutes of live markets while their records are published."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Open] = {}

    def published(self, records: Sequence[Trade | Heartbeat | Conflict], started: datetime, ended: datetime) -> None:
        """Note a batch that the bus has taken; record the spans of the minutes that it closes."""
        if not tracing.is_on():
            return
        for record in records:
            if record.origin != "live":
                continue
            minute = floor_to_minute(record.ts)
            market = (record.exchange, record.symbol)
            current = self._open.get(market)
            if current is not None and minute > current.minute:
                tracing.record_root("publish", (*market, current.minute), current.started, ended, trades=current.trades)
                current = None
            if current is None:
                current = self._open[market] = _Open(minute, started)
            if minute == current.minute and isinstance(record, Trade):
                current.trades += 1
