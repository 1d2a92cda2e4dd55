"""A member of a group goes on whatever the bus answers."""

import threading
from collections.abc import Collection

import pytest

from candlewave.bus.protocol import (
    BusError,
    BusUnavailableError,
    CommitRefusedError,
    PartitionsCallback,
    TopicPartition,
)
from candlewave.bus.shards import Lease
from candlewave.contracts.topics import SERVICE_LEASES, SINGLETONS


class _Subscription:
    """Raises what a test says, then gives the monitor's lease."""

    def __init__(self, troubles: list[Exception], assign: PartitionsCallback) -> None:
        self._troubles = troubles
        self._assign = assign
        self.closed = threading.Event()

    def poll(self, **_: object) -> list[object]:
        if self._troubles:
            raise self._troubles.pop(0)
        self._assign([TopicPartition(SERVICE_LEASES.name, SINGLETONS.index("monitor"))])
        return []

    def close(self) -> None:
        self.closed.set()


class _Bus:
    def __init__(self, *troubles: Exception) -> None:
        self._troubles = list(troubles)
        self.member: _Subscription | None = None

    def partitions(self, _: str) -> int:
        return len(SINGLETONS)

    def subscribe(self, _: str, __: Collection[str], *, on_assign: PartitionsCallback, **___: object) -> _Subscription:
        self.member = _Subscription(self._troubles, on_assign)
        return self.member


def test_a_lease_is_still_gained_after_any_error_of_the_bus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("candlewave.bus.shards.POLL_SECONDS", 0.0)
    bus = _Bus(BusUnavailableError("gone"), CommitRefusedError("lost"), BusError("the topic was deleted"))
    stop = threading.Event()
    lease = Lease(bus, "monitor", lambda _: stop.set())  # type: ignore[arg-type]
    thread = threading.Thread(target=lease.run, args=(stop,))
    thread.start()
    thread.join(10)
    stop.set()
    assert lease.held
    assert bus.member is not None
    assert bus.member.closed.is_set()
    assert capsys.readouterr().out.count("the group waits for the bus") == 3
