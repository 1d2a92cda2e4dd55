"""Whether an engine's objects are those of the head migration: what services ask before they work."""

from collections.abc import Iterable

import psycopg

from candlewave.core.settings import get_settings
from candlewave.engine.connect import is_risingwave
from candlewave.engine.migrate.history import History
from candlewave.engine.migrate.optional import left_out
from candlewave.engine.migrate.state import State
from candlewave.engine.migrate.targets import READY, EmbeddedTarget, RisingWaveTarget, Target
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.parameters import fill


def head_matches(conn: psycopg.Connection, names: Iterable[str], history: History | None = None) -> list[str]:
    """Return a line for each object that is missing on the engine or differs from the head; none when all is well.

    Sinks whose destination is not set up, and what is there for these alone, may be missing.

    Args:
        conn: connection to the engine, in autocommit mode.
        names: the objects of the caller's layer.
        history: the revisions; this installation's when None.
    """
    settings = get_settings()
    history = history or History.of_project(settings)
    head = history.head()
    target = RisingWaveTarget(conn) if is_risingwave(conn) else EmbeddedTarget(conn)
    state = history.state(head)
    unknown = [f"{name}: not in revision {head}" for name in names if name not in state]
    absent = left_out(state, lambda text: fill(text, settings)) - target.existing().keys()
    return unknown + deviations(target, {name: state[name] for name in names if name in state.keys() - absent}, head)


def deviations(target: Target, state: State, revision: str | None) -> list[str]:
    """Return a line for each object of a state that the engine lacks or has in another version."""
    existing, records = target.existing(), target.records()
    lines = []
    for name, sql_object in state.items():
        record = records.get(name)
        if name not in existing:
            lines.append(f"{name}: missing on the engine")
        elif record is None:
            lines.append(f"{name}: on the engine, but not made by a migration")
        elif record.sha256 != fingerprint(sql_object):
            lines.append(f"{name}: as of revision {record.revision}, which differs from {revision}")
        elif record.state != READY:
            lines.append(f"{name}: a migration broke off while it was made")
    return lines
