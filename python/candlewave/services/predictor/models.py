"""The models that forecast now: champion and challenger as the registry names them, the baseline always.

A thread asks the registry, so that a slow one delays no forecast; the cycle reads :attr:`ModelWatch.models`, which
changes as a whole.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from candlewave.contracts.records import Role
from candlewave.ml.forecaster import Forecaster, Part, Stretches
from candlewave.services.predictor import metrics
from candlewave.telemetry import get_logger

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"

Identity = tuple[str, str]
"""Name and version of a model."""

ModelStretches = Mapping[Identity, Mapping[int, Stretches]]
"""How much wider intervals are than a model says, by its horizons."""

_Wanted = tuple[str, tuple[int, ...], dict[int, Part]]
"""What an alias asks for: a version, the horizons it serves, and those of which it serves a part."""

_log = get_logger(__name__)


class Version(Protocol):
    """What is used of :class:`candlewave.ml.registry.ModelVersion`."""

    @property
    def version(self) -> str: ...
    @property
    def served_horizons(self) -> tuple[int, ...]: ...
    @property
    def served_parts(self) -> Mapping[int, Part]: ...
    @property
    def feature_set(self) -> str | None: ...


class RegistryReader(Protocol):
    """What is used of :class:`candlewave.ml.registry.Registry`."""

    def load(self, alias: str, /) -> Forecaster | None:
        """Return the model under an alias, None when there is none; from disk when the registry is down."""

    def metadata(self, alias: str, /) -> Version | None:
        """Return what an alias points at, None when it points at nothing; raise when the registry is down."""


@dataclass(frozen=True)
class Models:
    """Who forecasts.

    Attributes:
        baseline: last resort, and the reference of every judgement.
        champion: serves the horizons it is promoted for.
        challenger: forecasts too, but is only evaluated.
        feature_sets: the set of features that a version was trained on, where it is known.
    """

    baseline: Forecaster
    champion: Forecaster | None = None
    challenger: Forecaster | None = None
    feature_sets: Mapping[str, str] = field(default_factory=dict)

    @property
    def identities(self) -> list[Identity]:
        """Names and versions of those that there are."""
        return [_identity(model) for model in (self.baseline, self.champion, self.challenger) if model is not None]


class ModelWatch:
    """Follow the registry's aliases.

    While the registry is unreachable the loaded models keep forecasting; at start-up the last model cached on disk is
    used, if there is one.

    Args:
        registry: the registry.
        baseline: the baseline.
    """

    def __init__(self, registry: RegistryReader, baseline: Forecaster) -> None:
        self._registry = registry
        self._models = Models(baseline)
        self._lock = threading.Lock()
        self._challenger: Forecaster | None = None
        self._feature_sets: dict[str, str] = {}
        self._loaded: dict[str, _Wanted | None] = {CHAMPION: None, CHALLENGER: None}
        self._problems: dict[str, str] = {}
        self._exported: set[tuple[str, str, str]] = set()
        self._export()

    @property
    def models(self) -> Models:
        """The models to use now; safe to read from any thread."""
        return self._models

    @property
    def problem(self) -> str | None:
        """Why the registry's models may be out of date, None when they are not."""
        return "; ".join(self._problems.values()) or None

    def refresh(self) -> None:
        """Ask the registry once, and load what has changed."""
        champion = self._follow(CHAMPION, self._models.champion)
        self._challenger = challenger = self._follow(CHALLENGER, self._challenger)
        if challenger is not None and champion is not None and _identity(challenger) == _identity(champion):
            challenger = None
        with self._lock:
            self._models = Models(self._models.baseline, champion, challenger, dict(self._feature_sets))
            self._export()

    def use_baseline(self, baseline: Forecaster) -> None:
        """Forecast with this baseline from now; another thread may be refreshing."""
        with self._lock:
            if baseline == self._models.baseline:
                return
            self._models = replace(self._models, baseline=baseline)
            self._export()
        _log.info("baseline follows the newest training", model_version=baseline.model_version)

    def run(self, stop: threading.Event, seconds: float, ready: Callable[[], None]) -> None:
        """Refresh every so many seconds until ``stop`` is set; call ``ready`` after the first time."""
        self.refresh()
        ready()
        while not stop.wait(seconds):
            self.refresh()

    def _follow(self, alias: str, present: Forecaster | None) -> Forecaster | None:
        problem: tuple[str, str] | None = None
        try:
            found = self._registry.metadata(alias)
            wanted = None if found is None else (found.version, found.served_horizons, dict(found.served_parts))
            if found is not None and found.feature_set is not None:
                self._feature_sets[found.version] = found.feature_set
        except Exception as error:  # noqa: BLE001 (it is down, or a version's tags are unreadable)
            if present is not None:
                return self._went_wrong(alias, "registry", str(error), present)
            problem, wanted = ("registry", str(error)), None
        # A model that came from disk while the registry was away is here although none was loaded.
        if problem is None and wanted == self._loaded[alias] and (present is None) == (wanted is None):
            self._problems.pop(alias, None)
            return present
        try:
            model = self._registry.load(alias)
        except Exception as error:  # noqa: BLE001 (a model's files can be wrong in any way; the service must go on)
            return self._went_wrong(alias, *(problem or ("model", f"{type(error).__name__}: {error}")), present)
        if problem is not None:
            return self._went_wrong(alias, *problem, model)
        self._problems.pop(alias, None)
        self._loaded[alias] = wanted
        _log.info(
            "model follows its alias",
            alias=alias,
            model=None if model is None else f"{model.model_name} {model.model_version}",
            served_horizons=None if model is None else list(model.served_horizons),
        )
        return model

    def _went_wrong(self, alias: str, reason: str, text: str, kept: Forecaster | None) -> Forecaster | None:
        metrics.FALLBACKS.labels(reason).inc()
        if alias not in self._problems:
            goes_on = "the baseline" if kept is None else f"version {kept.model_version}"
            _log.warning("cannot follow an alias", alias=alias, error=text, goes_on_with=goes_on)
        self._problems[alias] = f"{alias}: {text}"
        return kept

    def _export(self) -> None:
        models = self._models
        now = {
            (*_identity(model), role)
            for role, model in (
                ("baseline", models.baseline),
                (CHAMPION, models.champion),
                (CHALLENGER, models.challenger),
            )
            if model is not None
        }
        for labels in now:
            metrics.MODEL_INFO.labels(*labels).set(1)
        for labels in self._exported - now:
            metrics.MODEL_INFO.remove(*labels)
        self._exported = now


def _identity(model: Forecaster) -> Identity:
    return model.model_name, model.model_version


def roles(models: Models, horizons: Sequence[int]) -> list[tuple[Forecaster, dict[int, Role]]]:
    """Return each model with its role at each horizon it is asked for; the baseline comes last."""
    found: list[tuple[Forecaster, dict[int, Role]]] = []
    if models.champion is not None:
        served = set(models.champion.served_horizons)
        found.append(
            (
                models.champion,
                {h: CHAMPION if h in served else CHALLENGER for h in models.champion.horizons_minutes if h in horizons},
            )
        )
    if models.challenger is not None:
        found.append((models.challenger, {h: CHALLENGER for h in models.challenger.horizons_minutes if h in horizons}))
    found.append((models.baseline, {h: "baseline" for h in models.baseline.horizons_minutes if h in horizons}))
    return found
