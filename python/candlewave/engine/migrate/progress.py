"""How a migration reports what it does."""

from typing import Protocol


class Progress(Protocol):
    """Receives what happens, one call per operation."""

    def begin(self, title: str, total: int, seconds: float | None = None) -> None:
        """``total`` operations follow, which took ``seconds`` in all the last time; None when unknown."""

    def step(self, what: str, seconds: float | None = None) -> None:
        """An operation begins, such as "build candles beside the old one"; it took ``seconds`` the last time."""

    def detail(self, text: str) -> None:
        """The engine says how far the operation is."""

    def end(self) -> None:
        """All operations are done."""
