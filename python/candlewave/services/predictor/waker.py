"""Waits for new candles: by notification on the embedded engine, elsewhere for a fixed time."""

import threading
import time

import psycopg

from candlewave.bus.protocol import Closing
from candlewave.contracts.topics import CANDLES


class Waker(Closing):
    """Wait between two looks at the clock.

    Args:
        listener: connection of its own to the embedded engine, which sends candles to their topic in the transaction
            that makes them visible, and notifies of it; None on RisingWave.
    """

    def __init__(self, listener: psycopg.Connection | None) -> None:
        self._listener = listener
        if listener is not None:
            listener.execute("LISTEN bus")

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Return when there are new candles, after so many seconds, or when ``stop`` is set (without a listener).

        Raises:
            psycopg.Error: the engine is down.
        """
        if self._listener is None:
            stop.wait(seconds)
            return
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
            for notification in self._listener.notifies(timeout=left, stop_after=1):
                if notification.payload == CANDLES.name:
                    return

    def close(self) -> None:
        """Close the connection."""
        if self._listener is not None:
            self._listener.close()
