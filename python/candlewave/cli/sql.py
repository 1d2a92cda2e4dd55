"""``candlewave sql``: a prompt on the engine, or one query for people and scripts."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candlewave.cli.common import fail, load_settings

if TYPE_CHECKING:
    import psycopg


def sql(
    command: Annotated[
        str | None, typer.Option("-c", "--command", help="Run these statements and end, instead of a prompt.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="With -c: comma-separated values with a header line.")] = False,
    json: Annotated[bool, typer.Option("--json", help="With -c: one JSON array of objects per result.")] = False,
    url: Annotated[
        bool, typer.Option("--url", help="Print the engine's URL, password included, as SQLAlchemy takes it, and end.")
    ] = False,
) -> None:
    """Query the engine: RISINGWAVE_URL when set, otherwise the embedded one.

    Without -c it prints the URL that any PostgreSQL client can use, and opens psql; statements may also be piped in.
    With -c the results are a table, CSV or JSON on standard output; all times are UTC. Errors go to standard error,
    with exit code 1.
    """
    if url:
        _print_url()
        return
    if csv and json:
        fail("choose one of --csv and --json")
    if command is None:
        if csv or json:
            fail("--csv and --json need a query: -c 'SELECT …'")
        _prompt()
    else:
        show = _print_csv if csv else _print_json if json else _print_table
        from candlewave.engine.connect import connect

        settings = load_settings()
        with connect(settings) as conn:
            # Without parameters PostgreSQL takes several statements at once.
            cursor = conn.execute(command.encode())
            while True:
                if cursor.description is not None:
                    show(cursor)
                else:
                    typer.echo(cursor.statusmessage or "", err=True)
                if not cursor.nextset():
                    break


def _print_url() -> None:
    """Name the driver: without it SQLAlchemy looks for psycopg2, which is not what candlewave brings."""
    from candlewave.engine.connect import engine_url

    typer.echo(f"postgresql+psycopg://{engine_url(load_settings()).split('://', 1)[1]}")


def _prompt() -> None:
    """Become psql; the password is not among its arguments, which other users can read."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    from candlewave.engine.connect import engine_url
    from candlewave.engine.embedded.programs import binary

    url = engine_url(load_settings())
    psql = binary("psql")
    typer.echo(url, err=True)
    parts = conninfo_to_dict(url)
    password = str(parts.pop("password", "") or "")
    env = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    sys.stderr.flush()
    # In a script the first error ends psql with exit code 3.
    piped = [] if sys.stdin.isatty() else ["--set", "ON_ERROR_STOP=1"]
    os.execve(psql, [str(psql), *piped, "--dbname", make_conninfo("", **parts)], env)


def _texts(cursor: "psycopg.Cursor[Any]") -> Iterator[list[str | None]]:
    """Yield the rows as the engine wrote them, without a detour through Python's types."""
    result = cursor.pgresult
    assert result is not None
    for row in range(result.ntuples):
        values = (result.get_value(row, column) for column in range(result.nfields))
        yield [None if value is None else value.decode() for value in values]


def _print_csv(cursor: "psycopg.Cursor[Any]") -> None:
    import csv

    assert cursor.description is not None
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(column.name for column in cursor.description)
    writer.writerows(_texts(cursor))


def _print_json(cursor: "psycopg.Cursor[Any]") -> None:
    import msgspec

    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    encoder = msgspec.json.Encoder(decimal_format="number")
    rows = (encoder.encode(dict(zip(names, row, strict=True))).decode() for row in cursor)
    sys.stdout.write("[" + ",\n".join(rows) + "]\n")


def _print_table(cursor: "psycopg.Cursor[Any]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    assert cursor.description is not None
    table = Table()
    numbers = {"int2", "int4", "int8", "float4", "float8", "numeric"}
    for column in cursor.description:
        table.add_column(Text(column.name), justify="right" if column.type_display in numbers else "left")
    for row in _texts(cursor):
        table.add_row(*(Text("NULL", "dim") if value is None else Text(value) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # Nothing is cut where no terminal sets the width.
        console = Console(highlight=False, width=10_000)
    console.print(table)
    console.print(f"({table.row_count} row{'' if table.row_count == 1 else 's'})")
