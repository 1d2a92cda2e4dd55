"""``candlewave init`` and ``candlewave new``: a project of one's own on top of candlewave, and what belongs into it."""

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import fail

if TYPE_CHECKING:
    from candlewave.core.config import Config, OwnFeature

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


@new_app.command()
def feature(
    name: Annotated[str, typer.Argument(help="Name of the feature: lower case, digits, _.")],
    sql: Annotated[
        str,
        typer.Option(help="Expression over a closed bar and its indicators, without a unit."),
    ] = "(close - open) / nullif(high - low, 0)",
    range_: Annotated[str, typer.Option("--range", help="Where values lie, such as -20..20.")] = "-1..1",
    neutral: Annotated[float | None, typer.Option(help="What stands for NULL once there are enough bars.")] = None,
    longer: Annotated[bool, typer.Option("--longer", help="Also of the latest bar of each longer timeframe.")] = False,
) -> None:
    """A feature that models learn from: an entry of candlewave.toml."""
    import json

    from candlewave.core.config import Config, FeaturesConfig, OwnFeature, load_config
    from candlewave.core.paths import CONFIG_NAME
    from candlewave.sqlproject.catalog.features import FeatureCatalog

    root = _own_root()
    given = {"name": name, "sql": sql, "range": range_, "neutral": neutral, "longer": longer}
    entry = OwnFeature.model_validate(given)
    config = load_config()
    own = FeaturesConfig(peers=config.features.peers, own=[*config.features.own, entry])
    config = Config.model_validate({**config.model_dump(), "features": own.model_dump()})
    *_, made = FeatureCatalog(config).of_bars  # refuses names that are taken, and what is no such expression
    said = [f"{key} = {json.dumps(value)}" for key, value in given.items() if value is not None]
    case = root / "golden" / "bar_features" / name
    case.mkdir(parents=True)
    with (root / CONFIG_NAME).open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "[[features.own]]", *said]) + "\n")
    _write_feature_case(case, entry, made.needs, config)
    typer.echo(
        f"Added {name} to {_shown(root / CONFIG_NAME)}, and wrote {_shown(case)}/.\n\n"
        f"  1. Work out by hand what {_shown(case)}/01-expected.csv must hold, and write it there.\n"
        f"  2. candlewave golden bar_features/{name}      until it agrees\n"
        "  3. candlewave lint      refuses what has a unit, such as a price\n"
        "  4. candlewave plan, candlewave migrate\n"
        "  5. candlewave train     no model knows the feature before; the baseline forecasts meanwhile"
    )


def _own_root() -> Path:
    from candlewave.core.paths import own_root

    root = own_root()
    if root is None:
        fail("this is not inside a project; make one with `candlewave init FOLDER`")
    return root


def _write(name: str, template: str, bars: int) -> None:
    from candlewave.core.config import load_config
    from candlewave.sqlproject.render import render_objects

    root = _own_root()
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


def _write_feature_case(case: Path, entry: "OwnFeature", needs: int, config: "Config") -> None:
    """Write two bars, one too early for a value, and an expected file whose second value is still to be worked out."""
    from candlewave.sqlproject.catalog.indicators import Unit
    from candlewave.sqlproject.catalog.own_features import columns_of
    from candlewave.sqlproject.catalog.own_indicators import VIEW, all_indicators

    known = {indicator.name: indicator for indicator in all_indicators(config)}
    used = [column for column in columns_of(entry, known) if column in known]
    numbers = {column: "100" if known[column].unit is Unit.PRICE else "2" for column in used}
    of_entries = [column for column in used if known[column].view == VIEW]
    used = [column for column in used if column not in of_entries]
    keys = "exchange,symbol,timeframe,open_time"
    candles = [f"{keys},close_time,open,high,low,close,volume,trades,buy_volume,is_whole,is_filled"]
    indicators = [",".join([keys, "close_time,close,volume,log_return,warm_bars", *used])]
    entries = [",".join([keys, *of_entries])]
    expected = [f"{keys},{entry.name}"]
    for number, warm_bars in enumerate((needs - 1, needs)):
        begin, end = (f"{_START + timedelta(minutes=number + k):%Y-%m-%dT%H:%M:%SZ}" for k in (0, 1))
        bar = f"kraken,BTC/USD,1m,{begin}"
        candles.append(f"{bar},{end},101,104,100,103,20,10,8,true,false")
        indicators.append(",".join([bar, end, f"103,20,0.02,{warm_bars}", *(numbers[column] for column in used)]))
        entries.append(",".join([bar, *(numbers[column] for column in of_entries)]))
        expected.append(f"{bar},")
    files = {"01-candles.csv": candles, "01-indicators.csv": indicators, "01-expected.csv": expected}
    for name, lines in (files | ({"01-own_indicators.csv": entries} if of_entries else {})).items():
        (case / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (case / "README.md").write_text(
        f"# {entry.name}: a bar too early, and one with a value\n\n"
        f"`{entry.sql}`. Of {needs} bars that it needs the first row has {needs - 1}, so it is NULL, an empty cell.\n"
        "TODO say why the second has the value that 01-expected.csv holds; choose other numbers in\n"
        "01-candles.csv and 01-indicators.csv if they show more.\n",
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
