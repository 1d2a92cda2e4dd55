"""The steps a revision is made of. Revision files import from here; what a step means never changes.

Tables are *stores*: rows in them cannot be computed again, so an upgrade only adds columns to them. Views and sinks are
computed, so they are dropped and made again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Create:
    """Make an object from its frozen text, header included."""

    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop an object. A table is dropped only on a downgrade that was asked to drop stores."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Add:
    """Add columns to a table, whose text is then ``text``."""

    text: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    """Note that a table is now described by ``text``; the table itself, with any further columns, stays."""

    text: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """Stop managing a table; it stays with its rows."""

    name: str


Step = Create | Drop | Add | Keep | Abandon


def run(steps: tuple[Step, ...], revision: str | None) -> None:
    """Carry out the steps that are not done yet; ``revision`` is where they lead, None for nothing at all.

    Raises:
        MigrationError: a step cannot be carried out.
    """
    from candlewave.engine.migrate.environment import current_runner

    current_runner().run(steps, revision)
