"""One training: read, walk forward, judge, fit, register, promote or not, and publish."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from numpy.typing import NDArray

from candlewave.bus.protocol import Bus
from candlewave.contracts.records import ModelEventKind
from candlewave.contracts.topics import BASELINE_SPREADS, FEATURE_REFERENCE, MODEL_EVENTS
from candlewave.core.config import Config
from candlewave.core.times import MINUTE, utc_now
from candlewave.ml import tracking
from candlewave.ml.baseline import fit_baseline
from candlewave.ml.candidates.catalog import boosters
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.challenge import waits
from candlewave.ml.dataset import Dataset, FeatureSource, known_labels, read_dataset
from candlewave.ml.examined import Examined
from candlewave.ml.feature_set import require_volatility, volatility_feature
from candlewave.ml.folds import walk_forward
from candlewave.ml.forecaster import FeatureMismatchError, Part, require_features, served_quantiles
from candlewave.ml.judge import OutOfSample, Verdict, judge_together
from candlewave.ml.messages import event_message, reference_messages, spread_messages
from candlewave.ml.model import ModelFormatError, QuantileModel, TooLittleDataError, fit_horizon
from candlewave.ml.online import follow
from candlewave.ml.promote import Compared, Decision, against, decide
from candlewave.ml.registry import (
    CHALLENGER,
    CHAMPION,
    FEATURES_TAG,
    PREVIOUS,
    RECIPE_TAG,
    ModelVersion,
    Registry,
    RegistryError,
)
from candlewave.ml.settings import TrainSettings
from candlewave.ml.walk import walk
from candlewave.telemetry import get_logger

_log = get_logger(__name__)
_MICROSECOND = timedelta(microseconds=1)
_NAMED_MARKETS = 5


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        version: in the registry.
        run_id: MLflow run with parameters, metrics and plots.
        decision: whether it serves, and why.
        verdicts: per horizon, on data the folds had not seen.
        rows: of the training data.
    """

    version: str
    run_id: str
    decision: Decision
    verdicts: list[Verdict]
    rows: int


def read_training_data(
    conn: psycopg.Connection,
    config: Config,
    settings: TrainSettings,
    end: datetime,
    *,
    source: FeatureSource = "features",
    on_rows: Callable[[int], None] = lambda _: None,
) -> tuple[Dataset, list[str]]:
    """Return what was known at ``end``, without markets of too little history, and what is peculiar about it.

    Raises:
        TooLittleDataError: no market has enough.
        NoFeaturesError: the view ``features`` is not there, or not the configured one.
    """
    begin = end - timedelta(days=settings.days)
    horizons = config.predictions.horizons_minutes
    # A candle is known a grace after its close, be it that of the features or the one a label ends with.
    closed = end - timedelta(seconds=config.candles.grace_seconds)
    newest = closed - MINUTE
    data = read_dataset(conn, horizons, begin, newest + _MICROSECOND, source=source, on_rows=on_rows)
    data = known_labels(data, closed)
    require_volatility(config, data.names)
    names, counts = np.unique(data.markets, return_counts=True)
    small = [name for name, count in zip(names, counts, strict=True) if count < settings.min_history_minutes]
    warnings = [f"left out {name}: {count} minutes" for name, count in zip(names, counts, strict=True) if name in small]
    if len(small) == len(names):
        most = int(counts.max(initial=0))
        of = " of forecasts' inputs" if source == "inputs" else ""
        raise TooLittleDataError(
            f"the longest history{of} between {begin:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC has {most} minutes,"
            f" {settings.min_history_minutes} are needed (TRAIN_MIN_HISTORY_MINUTES)"
        )
    data = data.rows(~np.isin(data.markets, small)) if small else data
    missing = [name for name, column in zip(data.names, data.values.T, strict=True) if not np.isfinite(column).any()]
    if missing:
        warnings.append(f"missing everywhere: {', '.join(missing)}")
    for name, column in zip(data.names, data.values.T, strict=True):
        known = column[np.isfinite(column)]
        if len(known) and known.min() == known.max():
            warnings.append(f"feature {name} is constant")
    return data, warnings


def examine(
    data: Dataset,
    config: Config,
    settings: TrainSettings,
    parameters: BoostingParameters,
    warnings: Sequence[str] = (),
    *,
    on_fit: Callable[[], None] = lambda: None,
) -> Examined:
    """Walk forward with every candidate, choose one per horizon, and judge it.

    Raises:
        TooLittleDataError: there are too few rows for the folds.
    """
    horizons = config.predictions.horizons_minutes
    try:
        folds = walk_forward(data.open_time, settings.folds, settings.embargo_minutes, config.candles.grace_seconds)
    except ValueError as error:
        raise TooLittleDataError(str(error)) from None
    names = settings.candidate_names
    walked = walk(data, horizons, folds, parameters, volatility_feature(config), candidates=names, on_fit=on_fit)
    chosen = {horizon: found.best for horizon, found in walked.items()}
    followed = {horizon: follow(walked[horizon].candidates[chosen[horizon]]) for horizon in horizons}
    verdicts = judge_together([found.outcome for found in followed.values()])
    return Examined(data, folds, walked, chosen, followed, verdicts, list(warnings))


