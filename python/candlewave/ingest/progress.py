"""Progress of long commands: a bar on a terminal, a plain line now and then elsewhere. All on stderr."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LINE_SECONDS = 5.0


class ProgressLine:
    """Show how far a command is.

    Args:
        title: what is going on.
        total: the end, in any unit; None when there is none.
    """

    def __init__(self, title: str, total: float | None = None) -> None:
        self._title = title
        self._total = total
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._printed = time.monotonic()
        if self._console.is_terminal:
            columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
            if total is not None:
                columns += [TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()]
            columns += [TimeElapsedColumn(), TextColumn("{task.fields[note]}")]
            self._progress = Progress(*columns, console=self._console)
            self._task = self._progress.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        if self._progress is not None:
            self._progress.stop()

    def update(self, done: float | None, note: str) -> None:
        """Show that ``done`` of the total is done, with a few words."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, note=note)
            return
        now = time.monotonic()
        if now - self._printed >= _LINE_SECONDS:
            self._printed = now
            percent = f" {100 * done / self._total:.0f}%" if done is not None and self._total else ""
            self.say(f"{self._title}:{percent} {note}")

    def say(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 (a command's own output)
