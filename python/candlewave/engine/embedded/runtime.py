"""``runtime.json``: how to reach the embedded engine that ``candlewave up`` runs."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.engine.embedded.ownership import owner_of


class EngineNotRunningError(CandlewaveError):
    """Nobody runs the embedded engine of this data directory; the text says how to start it."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The running engine: owner's process id, connection URL with password, port, start (UTC), candlewave's version."""

    pid: int
    url: str
    port: int
    started_at: datetime
    version: str


def write(path: Path, runtime: Runtime) -> None:
    """Write the file at once, readable by its owner only."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    record = {**asdict(runtime), "started_at": runtime.started_at.astimezone(UTC).isoformat()}
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(record, file, indent=2)
        file.write("\n")
    draft.replace(path)


def read(settings: Settings) -> Runtime:
    """Return the running engine of the settings' data directory.

    Raises:
        EngineNotRunningError: there is none: no file, or a stale one of a process that was killed.
    """
    path = settings.runtime_file
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise EngineNotRunningError(
            f"the embedded engine is not running (no {path}): run `candlewave up`, or set RISINGWAVE_URL"
        ) from None
    except (PermissionError, json.JSONDecodeError) as error:
        raise EngineNotRunningError(f"cannot read {path}: {error}; run `candlewave up` again") from None
    runtime = Runtime(**{**record, "started_at": datetime.fromisoformat(record["started_at"])})
    if owner_of(settings.data_dir) is None:
        raise EngineNotRunningError(
            f"the embedded engine is not running (process {runtime.pid} of {path} has ended): run `candlewave up`"
        )
    return runtime


def remove(path: Path) -> None:
    """Remove the file; it need not be there."""
    path.unlink(missing_ok=True)
