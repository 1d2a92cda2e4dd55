"""Ownership of work by consumer group: shares of symbols, and singletons with standbys.

The topics behind it have no records. The member that a partition is assigned to does the work that hashes to it. A
member that hangs may go on for a moment after another has taken over, so the work must be idempotent.
"""

import threading
from collections.abc import Callable, Sequence

from candlewave.bus.protocol import Bus, BusError, Closing, TopicPartition, partition_of
from candlewave.contracts.topics import INGEST_SHARDS, SERVICE_LEASES, SINGLETONS
from candlewave.telemetry.logs import get_logger

POLL_SECONDS = 1.0
_log = get_logger(__name__)

SharesCallback = Callable[[frozenset[int]], None]


class ShardOwnership(Closing):
    """The share of work this process owns.

    Example:
        >>> with ShardOwnership(bus, "trade-to-ohlc") as shards:  # doctest: +SKIP
        ...     while not stop.is_set():
        ...         shards.poll()
        ...         connect(symbol for symbol in symbols if shards.owns(market_key("kraken", symbol)))

    Args:
        bus: either bus.
        group: the members that share the work, usually the service's name.
        on_change: called with all owned partitions after they changed, inside :meth:`poll`. It must stop the work of
            lost ones before it returns: another member starts then.
        topic: the topic whose partitions are the shares.
    """

    def __init__(
        self, bus: Bus, group: str, on_change: SharesCallback | None = None, *, topic: str = INGEST_SHARDS.name
    ) -> None:
        self._owned: frozenset[int] = frozenset()
        self._on_change = on_change
        self._group = group
        self._partitions = bus.partitions(topic)
        self._subscription = bus.subscribe(group, [topic], on_assign=self._gain, on_revoke=self._lose)

    @property
    def owned(self) -> frozenset[int]:
        """The partitions owned now. May be read from any thread."""
        return self._owned

    def owns(self, key: str) -> bool:
        """Tell whether the work of a key, such as ``exchange|symbol``, is this process's."""
        return partition_of(key, self._partitions) in self._owned

    def poll(self, timeout: float = POLL_SECONDS) -> None:
        """Take part in the group for ``timeout`` seconds; callbacks run here.

        Raises:
            BusUnavailableError: the bus cannot be reached; ownership stays as it was, as nobody can take it meanwhile.
        """
        self._subscription.poll(timeout=timeout)

    def run(self, stop: threading.Event) -> None:
        """Poll until ``stop`` is set, through outages of the bus, then leave the group."""
        with self:
            while not stop.is_set():
                try:
                    self.poll()
                except BusError as error:
                    # Without this thread nothing would ever be owned again, and nobody would notice.
                    _log.warning("the group waits for the bus", group=self._group, error=str(error))
                    stop.wait(POLL_SECONDS)

    def close(self) -> None:
        """Leave the group; the work goes to the others."""
        self._subscription.close()

    def _gain(self, partitions: Sequence[TopicPartition]) -> None:
        self._change(self._owned.union(tp.partition for tp in partitions))

    def _lose(self, partitions: Sequence[TopicPartition]) -> None:
        self._change(self._owned.difference(tp.partition for tp in partitions))

    def _change(self, owned: frozenset[int]) -> None:
        self._owned = owned
        if self._on_change:
            self._on_change(owned)


class Lease(ShardOwnership):
    """The right to be the one active member of a singleton; the others stand by.

    Args:
        bus: either bus.
        singleton: one of :data:`candlewave.contracts.topics.SINGLETONS`.
        on_change: called with True when the lease is gained and False when it is lost, inside :meth:`poll`.
    """

    def __init__(self, bus: Bus, singleton: str, on_change: Callable[[bool], None] | None = None) -> None:
        if singleton not in SINGLETONS:
            raise ValueError(f"no singleton {singleton!r}; known are {', '.join(SINGLETONS)}")
        self._share = SINGLETONS.index(singleton)
        self._on_lease = on_change
        self._was_held = False
        super().__init__(bus, f"{SERVICE_LEASES.name}.{singleton}", self._shares, topic=SERVICE_LEASES.name)

    @property
    def held(self) -> bool:
        """True while this process is the active member. May be read from any thread."""
        return self._share in self.owned

    def _shares(self, owned: frozenset[int]) -> None:
        held = self._share in owned
        if held != self._was_held:
            self._was_held = held
            if self._on_lease:
                self._on_lease(held)
