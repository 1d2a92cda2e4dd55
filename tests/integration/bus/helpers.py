"""What tests of a bus repeat."""

import time
from collections.abc import Callable, Sequence

from candlewave.bus.protocol import Received, Subscription

PATIENCE = 60.0
"""Seconds after which a state that does not come is a failure. Nothing waits for it when all is well."""


def poll_until(
    done: Callable[[list[Received]], bool], subscriptions: Sequence[Subscription], max_messages: int = 1000
) -> list[Received]:
    """Poll members in turn until ``done`` says so of all that was received; return that."""
    received: list[Received] = []
    limit = time.monotonic() + PATIENCE
    while not done(received):
        assert time.monotonic() < limit, f"not reached; received {len(received)} messages"
        for subscription in subscriptions:
            received += subscription.poll(max_messages, timeout=0.05)
    return received


def receive(count: int, *subscriptions: Subscription, max_messages: int = 1000) -> list[Received]:
    """Poll until ``count`` messages have come."""
    return poll_until(lambda received: len(received) >= count, subscriptions, max_messages)
