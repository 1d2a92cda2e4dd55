"""Put trades, heartbeats and dead letters on the bus in batches, and count them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus, Message
from candlewave.contracts.records import (
    Conflict,
    Heartbeat,
    LoadedCandle,
    Origin,
    Trade,
    conflict,
    dead_letter,
    heartbeat,
)
from candlewave.contracts.topics import DEAD_LETTER_SUFFIX, LOADED_CANDLES, TRADES, TopicSpec
from candlewave.core.markets import Market
from candlewave.core.times import utc_now
from candlewave.services.ingest import metrics
from candlewave.services.ingest.validate import BadRecord


class Rejects:
    """Bad records on their way to a topic's dead letters; :class:`Publisher` and :class:`CandlePublisher` keep one.

    Args:
        bus: where to.
        topic: what they were meant for.
        on_reject: called for each, for instance to print it.
        clock: the present time.

    Attributes:
        counts: refused records by reason.
    """

    def __init__(
        self, bus: Bus, topic: TopicSpec, on_reject: Callable[[BadRecord], None] | None, clock: Callable[[], datetime]
    ) -> None:
        self._bus = bus
        self._topic = topic
        self._on_reject = on_reject
        self._clock = clock
        self._letters: list[Message] = []
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many wait to be published."""
        return len(self._letters)

    def add(self, bad: BadRecord) -> None:
        """Add a record and count it."""
        self._letters.append(to_dead_letter(bad, self._clock(), self._topic.name))
        self.counts[bad.reject.code] += 1
        metrics.REJECTED.labels(bad.reject.code).inc()
        if self._on_reject is not None:
            self._on_reject(bad)

    def flush(self) -> None:
        """Publish what waits.

        Raises:
            BusError: the bus did not take it; it is kept.
        """
        if self._letters:
            self._bus.publish(self._topic.name + DEAD_LETTER_SUFFIX, self._letters)
            self._letters = []


class Publisher:
    """Collect records and publish them ``batch`` at a time; not thread-safe.

    Dead letters go out before the trades of the same batch. Call :meth:`flush` at the end.

    Args:
        bus: where to.
        origin: path of the heartbeats made here.
        batch: maximum number of messages in one publish.
        on_reject: called for each bad record, for instance to print it.
    """

    def __init__(
        self,
        bus: Bus,
        origin: Origin,
        *,
        batch: int = 5_000,
        on_reject: Callable[[BadRecord], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._bus = bus
        self._origin: Origin = origin
        self._batch = batch
        self._records: list[Trade | Heartbeat | Conflict] = []
        self._rejects = Rejects(bus, TRADES, on_reject, clock)
        self.trades = 0
        self.heartbeats = 0

    @property
    def rejected(self) -> Counter[str]:
        """Refused records by reason."""
        return self._rejects.counts

    def trade(self, trade: Trade) -> None:
        """Add a trade; publish when the batch is full."""
        self._records.append(trade)
        if len(self._records) >= self._batch:
            self.flush()

    def heartbeats_at(self, exchange: str, moments: Iterable[tuple[str, datetime]]) -> None:
        """Add a heartbeat for each (symbol, time)."""
        for symbol, ts in moments:
            self._records.append(heartbeat(exchange, symbol, ts, self._origin))
            if len(self._records) >= self._batch:
                self.flush()

    def id_used_before(self, trade: Trade) -> None:
        """Add a trade whose id belongs to another one, as a conflict."""
        self._records.append(conflict(trade))
        if len(self._records) >= self._batch:
            self.flush()

    def reject(self, bad: BadRecord) -> None:
        """Add a dead letter."""
        self._rejects.add(bad)
        if len(self._rejects) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Publish what has been collected; return when the bus has acknowledged it.

        Raises:
            BusError: the bus did not take it; everything is kept, so that the call can be repeated.
        """
        self._rejects.flush()
        if self._records:
            self._bus.publish(TRADES.name, map(to_message, self._records))
            counts = count_published(self._records)
            self.trades += counts[Trade]
            self.heartbeats += counts[Heartbeat]
            self._records = []


class CandlePublisher:
    """As :class:`Publisher`, for loaded candles of one market; not thread-safe.

    Candles go out before the heartbeats of the same batch, so that these do not close a market's minutes without them.

    Args:
        bus: where to.
        market: whose candles.
        batch: maximum number of messages in one publish.
        on_reject: called for each bad record.
        on_published: called with candles that the bus has taken.

    Attributes:
        candles: how many were published.
    """

    def __init__(
        self,
        bus: Bus,
        market: Market,
        *,
        batch: int = 5_000,
        on_reject: Callable[[BadRecord], None] | None = None,
        on_published: Callable[[list[LoadedCandle]], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._bus = bus
        self._market = market
        self._on_published = on_published
        self._batch = batch
        self._candles: list[LoadedCandle] = []
        self._rejects = Rejects(bus, LOADED_CANDLES, on_reject, clock)
        self._quiet = Publisher(bus, "backfill", clock=clock)
        self.candles = 0

    @property
    def rejected(self) -> Counter[str]:
        """Refused rows by reason."""
        return self._rejects.counts

    @property
    def heartbeats(self) -> int:
        """How many heartbeats were published."""
        return self._quiet.heartbeats

    def candle(self, candle: LoadedCandle) -> None:
        """Add a candle; publish when the batch is full."""
        self._candles.append(candle)
        if len(self._candles) >= self._batch:
            self.flush()

    def quiet(self, moments: Iterable[tuple[str, datetime]]) -> None:
        """Add a heartbeat for each (symbol, time)."""
        self._quiet.heartbeats_at(self._market.exchange, moments)

    def reject(self, bad: BadRecord) -> None:
        """Add a dead letter."""
        self._rejects.add(bad)
        if len(self._rejects) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Publish what has been collected; return when the bus has acknowledged it.

        Raises:
            BusError: the bus did not take it; everything is kept, so that the call can be repeated.
        """
        self._rejects.flush()
        if self._candles:
            self._bus.publish(LOADED_CANDLES.name, map(to_message, self._candles))
            metrics.PUBLISHED_CANDLES.labels(*self._market, self._candles[0].source).inc(len(self._candles))
            self.candles += len(self._candles)
            published, self._candles = self._candles, []
            if self._on_published is not None:
                self._on_published(published)
        self._quiet.flush()


def to_dead_letter(bad: BadRecord, now: datetime, topic: str = TRADES.name) -> Message:
    """Return the message of a topic's dead-letter topic for a bad record."""
    letter = dead_letter(
        topic,
        bad.payload,
        reason=bad.reject.text,
        source=bad.source,
        position=bad.position,
        occurred_at=now,
    )
    return to_message(letter)


def count_published(records: Sequence[Trade | Heartbeat | Conflict]) -> Counter[type]:
    """Add published records to the metrics; return how many are of each kind."""
    by_market = Counter((type(r), r.exchange, r.symbol, r.origin) for r in records)
    kinds: Counter[type] = Counter()
    for (kind, exchange, symbol, origin), count in by_market.items():
        kinds[kind] += count
        if kind is Heartbeat:
            metrics.HEARTBEATS.labels(exchange).inc(count)
        elif kind is Trade:
            metrics.PUBLISHED.labels(exchange, symbol, origin).inc(count)
        else:
            metrics.REJECTED.labels("id_used_before").inc(count)
    return kinds
