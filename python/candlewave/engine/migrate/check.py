"""Whether an engine's objects are those that ``sql/`` declares: what services ask before they work."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import psycopg

from candlewave.core.config import load_config
from candlewave.core.paths import config_path, sql_folders
from candlewave.core.settings import get_settings
from candlewave.engine.connect import is_risingwave
from candlewave.engine.migrate.optional import left_out
from candlewave.engine.migrate.plan import READY
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.state import State, ordered
from candlewave.engine.migrate.targets import EmbeddedTarget, Target
from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.parameters import fill
from candlewave.sqlproject.render import render_objects


def deviations(
    conn: psycopg.Connection, names: Iterable[str] | None = None, declared: State | None = None
) -> list[str]:
    """Return a line for each object that the engine lacks or has in another version; none when all is well.

    Sinks whose destination is not set up, and what is there for these alone, may be missing.

    Args:
        conn: connection to the engine, in autocommit mode.
        names: the objects of the caller's layer; all when None.
        declared: what ``sql/`` renders to; rendered with this installation's configuration when None.
    """
    settings = get_settings()
    if declared is None:
        path = settings.config_file or config_path()
        files = [path, *(file for folder in sql_folders()[1:] for file in sorted(folder.rglob("*.sql.j2")))]
        declared = _declared(path, tuple((file, file.stat().st_mtime_ns) for file in files if file.exists()))
    target = RisingWaveTarget(conn) if is_risingwave(conn) else EmbeddedTarget(conn)
    absent = left_out(declared, lambda text: fill(text, settings)) - target.existing().keys()
    asked = list(declared if names is None else names)
    unknown = [f"{name}: not in sql/" for name in asked if name not in declared]
    return unknown + compared(target, {n: declared[n] for n in asked if n in declared.keys() - absent})


@lru_cache(maxsize=1)
def _declared(config_file: Path, _changed_at: tuple[tuple[Path, int], ...]) -> State:
    """Return what ``sql/`` renders to; services ask each minute."""
    return ordered(render_objects(load_config(config_file)))


def compared(target: Target, declared: State) -> list[str]:
    """Return a line for each declared object that the engine lacks or has in another version."""
    existing, records = target.existing(), target.records()
    lines = []
    for name, sql_object in declared.items():
        record = records.get(name)
        if name not in existing:
            lines.append(f"{name}: missing on the engine")
        elif record is None:
            lines.append(f"{name}: on the engine, but not made by a migration")
        elif record.state != READY:
            lines.append(f"{name}: a migration broke off while it was made")
        elif record.sha256 != fingerprint(sql_object):
            lines.append(f"{name}: differs from sql/")
    return lines
