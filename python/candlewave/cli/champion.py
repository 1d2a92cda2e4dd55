"""What commands say about a champion whose features change."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candlewave.core.config import Config
    from candlewave.core.settings import Settings


def has_registry(settings: "Settings") -> bool:
    """Return whether there is a registry; asking neither makes nor loads one, which takes seconds."""
    return settings.mlflow_tracking_uri is not None or (settings.data_dir / "mlflow" / "mlflow.db").exists()


def lost_by(settings: "Settings", config: "Config") -> str | None:
    """Return why the champion could not be used with the features of a configuration, None when it could.

    A registry that is down or not there yet says nothing: a migration does not depend on it.
    """
    from candlewave.sqlproject.catalog.features import FeatureCatalog

    if not has_registry(settings):
        return None
    features = FeatureCatalog(config)
    return _problem(settings, tuple(feature.name for feature in features.columns), features.set_id)


def lost_now(settings: "Settings") -> str | None:
    """Return why the champion cannot be used with the engine's features, None when it can or the engine is away."""
    if not has_registry(settings):
        return None
    import psycopg

    from candlewave.engine.connect import EngineError, connect
    from candlewave.ml.feature_set import NoFeaturesError, feature_names, feature_set

    try:
        with connect(settings) as conn:
            names, identity = feature_names(conn), feature_set(conn)
    except (EngineError, NoFeaturesError, psycopg.Error):
        return None
    return _problem(settings, names, identity)


def ask_for_training(settings: "Settings", problem: str) -> str:
    """Ask the trainer for a model of the present features, at once; return the request's id.

    Raises:
        BusError: the bus did not take it.
    """
    from uuid import uuid4

    from candlewave.bus import open_bus
    from candlewave.bus.messages import to_message
    from candlewave.contracts.records import TrainingRequest
    from candlewave.contracts.topics import TRAINING_REQUESTS
    from candlewave.core.times import utc_now
    from candlewave.ml.settings import TrainSettings

    identity = f"migrate-{uuid4().hex[:16]}"
    name = TrainSettings.load().model_name
    request = TrainingRequest(identity, name, f"features changed: {problem}", {"urgent": True}, utc_now())
    with open_bus(settings) as bus:
        bus.ensure_topics([TRAINING_REQUESTS])
        bus.publish(TRAINING_REQUESTS.name, [to_message(request)])
    return identity


def _problem(settings: "Settings", names: tuple[str, ...], identity: str) -> str | None:
    import typer

    from candlewave.ml.registry import RegistryError, open_registry
    from candlewave.ml.usable import champion_problem

    try:
        return champion_problem(open_registry(settings), names, identity)
    except RegistryError as error:
        typer.echo(f"note: not known whether the champion can still be used: {error}", err=True)
        return None
