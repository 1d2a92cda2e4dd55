"""What commands share: errors in words, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from pydantic import ValidationError

    from candlewave.core.settings import Settings


def fail(text: str) -> NoReturn:
    """End the command with an error text and exit code 1."""
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(1)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors that a person can do something about into their text and exit code 1."""
    import psycopg

    from candlewave.core.config import ConfigError
    from candlewave.engine.connect import EngineError, explain
    from candlewave.engine.embedded.backup import BackupError
    from candlewave.engine.embedded.ownership import ServerError
    from candlewave.engine.embedded.runtime import EngineNotRunningError

    try:
        yield
    except (ServerError, BackupError, EngineNotRunningError, EngineError, ConfigError) as error:
        fail(str(error))
    except psycopg.Error as error:
        fail(explain(error))


def load_settings(*, connects: bool = True) -> "Settings":
    """Return the settings; a wrong one ends the command with its name and what was expected, never its value.

    A command that only prints SQL (``connects`` false) may know a broker without an engine.
    """
    from pydantic import ValidationError

    from candlewave.core.settings import get_settings

    try:
        settings = get_settings()
    except ValidationError as error:
        fail(in_words(error))
    if connects and settings.kafka_bootstrap_servers and settings.embedded:
        fail(
            "KAFKA_BOOTSTRAP_SERVERS is set but RISINGWAVE_URL is not: the embedded engine has a bus of its own. "
            "Set both, or neither"
        )
    return settings


def embedded_settings(command: str) -> "Settings":
    """As :func:`load_settings`, for commands that make sense on the embedded engine only."""
    settings = load_settings()
    if not settings.embedded:
        fail(f"RISINGWAVE_URL is set, but `candlewave {command}` is about the embedded engine; unset it to use that")
    return settings


def in_words(error: "ValidationError") -> str:
    """Return what is wrong with settings: their names and what was expected, never their values."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        words = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {words}" if where else words)
    return "; ".join(lines)
