"""A replica without the lease repeats no alert, whether it reaches the engine or not."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from candlewave.core.config import load_config
from candlewave.core.settings import Settings
from candlewave.engine.connect import EngineError
from candlewave.services import frame
from candlewave.services.frame import Service
from candlewave.services.monitor import service as module
from candlewave.services.monitor.settings import MonitorSettings
from candlewave.telemetry.admin import Readiness
from candlewave.telemetry.logs import get_logger


class _Sender:
    """Has an alert to repeat until it is told that nothing fires."""

    def __init__(self) -> None:
        self.firing: Sequence[object] = ["coverage"]
        self.told = threading.Event()

    def update(self, firing: Sequence[object], _: Sequence[object]) -> None:
        self.firing = firing
        self.told.set()

    def run(self, stop: threading.Event) -> None:
        stop.wait()


class _LostLease:
    """Another replica has it."""

    held = False

    def __init__(self, *_: object) -> None: ...

    def run(self, stop: threading.Event) -> None:
        stop.wait()


@contextmanager
def reached(_: object) -> Iterator[Any]:
    yield SimpleNamespace(execute=lambda _: None)


def away(_: object) -> Any:
    raise EngineError("no answer")


@pytest.mark.parametrize("connect", [reached, away])
def test_who_lost_the_lease_repeats_nothing(connect: object, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = _Sender()
    bus = SimpleNamespace(close=lambda: None, ensure_topics=lambda _: None, ping=lambda: None)
    service = Service("model-error-monitor", Settings(), threading.Event(), Readiness(), get_logger("test"), 0)
    monkeypatch.setattr(frame, "open_bus", lambda _: bus)
    monkeypatch.setattr(frame, "Lease", _LostLease)
    monkeypatch.setattr(module, "make_senders", lambda _: [sender])
    monkeypatch.setattr(module, "connect", connect)
    thread = threading.Thread(target=module.main, args=(service, load_config(), MonitorSettings.load()))
    thread.start()
    sender.told.wait(10)
    service.stop.set()
    thread.join(10)
    assert service.close()
    assert not thread.is_alive()
    assert list(sender.firing) == []
