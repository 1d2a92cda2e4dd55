"""What ends the demo."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from candlewave.cli.demo import _signals


@pytest.fixture
def handler() -> Iterator[None]:
    """Leave the handler of the test's process as it was."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_ask_it_to_end(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stop = threading.Event()
    with _signals(stop):
        os.kill(os.getpid(), number)
        assert stop.wait(5)


@pytest.mark.usefixtures("handler")
def test_under_nohup_it_outlives_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = threading.Event()
    with _signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert not stop.is_set()
