"""``candlewave sql``: results for people and scripts, errors on standard error, psql for the rest."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from candlewave.cli import app

Sql = Callable[..., Result]


@pytest.fixture
def sql(engine: str) -> Sql:
    """Call ``candlewave sql`` in this process."""
    assert engine
    return lambda *arguments: CliRunner().invoke(app, ["sql", *arguments])


ROW = (
    "SELECT 1 AS number, 'a,\"b' AS text, NULL AS nothing, '2026-01-01 12:00+01'::timestamptz AS time,"
    " 0.10::numeric AS exact, 'NaN'::float8 AS odd, true AS yes"
)


def test_csv_is_what_the_engine_says(sql: Sql) -> None:
    result = sql("--csv", "-c", ROW)
    assert result.exit_code == 0
    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["number", "text", "nothing", "time", "exact", "odd", "yes"],
        ["1", 'a,"b', "", "2026-01-01 11:00:00+00", "0.10", "NaN", "t"],
    ]


def test_csv_of_nothing_is_its_header(sql: Sql) -> None:
    assert sql("--csv", "-c", "SELECT 1 AS a WHERE false").stdout == "a\n"


def test_json_keeps_types_and_exact_numbers(sql: Sql) -> None:
    result = sql("--json", "-c", ROW)
    assert '"exact":0.10,' in result.stdout
    assert json.loads(result.stdout, parse_float=str) == [
        {
            "number": 1,
            "text": 'a,"b',
            "nothing": None,
            "time": "2026-01-01T11:00:00Z",
            "exact": "0.10",
            "odd": None,
            "yes": True,
        }
    ]


def test_a_table_shows_long_values_whole_and_counts(sql: Sql) -> None:
    result = sql("-c", "SELECT repeat('x', 300) AS long, NULL AS none")
    assert "x" * 300 in result.stdout
    assert "NULL" in result.stdout
    assert "(1 row)" in result.stdout


def test_markup_in_values_is_shown_as_it_is(sql: Sql) -> None:
    assert "[red]x[/red]" in sql("-c", "SELECT '[red]x[/red]' AS \"[b]\"").stdout


def test_several_statements_give_several_results(sql: Sql) -> None:
    result = sql("--csv", "-c", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); SELECT sum(a) AS sum FROM t")
    assert result.stdout == "sum\n3\n"
    assert result.stderr == "CREATE TABLE\nINSERT 0 2\n"


def test_a_percent_sign_is_no_parameter(sql: Sql) -> None:
    assert sql("--csv", "-c", "SELECT 'a' LIKE '%' AS like").stdout == "like\nt\n"


def test_an_error_goes_to_standard_error(sql: Sql) -> None:
    result = sql("--csv", "-c", "SELECT nonsense")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == 'error: column "nonsense" does not exist\n'


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--csv"], "need a query"), (["--csv", "--json", "-c", "SELECT 1"], "choose one")],
)
def test_options_that_do_not_fit_are_refused(sql: Sql, arguments: list[str], text: str) -> None:
    result = sql(*arguments)
    assert result.exit_code == 1
    assert text in result.stderr


@pytest.mark.usefixtures("engine")
def test_without_a_query_psql_reads_and_the_url_is_printed(
    engine: str, run: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    show_arguments = r"\! tr '\0' ' ' < /proc/$PPID/cmdline"
    done = run("sql", stdin=f"SELECT 6 * 7 AS answer;\n{show_arguments}\n")
    assert done.returncode == 0
    assert done.stderr.strip() == engine
    assert " 42\n" in done.stdout
    if Path("/proc/self/cmdline").exists():
        password = psycopg.conninfo.conninfo_to_dict(engine)["password"]
        assert "dbname=" in done.stdout
        assert str(password) not in done.stdout


@pytest.mark.usefixtures("engine")
def test_the_first_error_of_a_script_ends_it(run: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    done = run("sql", stdin="SELECT nope;\nSELECT 6 * 7 AS answer;\n")
    assert done.returncode != 0
    assert "nope" in done.stderr
    assert "42" not in done.stdout
