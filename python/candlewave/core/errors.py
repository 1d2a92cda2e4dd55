"""The error of all parts of candlewave whose text is meant for people, and words for errors of libraries."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class CandlewaveError(Exception):
    """Base of all errors that a person can do something about.

    The text says what was found, where, and what to do. The command line prints it and ends with exit code 1; a service
    logs it.
    """


def one_line(error: BaseException) -> str:
    """Return an error of a library in one line; its name when it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


def in_words(error: "ValidationError", *, show_values: bool = False) -> str:
    """Return what pydantic found wrong: field and expectation; values, which may be secrets, only when asked for."""
    lines = []
    for problem in error.errors(include_input=show_values, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        found = f" (found {problem['input']!r})" if show_values else ""
        lines.append(f"{where}: {text}{found}" if where else f"{text}{found}")
    return "; ".join(lines)
