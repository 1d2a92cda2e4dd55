"""The guard of this folder: no process, and so no server."""

import subprocess
import sys
from pathlib import Path

import pytest

from candlewave.engine.embedded.server import start


def test_a_process_is_refused() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"starts \['.*python.*belong in tests/integration"):
        subprocess.run([sys.executable, "-c", ""], check=True)


def test_an_embedded_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="belong in tests/integration"), start(tmp_path):
        pass


def test_a_database_is_refused(request: pytest.FixtureRequest) -> None:
    with pytest.raises(pytest.fail.Exception, match="asks for an embedded server"):
        request.getfixturevalue("database")
