"""What commands share: settings and configuration, and errors in words on standard error."""

import errno
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

from candlewave.core.errors import CandlewaveError, in_words

if TYPE_CHECKING:
    from rich.console import Console

    from candlewave.core.config import Config
    from candlewave.core.settings import Settings


class CommandGroup(TyperGroup):
    """Commands that end with exit code 1 and a text, not a traceback, when a person can do something about an error."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            text = _words(error)
            if text is None:
                raise
            fail(text)


def fail(text: str) -> NoReturn:
    """End the command with an error text and exit code 1."""
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(1)


def load_settings(*, connects: bool = True) -> "Settings":
    """Return the settings.

    A command that only prints SQL (``connects`` false) may know a broker without an engine.

    Raises:
        pydantic.ValidationError: one of them is wrong.
    """
    from candlewave.core.settings import get_settings

    settings = get_settings()
    if connects and settings.kafka_bootstrap_servers and settings.embedded:
        fail(
            "KAFKA_BOOTSTRAP_SERVERS is set but RISINGWAVE_URL is not: the embedded engine has a bus of its own. "
            "Set both, or neither"
        )
    return settings


def load_project(*, connects: bool = True) -> "tuple[Settings, Config]":
    """Return the settings, as :func:`load_settings` does, and what ``candlewave.toml`` says.

    Raises:
        ConfigError: ``candlewave.toml`` cannot be used.
        pydantic.ValidationError: a setting is wrong.
    """
    from candlewave.core.config import load_config
    from candlewave.rules import monitor_config

    settings = load_settings(connects=connects)
    config = load_config(settings.config_file)
    monitor_config(config)
    return settings, config


def embedded_settings(command: str) -> "Settings":
    """As :func:`load_settings`, for commands that make sense on the embedded engine only."""
    settings = load_settings()
    if not settings.embedded:
        fail(f"RISINGWAVE_URL is set, but `candlewave {command}` is about the embedded engine; unset it to use that")
    return settings


def _words(error: Exception) -> str | None:
    """Return an error's text for people; None for a fault of candlewave itself, whose traceback is needed."""
    if isinstance(error, CandlewaveError):
        return str(error)
    if isinstance(error, OSError) and error.errno != errno.EPIPE:  # the reader of a closed pipe has seen enough
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if type(error).__module__.startswith("ccxt."):  # an exchange refuses, or was unreachable for too long
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    import psycopg
    from pydantic import ValidationError

    from candlewave.engine.connect import explain

    if isinstance(error, ValidationError):
        return in_words(error)
    return explain(error) if isinstance(error, psycopg.Error) else None


def plain_console() -> "Console":
    """Return a console that leaves numbers uncoloured and long lines to the terminal."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)
