"""``candlewave init`` and ``candlewave new``: a project of one's own on top of candlewave, and what belongs into it."""

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import fail

if TYPE_CHECKING:
    from candlewave.core.config import Config

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FILES = {"README.md": "README.md", ".env.example": "env.example", ".gitignore": "gitignore"}
_START = datetime(2024, 1, 1, tzinfo=UTC)

new_app = typer.Typer(help="Write an SQL file with header, and a golden case that fails until you fill it in.")
Name = Annotated[str, typer.Argument(help="Name of the view: lower case, digits, _.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.add_typer(new_app, name="new", no_args_is_help=True)


def init(folder: Annotated[Path, typer.Argument(help="Folder to make; it may exist if it is empty.")]) -> None:
    """Make a project of your own on top of candlewave: a folder with candlewave.toml, sql/ and golden/.

    Inside it every command works with candlewave's own objects and yours.
    """
    from candlewave.core.paths import CONFIG_NAME, project_root

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fail(f"{folder} exists and is not an empty folder")
    name = folder.resolve().name
    for made in (folder, folder / "sql", folder / "golden"):
        made.mkdir(parents=True, exist_ok=True)
    for made in (folder / "sql", folder / "golden"):
        (made / ".gitkeep").touch()  # Git keeps no empty folder
    shipped = (project_root() / CONFIG_NAME).read_text(encoding="utf-8")
    (folder / CONFIG_NAME).write_text(f'[project]\nname = "{name}"\n\n{shipped}', encoding="utf-8")
    for target, source in _FILES.items():
        (folder / target).write_text(_template(source, NAME=name), encoding="utf-8")
    typer.echo(
        f"Made {folder}: candlewave.toml, sql/, golden/, .env.example, README.md.\n\n"
        f"  cd {folder}\n"
        "  candlewave new indicator range_7 --bars 7    # or: candlewave new view NAME\n"
        "  candlewave demo                              # engine, simulated market, forecasts, page"
    )


@new_app.command()
def view(name: Name) -> None:
    """A view with one row per closed candle, to be changed into what you need."""
    _write(name, "view.sql.j2", bars=1)


@new_app.command()
def indicator(
    name: Name,
    bars: Annotated[int, typer.Option(help="Bars that a value is made of.", min=2, max=500)] = 14,
) -> None:
    """An indicator over the last bars of each closed candle, with warm-up and holes; it begins as their range."""
    _write(name, "indicator.sql.j2", bars=bars)


def _write(name: str, template: str, bars: int) -> None:
    from candlewave.core.config import load_config
    from candlewave.core.paths import own_root
    from candlewave.sqlproject.render import render_objects

    root = own_root()
    if root is None:
        fail("this is not inside a project; make one with `candlewave init FOLDER`")
    if _NAME.fullmatch(name) is None:
        fail(f"{name!r} is not a name for a view: lower-case letters, digits and _, beginning with a letter")
    config = load_config()
    if known := next((o for o in render_objects(config) if o.name == name), None):
        whose = "your project" if known.own else "candlewave"
        hint = "" if known.own else "; to replace it, copy its text from `candlewave render`"
        fail(f"{whose} has an object {name} already (sql/{known.path}){hint}")
    path = root / "sql" / "views" / f"{name}.sql.j2"
    case = root / "golden" / name / "first"
    path.parent.mkdir(parents=True, exist_ok=True)
    case.mkdir(parents=True)
    path.write_text(_template(template, NAME=name, BARS=str(bars)), encoding="utf-8")
    _write_case(case, name, bars, config)
    typer.echo(
        f"Wrote {_shown(path)} and {_shown(case)}/.\n\n"
        f"  1. Change the SQL and its header into what {name} is.\n"
        f"  2. Work out by hand what {_shown(case)}/01-expected.csv must hold, and write it there.\n"
        f"  3. candlewave golden {name}      until it agrees\n"
        "  4. candlewave lint\n"
        "  5. candlewave migrate\n"
        f"  6. candlewave sql -c 'SELECT * FROM {name} LIMIT 5', or /v1/views/{name}"
    )


def _write_case(case: Path, name: str, bars: int, config: "Config") -> None:
    """Write one bar more than a value is made of, and an expected file whose values are still to be worked out."""
    from candlewave.core.config import TIMEFRAME_SECONDS

    timeframe = config.candles.timeframes[0]
    length = timedelta(seconds=TIMEFRAME_SECONDS[timeframe])
    first = int(_START.timestamp()) // TIMEFRAME_SECONDS[timeframe]
    rows = ["exchange,symbol,timeframe,open_time,close_time,bar_index,open,high,low,close,is_whole"]
    expected = [f"exchange,symbol,timeframe,open_time,{name}"]
    for number in range(bars + 1):
        low, high = 100 - number, 104 + 2 * number
        begin, end = (f"{_START + length * (number + k):%Y-%m-%dT%H:%M:%SZ}" for k in (0, 1))
        rows.append(f"kraken,BTC/USD,{timeframe},{begin},{end},{first + number},102,{high},{low},100,true")
        expected.append(f"kraken,BTC/USD,{timeframe},{begin},")
    (case / "01-candles.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (case / "01-expected.csv").write_text("\n".join(expected) + "\n", encoding="utf-8")
    (case / "README.md").write_text(
        f"# {bars + 1} bars in a row\n\n"
        "TODO what happens in 01-candles.csv, and why 01-expected.csv is right; an empty cell is NULL. Work it out by\n"
        "hand, before you look at what the engine says.\n",
        encoding="utf-8",
    )


def _template(name: str, **values: str) -> str:
    text = (files("candlewave.cli") / "scaffold" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _shown(path: Path) -> Path:
    """Return a path as seen from the working directory, where it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
