"""Hands each event to every client that wants it, from one copy of its bytes."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson

from candlewave.services.api import metrics
from candlewave.telemetry.logs import get_logger

_MEMORY = 4_096
_log = get_logger(__name__)


@dataclass(frozen=True)
class Event:
    """One event as it is on the wire.

    Attributes:
        id: milliseconds since the epoch, and a number that ascends within a process.
        kind: candle, prediction, alert or freshness.
        exchange, symbol, timeframe: what it is about; empty where that does not apply.
        text: its bytes.
    """

    id: str
    kind: str
    exchange: str
    symbol: str
    timeframe: str
    text: bytes


@dataclass(frozen=True)
class Wish:
    """What a client wants; empty means all."""

    kinds: frozenset[str] = frozenset()
    exchange: str = ""
    symbol: str = ""
    timeframe: str = ""

    def matches(self, event: Event) -> bool:
        """Return whether a client wants an event; all want those that concern no market."""
        return (
            (not self.kinds or event.kind in self.kinds)
            and (not self.exchange or not event.exchange or event.exchange == self.exchange)
            and (not self.symbol or not event.symbol or event.symbol == self.symbol)
            and (not self.timeframe or not event.timeframe or event.timeframe == self.timeframe)
        )


@dataclass(eq=False)
class _Client:
    wish: Wish
    size: int
    waiting: deque[bytes] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: bool = False


class Hub:
    """Knows the clients and the newest events.

    Args:
        queue: events that may wait for a client before it is dropped.
        clients: maximum number of clients.
        clock: seconds since the epoch.
    """

    def __init__(self, queue: int, clients: int, clock: Callable[[], float] = time.time) -> None:
        self._queue, self._most, self._clock = queue, clients, clock
        self._clients: set[_Client] = set()
        self._recent: deque[Event] = deque(maxlen=_MEMORY)
        self._number = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_full(self) -> bool:
        """Whether no further client is taken."""
        return len(self._clients) >= self._most

    @property
    def has_clients(self) -> bool:
        """Whether there are clients."""
        return bool(self._clients)

    def publish(
        self, kind: str, document: object, *, exchange: str = "", symbol: str = "", timeframe: str = ""
    ) -> Event:
        """Hand an event to all who want it."""
        event = self.make(kind, document, exchange=exchange, symbol=symbol, timeframe=timeframe)
        self._recent.append(event)
        metrics.STREAM_EVENTS.labels(kind).inc()
        for client in [client for client in self._clients if client.wish.matches(event)]:
            client.waiting.append(event.text)
            client.ready.set()
            if len(client.waiting) > client.size:
                self._drop(client)
        return event

    def _drop(self, client: _Client) -> None:
        """Keep nothing more for a client; its connection ends when it reads on, or when sending to it times out."""
        client.dropped = True
        client.waiting.clear()
        self._clients.discard(client)
        metrics.STREAM_DROPPED.inc()
        _log.info("stream client reads too slowly and is dropped")

    def make(
        self,
        kind: str,
        document: object,
        *,
        exchange: str = "",
        symbol: str = "",
        timeframe: str = "",
        at: int | None = None,
    ) -> Event:
        """Return an event with the next id, without sending it.

        Args:
            kind, document, exchange, symbol, timeframe: the event.
            at: milliseconds of its id, instead of now.
        """
        self._number += 1
        identity = f"{int(self._clock() * 1000) if at is None else at}-{self._number}"
        data = orjson.dumps(document, option=orjson.OPT_UTC_Z)
        text = b"event: %b\nid: %b\ndata: %b\n\n" % (kind.encode(), identity.encode(), data)
        return Event(identity, kind, exchange, symbol, timeframe, text)

    def forget(self) -> None:
        """Forget all events: clients that resume get what they missed from the engine."""
        self._recent.clear()

    @property
    def newest(self) -> int:
        """Number of the newest event."""
        return self._number

    def since(self, number: int) -> list[Event]:
        """Return the events after a number that are still remembered."""
        return [event for event in self._recent if int(event.id.partition("-")[2]) > number]

    def after(self, last_id: str) -> list[Event] | None:
        """Return what came after an event of this process that is still remembered; None if it is not."""
        for place, event in enumerate(self._recent):
            if event.id == last_id:
                return [self._recent[n] for n in range(place + 1, len(self._recent))]
        return None

    async def listen(self, wish: Wish, first: Callable[[], list[Event]]) -> AsyncIterator[bytes]:
        """Yield a client's events, several at once when they come fast, until it is dropped or the hub closes.

        Args:
            wish: which events.
            first: asked at the very begin, so that nothing falls between: events that the client has missed.
        """
        self._loop = asyncio.get_running_loop()
        client = _Client(wish, self._queue)
        client.waiting.extend(event.text for event in first() if wish.matches(event))
        if client.waiting:
            client.ready.set()
        self._clients.add(client)
        metrics.STREAM_CLIENTS.inc()
        try:
            while not self._closed:
                await client.ready.wait()
                client.ready.clear()
                if client.dropped:
                    return
                texts, client.waiting = client.waiting, deque()
                while texts and not client.dropped:
                    yield texts.popleft()
        finally:
            self._clients.discard(client)
            metrics.STREAM_CLIENTS.dec()

    def close(self) -> None:
        """End all streams; called in the event loop."""
        self._closed = True
        for client in self._clients:
            client.ready.set()

    def close_soon(self) -> None:
        """As :meth:`close`, from another thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.close)
