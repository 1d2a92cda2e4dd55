"""Which errors of a command end in words, and which keep their traceback."""

import errno

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from candlewave.bus import BusUnavailableError
from candlewave.cli.common import CommandGroup


def run(error: Exception) -> Result:
    app = typer.Typer(cls=CommandGroup)
    group = typer.Typer()

    def command() -> None:
        raise error

    group.command("inner")(command)
    app.command("outer")(command)
    app.add_typer(group, name="group")
    inner, outer = (CliRunner().invoke(app, arguments) for arguments in (["group", "inner"], ["outer"]))
    assert (inner.exit_code, inner.output) == (outer.exit_code, outer.output)
    return outer


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BusUnavailableError("the bus is away"), "the bus is away"),
        (psycopg.errors.UndefinedTable("no table x"), "no table x; if it is an object of candlewave, apply the"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv"), "a.csv: No such file or directory"),
        (TimeoutError("timed out"), "timed out"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_a_person_can_mend_is_a_text_and_exit_code_1(error: Exception, words: str) -> None:
    result = run(error)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {words}")
    assert isinstance(result.exception, SystemExit)


def test_a_fault_of_candlewave_keeps_its_traceback() -> None:
    fault = KeyError("nobody expected this")
    assert run(fault).exception is fault


def test_a_closed_pipe_is_not_an_error() -> None:
    assert "error:" not in run(BrokenPipeError(errno.EPIPE, "Broken pipe")).output
