"""``candlewave stack doctor``: what of a deployment is unhealthy, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import fail, load_settings
from candlewave.contracts.services import SERVICES
from candlewave.core.times import utc_now

if TYPE_CHECKING:
    from candlewave.core.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look after a deployment: engine, bus, stores and services together.")

_PATIENCE_SECONDS = 5.0
_OLD = timedelta(minutes=3)
"""Candles that were closed longer ago are no live candles."""


@app.callback()
def stack() -> None:
    """Keep ``doctor`` a command of its own name: Typer drops the name of an only command."""


@dataclass(frozen=True)
class Finding:
    """What one part says.

    Attributes:
        part: its name.
        problem: what is wrong; None when nothing is.
        detail: of a healthy part.
    """

    part: str
    problem: str | None = None
    detail: str = ""


@app.command()
def doctor(
    service: Annotated[
        list[str] | None,
        typer.Option("--service", help="NAME=URL of a service's admin server, repeated; by default http://NAME:9100."),
    ] = None,
) -> None:
    """Ask every part that the settings name, and each service, how it is.

    What others depend on comes first: look at the first line that is not ok, the lines below may follow from it. Run it
    where the services run (`docker compose exec predictions-api candlewave stack doctor`). Exit code 1 when anything
    is unhealthy.
    """
    settings = load_settings()
    services = _addresses(service) if service else {name: f"http://{name}:9100" for name in SERVICES}
    healthy = True
    for finding in _examine(settings, services):
        healthy = healthy and finding.problem is None
        text = " ".join((finding.problem or finding.detail).split())
        typer.echo(f"{'ok ' if finding.problem is None else 'BAD'} {finding.part}: {text}")
    if not healthy:
        raise typer.Exit(1)


def _addresses(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, _, url in pairs:
        if not name or not url.startswith(("http://", "https://")):
            fail(f"--service wants NAME=URL, such as predictions-api=http://127.0.0.1:9100, not {name}")
    return {name: url.rstrip("/") for name, _, url in pairs}


def _examine(settings: "Settings", services: dict[str, str]) -> Iterator[Finding]:
    yield _bus(settings)
    yield from _engine(settings)
    if settings.elasticsearch_url is not None:
        yield _search(settings)
    yield from _registry(settings)
    yield from _alertmanagers()
    for name, url in services.items():
        yield _service(name, url)


def _bus(settings: "Settings") -> Finding:
    from candlewave.bus import BusError, BusUnavailableError, open_bus
    from candlewave.contracts.topics import TOPICS

    part = "Kafka" if settings.kafka_bootstrap_servers else "bus"
    missing: list[str] = []
    try:
        with open_bus(settings) as bus:
            for topic in TOPICS:
                try:
                    bus.partitions(topic)
                except BusUnavailableError:
                    raise
                except BusError:
                    missing.append(topic)
    except BusError as error:
        return Finding(part, str(error))
    if missing:
        return Finding(part, f"topics are missing: {', '.join(missing)}; `candlewave migrate` creates them")
    return Finding(part, detail=f"{len(TOPICS)} topics")


def _engine(settings: "Settings") -> Iterator[Finding]:
    import psycopg

    from candlewave.engine.connect import EngineError, connect, explain

    part = "embedded engine" if settings.embedded else "RisingWave"
    try:
        with connect(settings) as conn:
            rows = conn.execute("SELECT exchange, closed_until FROM market_clock ORDER BY exchange").fetchall()
    except (psycopg.Error, EngineError) as error:
        yield Finding(part, explain(error))
        return
    yield Finding(part, detail="answers")
    if not rows:
        yield Finding(
            "candles", "no trade has arrived: does trade-to-ohlc receive any, does the engine read topic trades?"
        )
    for exchange, closed_until in rows:
        yield _candles(exchange, closed_until)


def _candles(exchange: str, closed_until: datetime) -> Finding:
    behind = utc_now() - closed_until
    text = f"closed until {closed_until:%Y-%m-%d %H:%M} UTC"
    part = f"candles of {exchange}"
    if behind > _OLD:
        return Finding(part, f"{text}, {behind.total_seconds() / 60:.0f} minutes ago: no trade of it has come since")
    return Finding(part, detail=text)


def _search(settings: "Settings") -> Finding:
    from candlewave.elastic.client import SearchError, asking, open_client, require_version

    part = "Elasticsearch"
    try:
        client = open_client(settings)
        version = require_version(client)
        with asking("ask for its health"):
            status = str(client.cluster.health()["status"])
    except SearchError as error:
        return Finding(part, str(error))
    if status == "red":
        return Finding(part, "its health is red: a primary shard is not allocated, some forecasts cannot be searched")
    return Finding(part, detail=f"{version}, {status}")


def _registry(settings: "Settings") -> Iterator[Finding]:
    if settings.mlflow_tracking_uri is not None:
        uri = settings.mlflow_tracking_uri.get_secret_value()
        if uri.startswith(("http://", "https://")):
            yield _page("MLflow", uri.rstrip("/") + "/health")


def _alertmanagers() -> Iterator[Finding]:
    from candlewave.services.monitor.settings import MonitorSettings

    for url in MonitorSettings.load().alertmanager_urls:
        yield _page("Alertmanager", url.rstrip("/") + "/-/healthy")


def _page(part: str, url: str) -> Finding:
    import httpx

    try:
        answer = httpx.get(url, timeout=_PATIENCE_SECONDS)
    except httpx.HTTPError as error:
        return Finding(part, _unreachable(url, error))
    if answer.is_success:
        return Finding(part, detail="answers")
    return Finding(part, f"answers {answer.status_code} at {_shown(url)}")


def _service(name: str, url: str) -> Finding:
    import httpx

    try:
        answer = httpx.get(url + "/readyz", timeout=_PATIENCE_SECONDS)
        checks = answer.json()["checks"]
        problems = [f"{check}: {state['problem']}" for check, state in checks.items() if state["problem"] is not None]
    except httpx.HTTPError as error:
        return Finding(name, f"{_unreachable(url, error)}; it is stopped or starts: see its log")
    except (ValueError, KeyError, TypeError):
        return Finding(name, f"what answers at {_shown(url)} is not a service of candlewave")
    return Finding(name, "; ".join(problems) or None, "ready")


def _unreachable(url: str, error: Exception) -> str:
    from candlewave.core.errors import one_line

    return f"does not answer at {_shown(url)} ({one_line(error)})"


def _shown(url: str) -> str:
    from candlewave.engine.connect import safe_url

    return safe_url(url)
