"""Progress without a terminal is plain lines, few of them."""

import io
import os
import pty

import pytest

from candlewave.telemetry.progress import progress


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # Linux says so when the other end is closed and all has been read
        return ""


def test_a_line_per_tenth_and_one_at_the_end() -> None:
    out, clock = io.StringIO(), _Clock()
    with progress("loading", 20, "trades", stream=out, clock=clock) as work:
        for _ in range(20):
            clock.now += 0.5
            work.advance()
    lines = out.getvalue().splitlines()
    assert lines[0] == "loading: 20 trades"
    assert lines[1] == "loading: 2 of 20 trades (10%), 2.0 trades/s"
    assert len(lines) == 1 + 9 + 1
    assert lines[-1] == "loading: done, 20 trades in 10.0 s, 2.0 trades/s"


def test_quick_work_does_not_flood_the_log() -> None:
    out, clock = io.StringIO(), _Clock()
    with progress("loading", 20, "trades", stream=out, clock=clock) as work:
        for _ in range(20):
            clock.now += 0.01
            work.advance()
    assert len(out.getvalue().splitlines()) == 2


def test_of_unknown_length_a_line_every_ten_seconds() -> None:
    out, clock = io.StringIO(), _Clock()
    with progress("reading", stream=out, clock=clock) as work:
        for _ in range(25):
            clock.now += 1
            work.advance(100)
    assert out.getvalue().splitlines()[1:-1] == ["reading: 1,000 rows, 100 rows/s", "reading: 2,000 rows, 100 rows/s"]


def test_work_in_one_piece_has_no_count() -> None:
    out, clock = io.StringIO(), _Clock()
    with progress("preparing", stream=out, clock=clock):
        clock.now += 3
    assert out.getvalue().splitlines() == ["preparing", "preparing: done in 3.0 s"]


def test_failed_work_is_not_called_done() -> None:
    out = io.StringIO()
    with pytest.raises(RuntimeError), progress("loading", 20, stream=out):
        raise RuntimeError
    assert "done" not in out.getvalue()


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal, progress("loading", 20, "trades", stream=terminal) as work:
        work.advance(20)
    shown = "".join(iter(lambda: _read(leader), ""))
    os.close(leader)
    assert "━" in shown
    assert "20 trades" in shown
