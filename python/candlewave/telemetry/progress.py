"""Progress of long work: a bar in a terminal, plain lines elsewhere. On standard error, so that output stays clean."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from candlewave.core.printable import drawable, printable

_LINE_SECONDS = 10.0
_SHORTEST_SECONDS = 1.0


class Progress(Protocol):
    """Handle of running work."""

    def advance(self, amount: float = 1) -> None:
        """Add finished units."""

    def update(self, *, total: float | None = None, description: str | None = None) -> None:
        """Change how many units there are, or what is being done."""


@contextmanager
def progress(
    description: str,
    total: float | None = None,
    unit: str = "rows",
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Show the progress of the block.

    Args:
        description: what is being done.
        total: how many units there are; None when that is unknown.
        unit: what is counted, in the plural.
        stream: where it is shown.
        clock: seconds; tests give their own.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        with _bar(description, total, unit, stream) as bar:
            yield bar
    else:
        lines = _Lines(description, total, unit, stream, clock)
        yield lines
        lines.finish()


class _Lines:
    """A line at each tenth of the total, at most one a second and at least one every ten, and one at the end."""

    def __init__(
        self, description: str, total: float | None, unit: str, stream: TextIO, clock: Callable[[], float]
    ) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._stream, self._clock = stream, clock
        self._done = 0.0
        self._started = self._said_at = clock()
        self._said_tenth = 0
        self._say(description if total is None else f"{description}: {total:,.0f} {unit}")

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        tenth = int(10 * self._done / self._total) if self._total else 0
        quiet = self._clock() - self._said_at
        if (self._said_tenth < tenth < 10 and quiet >= _SHORTEST_SECONDS) or quiet >= _LINE_SECONDS:
            self._said_tenth = max(tenth, self._said_tenth)
            of = f" of {self._total:,.0f} {self._unit} ({self._done / self._total:.0%})" if self._total else ""
            self._say(f"{self._description}: {self._done:,.0f}{of or f' {self._unit}'}, {self._rate()}")

    def update(self, *, total: float | None = None, description: str | None = None) -> None:
        if total is not None:
            self._total = total
        if description is not None and description != self._description:
            self._description = description
            self._say(description)

    def finish(self) -> None:
        seconds = self._clock() - self._started
        if self._done:
            self._say(f"{self._description}: done, {self._done:,.0f} {self._unit} in {seconds:,.1f} s, {self._rate()}")
        else:
            self._say(f"{self._description}: done in {seconds:,.1f} s")

    def _rate(self) -> str:
        rate = self._done / max(self._clock() - self._started, 1e-9)
        return f"{rate:,.{0 if rate >= 10 else 1}f} {self._unit}/s"

    def _say(self, line: str) -> None:
        self._said_at = self._clock()
        print(line, file=self._stream, flush=True)


@contextmanager
def _bar(description: str, total: float | None, unit: str, stream: TextIO) -> Iterator[Progress]:
    from rich import progress as rich
    from rich.console import Console
    from rich.text import Text

    class Rate(rich.ProgressColumn):
        def render(self, task: rich.Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{task.completed:,.0f} {unit}" + (f", {speed:,.0f}/s" if speed else ""))

    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        Rate(),
        rich.TimeRemainingColumn(),
        rich.TimeElapsedColumn(),
    )
    with rich.Progress(*columns, console=Console(file=drawable(stream))) as bar:
        task = bar.add_task(printable(description), total=total)

        class Handle:
            def advance(self, amount: float = 1) -> None:
                bar.advance(task, amount)

            def update(self, *, total: float | None = None, description: str | None = None) -> None:
                bar.update(task, total=total, description=None if description is None else printable(description))

        yield Handle()
