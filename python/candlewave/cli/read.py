"""Commands that read from the REST API: forecasts, candles, performance, markets, news, alerts."""

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from candlewave.client import Client
    from candlewave.client.calls import Call

Url = Annotated[str, typer.Option(envvar="CANDLEWAVE_API_URL", help="Where the API is.")]
Key = Annotated[
    str | None, typer.Option(envvar="CANDLEWAVE_API_KEY", help="API key, where one is needed.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="The API's answer as JSON.")]
Exchange = Annotated[
    str | None,
    typer.Option(help="If left out, the API's default, or where the market's newest data are.", show_default=False),
]
Symbol = Annotated[str, typer.Argument(help="Such as BTC-USD.")]
Limit = Annotated[int, typer.Option(help="Rows, newest first.", min=1, max=1000)]
_URL = "http://127.0.0.1:8000"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (predictions, candles, performance, symbols, headlines, alerts):
        app.command()(command)


def predictions(
    symbol: Annotated[str | None, typer.Argument(help="Every market if left out.", show_default=False)] = None,
    exchange: Exchange = None,
    url: Url = _URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the forecasts that are served now."""
    from candlewave.client import calls

    _show(
        calls.latest(symbol, exchange),
        ("exchange", "symbol", "horizon_minutes", "role", "target_time", "price_q10", "price_q50", "price_q90"),
        url,
        key,
        as_json=as_json,
        of_market=True,
    )


def candles(
    symbol: Symbol,
    exchange: Exchange = None,
    timeframe: Annotated[str, typer.Option(help="Length of a bar.")] = "1m",
    limit: Limit = 20,
    url: Url = _URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a market's newest candles, with the open one."""
    from candlewave.client import calls

    _show(
        calls.candles(symbol, exchange, timeframe=timeframe, limit=limit),
        ("open_time", "open", "high", "low", "close", "volume", "trades", "is_open", "feed_state"),
        url,
        key,
        as_json=as_json,
        of_market=True,
    )


def performance(
    symbol: Annotated[str | None, typer.Argument(help="Every market if left out.", show_default=False)] = None,
    exchange: Exchange = None,
    span: Annotated[str, typer.Option(help="Window: 1h, 24h or 7d.")] = "24h",
    url: Url = _URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show how good each model version was, against the last price and the baseline."""
    from candlewave.client import calls

    _show(
        calls.performance(symbol, exchange, span=span),
        (
            "exchange",
            "symbol",
            "horizon_minutes",
            "model_name",
            "model_version",
            "forecasts",
            "skill",
            "interval_skill",
            "coverage",
        ),
        url,
        key,
        as_json=as_json,
        of_market=True,
    )


def symbols(url: Url = _URL, key: Key = None, as_json: AsJson = False) -> None:
    """Show the markets, the range of their data and their newest price."""
    from candlewave.client import calls

    columns = ("exchange", "symbol", "first_candle", "last_candle", "last_trade", "last_price")
    _show(calls.symbols(), columns, url, key, as_json=as_json)


def headlines(
    asset: Annotated[str, typer.Argument(help="Such as BTC.")],
    limit: Limit = 20,
    url: Url = _URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show an asset's newest headlines with their scores."""
    from candlewave.client import calls

    columns = ("scored_at", "score", "source", "title")
    _show(calls.headlines(asset, limit=limit), columns, url, key, as_json=as_json)


def alerts(
    every: Annotated[bool, typer.Option("--all", help="Every change, not only what fires now.")] = False,
    limit: Limit = 20,
    url: Url = _URL,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show what the error monitor says."""
    from candlewave.client import calls

    _show(
        calls.alerts(status="all" if every else "firing", limit=limit),
        ("occurred_at", "status", "severity", "rule", "summary"),
        url,
        key,
        as_json=as_json,
    )


def _show(
    call: "Call[Any]", columns: Sequence[str], url: str, key: str | None, *, as_json: bool, of_market: bool = False
) -> None:
    from rich.console import Console
    from rich.table import Table

    from candlewave.cli.common import fail
    from candlewave.client import ApiUnavailableError, Client

    try:
        with Client(url, key or None, attempts=2) as client:
            answer: BaseModel = client.get(call)
            others = None if answer.data or not of_market else _with_data(client)  # type: ignore[attr-defined]
    except ValueError as error:
        fail(f"--url, --key: {error}")
    except ApiUnavailableError as error:
        fail(f"{url}: {error}. `make demo` or `candlewave predictions-api` serves the API")
    if as_json:
        typer.echo(answer.model_dump_json(indent=1))
        return
    rows = answer.data  # type: ignore[attr-defined]
    if not rows:
        typer.echo("Nothing yet." if others is None else f"Nothing yet. {others}")
        return
    table = Table()
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_text(getattr(row, column), is_price=column in _PRICES) for column in columns))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _with_data(client: "Client") -> str:
    from candlewave.client import calls

    found = sorted({row.exchange for row in client.get(calls.symbols()).data if row.last_trade is not None})
    return f"There are data of: {', '.join(found)} (choose with --exchange)." if found else "No market has data."


_PRICES = {"open", "high", "low", "close", "last_price", "price_q10", "price_q50", "price_q90"}


def price_decimals(price: float) -> int:
    """Return the decimals with which a ten-thousandth of a price is visible, at least two, as on the page."""
    return max(2, min(12, 4 - math.floor(math.log10(abs(price))))) if price else 2


def _text(value: object, *, is_price: bool = False) -> str:
    from datetime import datetime

    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if is_price and isinstance(value, float):
        return f"{value:.{price_decimals(value)}f}"
    if isinstance(value, float):
        return f"{value:.8g}" if abs(value) >= 10 else f"{value:.4f}"
    return str(value)
