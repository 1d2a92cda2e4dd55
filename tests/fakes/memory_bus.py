"""A bus that only remembers what was published."""

from collections.abc import Iterable

from candlewave.bus.messages import (
    DeadLetter,
    Heartbeat,
    Trade,
    decode_dead_letter,
    decode_trade,
)
from candlewave.bus.protocol import Message


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
        return [decode_trade(m.value) for m in self.messages.get("trades", [])]

    @property
    def trades(self) -> list[Trade]:
        return [r for r in self.records if isinstance(r, Trade)]

    @property
    def heartbeats(self) -> list[Heartbeat]:
        return [r for r in self.records if isinstance(r, Heartbeat)]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [decode_dead_letter(m.value) for m in self.messages.get("trades.dlq", [])]
