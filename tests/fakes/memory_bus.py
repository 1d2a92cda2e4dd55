"""A bus that only remembers what was published."""

from collections.abc import Iterable

import msgspec

from candlewave.bus.protocol import Message
from candlewave.contracts.records import DeadLetter, Heartbeat, Trade, decode

_trades: msgspec.json.Decoder[Trade | Heartbeat] = msgspec.json.Decoder(Trade | Heartbeat)


class MemoryBus:
    """Stands in for a bus where only publishing matters."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Message]] = {}
        self.publishes: list[tuple[str, int]] = []

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        batch = list(messages)
        self.messages.setdefault(topic, []).extend(batch)
        self.publishes.append((topic, len(batch)))

    @property
    def records(self) -> list[Trade | Heartbeat]:
        return [_trades.decode(m.value or b"") for m in self.messages.get("trades", [])]

    @property
    def trades(self) -> list[Trade]:
        return [r for r in self.records if isinstance(r, Trade)]

    @property
    def heartbeats(self) -> list[Heartbeat]:
        return [r for r in self.records if isinstance(r, Heartbeat)]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [decode(DeadLetter, m.value) for m in self.messages.get("trades.dlq", [])]