def fits(config: Config, settings: TrainSettings, *, final: bool = True) -> int:
    """Return about how many fits a training reports; ``final`` counts those of the model of all data."""
    each = [2 * boosters(name) + 1 for name in settings.candidate_names]
    return len(config.predictions.horizons_minutes) * (settings.folds * sum(each) + max(each) * final)


def fit_final(
    examined: Examined,
    config: Config,
    settings: TrainSettings,
    parameters: BoostingParameters,
    *,
    on_fit: Callable[[], None] = lambda: None,
) -> QuantileModel:
    """Fit the chosen candidates on all data; their intervals begin as wide as those of the walk ended."""
    data, horizons = examined.data, tuple(config.predictions.horizons_minutes)
    volatility = volatility_feature(config)
    scale = data.values[:, data.names.index(volatility)]
    baseline = fit_baseline(horizons, scale, data.labels, volatility, data.markets)
    return QuantileModel(
        model_name=settings.model_name,
        model_version="0",
        feature_names=data.names,
        horizons_minutes=horizons,
        served_horizons=(),
        markets=tuple(np.unique(data.markets).tolist()),
        baseline=baseline,
        models={
            h: fit_horizon(data, h, baseline, parameters, (name,), on_fit=on_fit)[name].stretched(
                examined.followed[h].stretches
            )
            for h, name in examined.chosen.items()
        },
    )


def train(
    data: Dataset,
    bus: Bus,
    registry: Registry,
    config: Config,
    settings: TrainSettings,
    *,
    reason: str,
    end: datetime,
    at: datetime | None = None,
    warnings: Sequence[str] = (),
    parameters: BoostingParameters | None = None,
    artifact_root: str | None = None,
    on_fit: Callable[[], None] = lambda: None,
) -> Trained:
    """Train, register, and promote the model if it has earned it.

    A version is complete when it is marked so, last of all. Interrupted in the middle, it leaves a run without a
    version, or a version that nothing points at and that counts as no training.

    Args:
        data: what was known at ``end``; see :func:`read_training_data`.
        bus: gets model events and feature references.
        registry: where the model goes.
        config: horizons and more.
        settings: folds, LightGBM.
        reason: why this training, noted with the run.
        end: nothing later is known.
        at: wall clock at which it began; ``end`` if None, and then the events are of that time, too.
        warnings: what is peculiar about the data.
        parameters: of LightGBM; those of ``settings`` if None.
        artifact_root: where a registry without a server keeps files.
        on_fit: called after each booster; may raise to stop.

    Raises:
        TooLittleDataError: there are too few rows for the folds.
        RegistryError: the registry is down.
        BusError: the bus is down; the version is not complete.
    """
    parameters = parameters or settings.boosting
    examined = examine(data, config, settings, parameters, warnings, on_fit=on_fit)
    model = fit_final(examined, config, settings, parameters, on_fit=on_fit)
    champion = registry.metadata(CHAMPION)
    decision = _decide(registry, champion, examined, settings.recipe)
    run_id, folder = tracking.log_training(
        registry, artifact_root, examined, model, decision, parameters, reason=reason, end=end
    )
    version = registry.register(
        run_id,
        folder,
        {
            "train_end": end.isoformat(),
            "trained_at": (at or end).isoformat(),
            "reason": reason[:400],
            "decision": decision.reason[:400],
            "fingerprint": data.fingerprint(),
            FEATURES_TAG: data.feature_set,
            RECIPE_TAG: settings.recipe,
        },
    )
    importance = _mean_importance(model)
    bus.publish(FEATURE_REFERENCE.name, reference_messages(version.version, data.names, data.values, importance))
    served = model.baseline.stretched({h: found.baseline_stretches for h, found in examined.followed.items()})
    bus.publish(BASELINE_SPREADS.name, spread_messages(version.version, served, end))
    before = {alias: registry.metadata(alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)}
    decided_at = end if at is None else utc_now()
    became: ModelEventKind = "promoted" if decision.promoted else "rejected"
    try:
        challenger = before[CHALLENGER]
        if decision.promoted:
            registry.promote(version.version, decision.served, decision.parts)
        elif challenger is not None and waits(challenger, champion, data.feature_set, at or end):
            decision = replace(decision, reason=f"{decision.reason}; version {challenger.version} stays the challenger")
        else:
            registry.set_alias(CHALLENGER, version.version, decision.served, decision.parts)
        why = f"{reason}; {_trained_on(data)}"
        events = [
            event_message(settings.model_name, version.version, "registered", why, decided_at),
            event_message(settings.model_name, version.version, became, decision.reason, decided_at),
        ]
        if decision.confirms_champion and champion is not None:
            words = f"version {version.version} is not better: {decision.reason}"
            events.append(event_message(settings.model_name, champion.version, "confirmed", words, decided_at))
        bus.publish(MODEL_EVENTS.name, events)
        registry.complete(version.version)
    except BaseException:
        _undo(registry, before, version.version)
        raise
    _log.info(
        "model trained",
        model_version=version.version,
        promoted=decision.promoted,
        served_horizons=list(decision.served),
        why=decision.reason,
        rows=len(data),
    )
    return Trained(version.version, run_id, decision, examined.verdicts, len(data))


