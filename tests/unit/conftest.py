"""Unit tests need no server and start no process."""

import subprocess
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that starts a process, as every server of the tests does."""

    def refuse(_: subprocess.Popen[bytes], args: object, **_options: object) -> NoReturn:
        pytest.fail(f"a unit test starts {args}; tests that need a process or server belong in tests/integration")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


@pytest.fixture(scope="session")
def server() -> NoReturn:
    """Replace the embedded server of the session, and with it ``database``."""
    pytest.fail("a unit test asks for an embedded server; tests that need one belong in tests/integration")
