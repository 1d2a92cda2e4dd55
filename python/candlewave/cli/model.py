"""Commands about the SQL objects."""

import typer

from candlewave.cli import migrate


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    migrate.register(app)
