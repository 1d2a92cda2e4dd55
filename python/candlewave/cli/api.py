"""Commands about the API: serve it, and say who may use it."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from candlewave.core.times import utc_now

_NAME = re.compile(r"(?=.*\S).{1,100}")
_keys = typer.Typer(no_args_is_help=True, help="API keys: make, list, revoke.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("predictions-api")(predictions_api)
    app.add_typer(_keys, name="apikey")
    _keys.command()(create)
    _keys.command("list")(list_keys)
    _keys.command()(revoke)


def predictions_api() -> None:
    """Service: REST, live events and the dashboard on API_HOST:API_PORT (127.0.0.1:8000).

    API_* variables set keys, limits and times (docs/api.md).
    """
    from candlewave.cli.common import load_project
    from candlewave.ml.settings import TrainSettings
    from candlewave.services.api.service import main
    from candlewave.services.api.settings import ApiSettings
    from candlewave.services.frame import run_service

    settings, config = load_project()
    api_settings, model_name = ApiSettings.load(), TrainSettings.load().model_name
    code = run_service("predictions-api", settings, lambda service: main(service, config, api_settings, model_name))
    raise typer.Exit(code)


def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as a person or a program.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, train; several are possible.", show_default="read")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Lifetime, such as 90d, 12h; unlimited if left out.", show_default=False)
    ] = None,
) -> None:
    """Make a key and show it, once: the engine keeps only its hash."""
    from candlewave.cli.common import fail, load_settings
    from candlewave.engine.connect import connect
    from candlewave.services.api.security import keys
    from candlewave.services.api.security.pepper import read_pepper
    from candlewave.services.api.settings import ApiSettings

    scopes = scope or ["read"]
    unknown = [text for text in scopes if text not in keys.SCOPES]
    if unknown:
        fail(f"there is no scope {unknown[0]}; scopes are {', '.join(keys.SCOPES)}")
    if not _NAME.fullmatch(name) or not name.isprintable():
        fail(f"name {name[:100]!r}: expected 1 to 100 printable characters, not only spaces")
    settings = load_settings()
    lifetime, api_settings = _lifetime(expires), ApiSettings.load()
    with connect(settings) as conn:
        text, key = keys.make_key(read_pepper(settings, api_settings), name, scopes, lifetime, utc_now())
        keys.store(conn, key)
    typer.echo(text)
    until = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "until it is revoked"
    typer.echo(f"It holds {until}, may {' and '.join(sorted(key.scopes))}, and is not shown again.", err=True)


def list_keys() -> None:
    """Show all keys, oldest first; never the keys themselves."""
    from rich.console import Console
    from rich.table import Table

    from candlewave.cli.common import load_settings
    from candlewave.engine.connect import connect
    from candlewave.services.api.security import keys

    with connect(load_settings()) as conn:
        found = keys.stored(conn)
    if not found:
        typer.echo("There is no key. `candlewave apikey create NAME` makes one.")
        return
    now = utc_now()
    table = Table(title="API keys; times in UTC")
    for heading in ("prefix", "name", "scopes", "made", "expires", "state"):
        table.add_column(heading)
    for key in found:
        table.add_row(
            key.prefix,
            key.name,
            " ".join(sorted(key.scopes)),
            f"{key.created_at:%Y-%m-%d %H:%M}",
            f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never",
            key.refusal(now) or "holds",
        )
    Console().print(table)


def revoke(prefix: Annotated[str, typer.Argument(help="As `candlewave apikey list` shows it.")]) -> None:
    """End a key; every replica refuses it within two seconds."""
    from candlewave.cli.common import fail, load_settings
    from candlewave.engine.connect import connect
    from candlewave.services.api.security import keys

    with connect(load_settings()) as conn:
        found = keys.revoke(conn, prefix)
    if not found:
        fail(f"no key with prefix {prefix} holds")
    typer.echo(f"The key {prefix} is revoked.")


def _lifetime(text: str | None) -> timedelta | None:
    from candlewave.cli.common import fail

    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})([dh])", text)
    if match is None or not int(match[1]):
        fail(f"--expires {text}: expected a number of days or hours, such as 90d or 12h")
    return timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})
