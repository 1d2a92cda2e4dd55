"""End what a test session started, however the session ends.

Run beside the session with the folder of all its data directories; standard input ends when the session does, also when
it is killed and no fixture can clean up.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from candlewave.engine.embedded.cluster import stop_postmaster
from candlewave.engine.embedded.ownership import owner_of


def main(root: Path) -> None:
    """Wait for the session's end, then stop every engine under ``root`` and remove it."""
    sys.stdin.read()
    for data_dir in root.iterdir():
        owner = owner_of(data_dir) if data_dir.is_dir() else None
        if owner is not None:
            os.kill(owner, signal.SIGKILL)  # `candlewave up` would start PostgreSQL again
        for cluster in data_dir.glob("postgres*/"):
            stop_postmaster(cluster)
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
