"""In a terminal, the command line shows text of others and does not obey it."""

import os
import pty
import subprocess
from pathlib import Path

from tests.worlds.attacks import TERMINAL
from tests.worlds.commands import command, environment

from candlewave.core.printable import printable


def _in_a_terminal(argument: str, cwd: Path, **more: str) -> str:
    """Run a command in a terminal of its own and return what that got, which ends lines in its own way."""
    ours, theirs = pty.openpty()
    settings = {**environment(cwd, **more), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command(argument), stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=settings) as run:
        os.close(theirs)
        parts: list[bytes] = []
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            parts.append(part)
        run.wait(60)
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_the_command_line_shows_foreign_text_in_a_terminal(tmp_path: Path) -> None:
    """A file whose name is an attack, named in an error."""
    name = "".join(text for text in TERMINAL if "\0" not in text and "/" not in text)
    shown = _in_a_terminal("plan", tmp_path, CANDLEWAVE_CONFIG=name)
    assert f"error: {printable(name)}: no such file" in shown
    assert not set(shown) & {"\x9b", "\u202e", "\x07", "\x08", "\r"}
    assert "\x1b[2J" not in shown
    assert "\x1b]" not in shown


def test_colours_and_help_stay(tmp_path: Path) -> None:
    shown = _in_a_terminal("--help", tmp_path)
    assert "Usage:" in shown
    assert "\x1b[1" in shown
    assert "\\u001b" not in shown
