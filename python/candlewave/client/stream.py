"""Live events as they come over the wire."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True)
class Event:
    """An event of ``/v1/stream``.

    Attributes:
        kind: candle, prediction, alert or freshness.
        id: for resuming after it.
        data: as docs/api.md describes it.
    """

    kind: str
    id: str
    data: dict[str, Any]


class Parser:
    """Turns lines into events (server-sent events, as far as the API uses them)."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def feed(self, line: str) -> Iterator[Event]:
        """Take a line without its end; yield the event that it completes."""
        if line:
            name, _, value = line.partition(":")
            if name:
                self._fields[name] = value.removeprefix(" ")
        elif self._fields.get("data"):
            found, self._fields = self._fields, {}
            yield Event(found.get("event", "message"), found.get("id", ""), msgspec.json.decode(found["data"]))
