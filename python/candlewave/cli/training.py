"""Commands about models: train, serve trainings, look at versions, go back to the one before."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.champion import lost_now
from candlewave.core.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from candlewave.core.config import Config
    from candlewave.core.settings import Settings
    from candlewave.ml.candidates.parameters import BoostingParameters
    from candlewave.ml.dataset import Dataset
    from candlewave.ml.judge import Verdict
    from candlewave.ml.registry import ModelVersion
    from candlewave.ml.scores import Interval
    from candlewave.ml.settings import TrainSettings

_models = typer.Typer(
    no_args_is_help=True, help="Registered models: which there are, which serves, and back to the one before."
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(train)
    app.command("model-trainer")(model_trainer)
    app.command("mlflow")(mlflow_page)
    app.add_typer(_models, name="models")
    _models.command("list")(list_models)
    _models.command()(rollback)


def train(
    reason: Annotated[str, typer.Option(help="Why; noted with the model.")] = "by hand",
    end: Annotated[
        datetime | None,
        typer.Option(
            help="Train on what was known then (UTC); now, or the end of history, if left out.", show_default=False
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="Days of history; TRAIN_DAYS if left out.", min=0.1, show_default=False)
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(
            help="Parameters to try with Optuna first; TRAIN_SEARCH_TRIALS if left out.", min=0, show_default=False
        ),
    ] = None,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Train on the vectors that forecasts used, not on features as they are.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Walk forward and print verdicts; register nothing.")] = (
        False
    ),
    ask: Annotated[bool, typer.Option("--ask", help="Ask the service model-trainer for it instead.")] = False,
) -> None:
    """Train on the engine's features: walk forward, judge against the last price, register, promote or say why not.

    TRAIN_* variables set history, folds and LightGBM (docs/models.md).
    """
    from candlewave.cli.common import fail, load_project
    from candlewave.ml.settings import TrainSettings

    settings, config = load_project()
    train_settings = TrainSettings.load().model_copy(
        update={name: value for name, value in (("days", days), ("search_trials", search)) if value is not None}
    )
    now = utc_now()
    moment = end.replace(tzinfo=UTC) if end is not None else now
    if moment > now:  # the next training would wait until then
        fail(f"--end {moment:%Y-%m-%d %H:%M} UTC lies in the future: it is now {now:%Y-%m-%d %H:%M} UTC")
    if ask:
        _ask(settings, train_settings.model_name, reason)
    else:
        _train(settings, config, train_settings, reason, None if end is None else moment, inputs, dry_run)


def model_trainer() -> None:
    """Service: train by schedule, and when topic training_requests asks for it.

    TRAIN_* variables set interval, history, folds and LightGBM (docs/models.md). Of several replicas one trains, the
    others stand by.
    """
    from candlewave.cli.common import load_project
    from candlewave.ml.settings import TrainSettings
    from candlewave.services.frame import run_service
    from candlewave.services.trainer.service import main

    settings, config = load_project()
    train_settings = TrainSettings.load()
    raise typer.Exit(run_service("model-trainer", settings, lambda service: main(service, config, train_settings)))


def mlflow_page(
    port: Annotated[int, typer.Option(help="Port of the page on 127.0.0.1.", min=1, max=65535)] = 5000,
) -> None:
    """Serve MLflow's page of the registry in the data directory: trainings, their figures and verdicts.

    Each run's description has the decision and the figures it rests on. Metrics without a prefix are over all folds
    together, those with ``fold_`` have a step per fold. Ctrl-C stops it.
    """
    import os
    from importlib.util import find_spec

    from candlewave.cli.common import fail, load_settings
    from candlewave.ml.registry import artifact_root, open_registry

    settings = load_settings()
    if settings.mlflow_tracking_uri is not None:
        fail(
            "MLFLOW_TRACKING_URI names a server, which has this page itself; unset it for the one in the data directory"
        )
    if not settings.data_dir.exists():
        fail(f"there is no {settings.data_dir} (CANDLEWAVE_DATA_DIR): `make demo` or `candlewave up` makes it")
    if find_spec("flask") is None:
        fail("MLflow's page is not installed: pip install 'candlewave[mlflow]', or `make mlflow` in a checkout")
    uri, root = open_registry(settings).tracking_uri, artifact_root(settings)
    typer.echo(f"MLflow: http://127.0.0.1:{port}/ (Ctrl-C stops it)")
    sys.stdout.flush()
    options = ["--backend-store-uri", uri, "--default-artifact-root", str(root), "--host", "127.0.0.1"]
    os.execv(
        sys.executable, [sys.executable, "-m", "mlflow", "server", *options, "--port", str(port), "--workers", "1"]
    )


def list_models() -> None:
    """Show the registered versions, newest first, with what was decided about each."""
    from rich.console import Console
    from rich.table import Table

    from candlewave.cli.common import fail, load_settings
    from candlewave.ml.registry import open_registry

    settings = load_settings()
    if settings.mlflow_tracking_uri is None and not settings.data_dir.exists():
        fail(f"there is no {settings.data_dir} (CANDLEWAVE_DATA_DIR): `make demo` or `candlewave up` makes it")
    versions = open_registry(settings).versions()
    problem = lost_now(settings)
    if not versions:
        typer.echo("No model is registered: the baseline serves. `candlewave train` trains one.")
        return
    table = Table(title="Versions; times in UTC")
    for heading in ("version", "registered", "data up to", "aliases", "serves", "decision"):
        table.add_column(heading)
    for version in versions:
        table.add_row(
            version.version,
            f"{version.created_at:%Y-%m-%d %H:%M}",
            f"{version.train_end:%Y-%m-%d %H:%M}" if version.train_end else "",
            ", ".join(version.aliases),
            _serves(version, problem),
            version.tags.get("decision", "") if version.is_complete else "its training was interrupted",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if problem is not None:
        typer.echo(f"The champion is switched off, the last price is served: {problem}.")


def _serves(version: "ModelVersion", problem: str | None) -> str:
    """Return the horizons that users get from a version."""
    if "champion" not in version.aliases:
        return ""
    parts = version.served_parts
    named = (f"{h}m ({parts[h]})" if h in parts else f"{h}m" for h in version.served_horizons)
    return "nothing" if problem else ", ".join(named)


def rollback(reason: Annotated[str, typer.Option(help="Why; noted in model_events.")] = "by hand") -> None:
    """Make the champion before the present one serve again; a second rollback takes the first one back."""
    from candlewave.bus import open_bus
    from candlewave.cli.common import fail, load_settings
    from candlewave.contracts.topics import MODEL_EVENTS
    from candlewave.ml.messages import event_message
    from candlewave.ml.registry import CHAMPION, PREVIOUS, open_registry
    from candlewave.ml.settings import TrainSettings

    settings, model_name = load_settings(), TrainSettings.load().model_name
    with open_bus(settings) as bus:
        bus.ensure_topics([MODEL_EVENTS])  # fails before anything is changed when the bus is down
        registry = open_registry(settings, model_name)
        present, before = registry.metadata(CHAMPION), registry.metadata(PREVIOUS)
        if present is None or before is None:
            fail("there is no champion before the present one")
        text = f"version {before.version} instead of {present.version}: {reason}"
        registry.promote(before.version, before.served_horizons, before.served_parts)
        event = event_message(model_name, before.version, "rolled_back", text, utc_now())
        bus.publish(MODEL_EVENTS.name, [event])
    typer.echo(f"Version {before.version} is the champion again; predictors follow within seconds.")


def _ask(settings: "Settings", model_name: str, reason: str) -> None:
    from uuid import uuid4

    from candlewave.bus import open_bus
    from candlewave.bus.messages import to_message
    from candlewave.contracts.records import TrainingRequest
    from candlewave.contracts.topics import TRAINING_REQUESTS

    request = TrainingRequest(f"cli-{uuid4().hex[:16]}", model_name, reason, {}, utc_now())
    with open_bus(settings) as bus:
        bus.ensure_topics([TRAINING_REQUESTS])
        bus.publish(TRAINING_REQUESTS.name, [to_message(request)])
    typer.echo(f"Asked for a training of {model_name}: request {request.request_id}.")


def _train(
    settings: "Settings",
    config: "Config",
    train_settings: "TrainSettings",
    reason: str,
    end: datetime | None,
    inputs: bool,
    dry_run: bool,
) -> None:
    from candlewave.bus import open_bus
    from candlewave.contracts.topics import BASELINE_SPREADS, FEATURE_REFERENCE, MODEL_EVENTS
    from candlewave.engine.clocks import market_now
    from candlewave.engine.connect import connect
    from candlewave.ml.registry import CHAMPION, artifact_root, open_registry
    from candlewave.ml.train import examine, fits, read_training_data, train
    from candlewave.telemetry.progress import progress

    with connect(settings) as conn, progress("Reading training data", None, "rows") as bar:
        registry = None if dry_run else open_registry(settings, train_settings.model_name)
        if registry is not None:
            registry.metadata(CHAMPION)  # fail before the work when it is unreachable
        now = utc_now()
        end = end or market_now(conn, now)
        data, warnings = read_training_data(
            conn, config, train_settings, end, source="inputs" if inputs else "features", on_rows=bar.advance
        )
    for warning in warnings:
        typer.echo(f"note: {warning}", err=True)
    parameters = _search(data, config, train_settings) if train_settings.search_trials else train_settings.boosting
    boosters = fits(config, train_settings, final=not dry_run)
    if registry is None:
        with progress("Training", boosters, "boosters") as bar:
            examined = examine(data, config, train_settings, parameters, warnings, on_fit=bar.advance)
        _show(examined.verdicts)
        return
    with open_bus(settings) as bus, progress("Training", boosters, "boosters") as bar:
        bus.ensure_topics([MODEL_EVENTS, FEATURE_REFERENCE, BASELINE_SPREADS])
        trained = train(
            data,
            bus,
            registry,
            config,
            train_settings,
            reason=reason,
            end=end,
            at=now,
            warnings=warnings,
            parameters=parameters,
            artifact_root=artifact_root(settings),
            on_fit=bar.advance,
        )
    _show(trained.verdicts)
    what = "serves from now" if trained.decision.promoted else "does not serve"
    typer.echo(f"Version {trained.version} is registered and {what}: {trained.decision.reason}.")


def _search(data: "Dataset", config: "Config", train_settings: "TrainSettings") -> "BoostingParameters":
    from candlewave.ml.tuning import search
    from candlewave.telemetry.progress import progress

    with progress("Searching parameters", train_settings.search_trials, "trials") as bar:
        found = search(data, config, train_settings, on_trial=bar.advance)
    typer.echo(
        f"Best of {found.trials} trials: pinball loss {found.loss:.4f} of the baseline's"
        f" ({found.shipped_loss:.4f} with the parameters as set): {found.parameters}"
    )
    return found.parameters


def verdict_table(verdicts: "Sequence[Verdict]") -> "Table":
    """Return what out-of-sample forecasts are worth, horizon by horizon."""
    from rich.table import Table

    title = "Forecasts of unseen data against the last price; skills at 95 % over all horizons together"
    table = Table(title=title)
    for heading in ("ahead", "verdict", "skill", "interval skill", "coverage of 80 %", "direction", "forecasts"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for v in verdicts:
        table.add_row(
            f"{v.horizon_minutes} min",
            v.text,
            *(_percent(i) for i in (v.skill, v.interval_skill, v.coverage, v.direction)),
            f"{v.forecasts:,} ({v.independent:,} apart)",
        )
    return table


def _percent(interval: "Interval") -> str:
    if interval.value != interval.value:
        return "–"
    return f"{100 * interval.value:.2f} % [{100 * interval.low:.2f}, {100 * interval.high:.2f}]"


def _show(verdicts: "Sequence[Verdict]") -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(verdict_table(verdicts))