def _trained_on(data: Dataset) -> str:
    """Return how much data a model was trained on, in words."""
    markets = np.unique(data.markets).tolist()
    first, last = (str(data.open_time[n].astype("datetime64[m]")).replace("T", " ") for n in (0, -1))
    hours = len(np.unique(data.open_time)) / 60
    named = ", ".join(markets[:_NAMED_MARKETS])
    more = f" and {len(markets) - _NAMED_MARKETS} more" if len(markets) > _NAMED_MARKETS else ""
    return f"trained on {hours:.1f} hours of {named}{more}, {first} to {last} UTC"


def _undo(registry: Registry, before: Mapping[str, ModelVersion | None], version: str) -> None:
    """Point the aliases back after a training that did not end, as far as the registry is reachable."""
    try:
        registry.restore(before)
    except RegistryError as error:
        _log.warning(
            "aliases may point at a version whose training did not end", model_version=version, error=str(error)
        )


def _decide(registry: Registry, champion: ModelVersion | None, examined: Examined, recipe: str) -> Decision:
    """Decide about the candidate; a champion trained on other features or horizons is ignored."""
    if champion is None:
        return decide(examined.verdicts, None, None)
    try:
        present = registry.load_version(champion)
    except ModelFormatError as error:
        return _without(champion, str(error), examined)
    common = [o for o in examined.outcomes if o.horizon_minutes in present.horizons_minutes]
    try:
        require_features(present.feature_names, examined.data.names)
        useless = None if common else f"it forecasts {', '.join(f'{h}m' for h in present.horizons_minutes)} only"
    except FeatureMismatchError as error:
        useless = str(error)
    if useless is None:
        is_refresh = (champion.recipe, champion.feature_set or "") == (recipe, examined.data.feature_set)
        compared = _compare(present, champion, common, examined)
        return decide(examined.verdicts, present, compared, is_refresh=is_refresh)
    return _without(champion, useless, examined)


def _without(champion: ModelVersion, useless: str, examined: Examined) -> Decision:
    """Decide as if there were no champion, and say why."""
    decision = decide(examined.verdicts, None, None)
    return replace(
        decision, reason=f"{decision.reason}; version {champion.version} could not be compared with: {useless}"
    )


def _compare(
    present: QuantileModel, champion: ModelVersion, outcomes: Sequence[OutOfSample], examined: Examined
) -> Compared:
    """Compare what users would get with what they got, on test rows after both trainings."""
    since = np.datetime64((champion.train_end or datetime.min.replace(tzinfo=UTC)).replace(tzinfo=None), "us")
    candidate = decide(examined.verdicts, None, None)
    mine, theirs = [], []
    for outcome in outcomes:
        horizon = outcome.horizon_minutes
        rows = examined.walked[horizon].rows
        later = examined.data.open_time[rows] >= since
        if not later.any():
            continue
        answers = present.predict(examined.data.rows(rows[later]).matrix())[:, present.horizons_minutes.index(horizon)]
        usable = np.isfinite(answers).all(axis=1)
        kept = outcome.rows(np.flatnonzero(later)[usable])
        mine.append(replace(kept, quantiles=_served(kept.quantiles, kept, candidate.served, candidate.parts)))
        theirs_then = follow(replace(kept, quantiles=answers[usable])).outcome.quantiles
        quantiles = _served(theirs_then, kept, present.served_horizons, present.served_parts)
        theirs.append(replace(kept, quantiles=quantiles))
    return against(mine, theirs)


def _served(
    quantiles: NDArray[np.float64], outcome: OutOfSample, served: Sequence[int], parts: Mapping[int, Part]
) -> NDArray[np.float64]:
    """Return what users get of a model at a horizon: the baseline where it does not serve."""
    horizon = outcome.horizon_minutes
    if horizon not in served:
        return outcome.baseline
    return served_quantiles(quantiles, outcome.baseline, parts.get(horizon))


def _mean_importance(model: QuantileModel) -> dict[str, float]:
    total: dict[str, float] = {}
    for horizon in model.horizons_minutes:
        for name, share in model.importance(horizon).items():
            total[name] = total.get(name, 0.0) + share / len(model.horizons_minutes)
    return total
