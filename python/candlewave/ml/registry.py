"""The model registry: MLflow, and a copy of each model in use on this machine's disk.

Without MLFLOW_TRACKING_URI it is SQLite and files in the data directory, the same MLflow that a server runs. A model
that was loaded once stays on disk with checksums, so that a registry that is down delays no forecast.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.ml.forecaster import Part
from candlewave.ml.model import QuantileModel, load_model
from candlewave.telemetry import get_logger

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
"""The champion before the present one, for a rollback."""

FEATURES_TAG = "features"
"""Tag of a version: the set of features that it was trained on."""

RECIPE_TAG = "recipe"
"""Tag of a version: what was tried to make it, whatever the data."""

_ARTIFACT = "model"
_SUMS = "checksums.json"
_SERVED = "served_horizons"
_PARTS = "served_parts"
_COMPLETE = "complete"
_log = get_logger(__name__)


class RegistryError(CandlewaveError):
    """The registry cannot be used; the text says what was tried and what it answered."""


@dataclass(frozen=True)
class ModelVersion:
    """What the registry says of a version.

    Attributes:
        version: its number, as text.
        run_id: MLflow run that made it.
        created_at: UTC.
        aliases: such as ``champion``.
        tags: what was noted with it.
    """

    version: str
    run_id: str
    created_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def served_horizons(self) -> tuple[int, ...]:
        """The horizons on which it beat the baseline."""
        return tuple(json.loads(self.tags.get(_SERVED, "[]")))

    @property
    def served_parts(self) -> Mapping[int, Part]:
        """Of these, the horizons on which only its median or its interval did."""
        return {int(horizon): part for horizon, part in json.loads(self.tags.get(_PARTS, "{}")).items()}

    @property
    def is_complete(self) -> bool:
        """Whether its training ran to the end; one that was interrupted is not used."""
        return _COMPLETE in self.tags

    @property
    def train_end(self) -> datetime | None:
        """End of its training data, UTC."""
        text = self.tags.get("train_end")
        return datetime.fromisoformat(text) if text else None

    @property
    def feature_set(self) -> str | None:
        """The set of features that it was trained on; None where that was not noted."""
        return self.tags.get(FEATURES_TAG) or None

    @property
    def recipe(self) -> str | None:
        """What was tried to make it; None where that was not noted."""
        return self.tags.get(RECIPE_TAG) or None

    @property
    def trained_at(self) -> datetime | None:
        """When its training began, UTC; later than :attr:`train_end` when it was trained on history."""
        text = self.tags.get("trained_at")
        return datetime.fromisoformat(text) if text else self.train_end


class Registry:
    """One registered model's versions and aliases.

    Args:
        tracking_uri: MLflow's address.
        name: of the registered model.
        cache: folder of the models in use.
    """

    def __init__(self, tracking_uri: str, name: str, cache: Path) -> None:
        self.tracking_uri = tracking_uri
        self.name = name
        self._cache = cache
        self._client: MlflowClient | None = None

    def version(self, alias: str) -> str | None:
        """Return the version under an alias, None when there is none.

        When the registry is down, the version that this machine used last.

        Raises:
            RegistryError: it is down, and nothing was used yet.
        """
        try:
            found = self._by_alias(alias)
        except RegistryError as error:
            kept = self._last().get(alias)
            if kept is None:
                raise
            _log.warning(
                "registry is down, using the last model",
                alias=alias,
                model_version=kept.version,
                error=str(error),
            )
            return kept.version
        return None if found is None else found.version

    def load(self, alias: str) -> QuantileModel | None:
        """Return the model under an alias, None when there is none; from disk if it is there or the registry is down.

        Raises:
            RegistryError: the model is neither in the registry nor in the local cache.
        """
        try:
            found = self._by_alias(alias)
        except RegistryError:
            kept = self._last().get(alias)
            if kept is None:
                raise
            folder = self._cache / self.name / kept.version
            if not _is_whole(folder):
                raise
            return load_model(folder, version=kept.version, served=kept.served_horizons, parts=kept.served_parts)
        if found is None:
            self._remember(alias, None)
            return None
        model = self.load_version(found)
        self._remember(alias, _Kept(found.version, found.served_horizons, found.served_parts))
        return model

    def load_version(self, found: ModelVersion) -> QuantileModel:
        """Return a version, from disk if it is there.

        Raises:
            RegistryError: the model is neither in the registry nor in the local cache.
        """
        folder = self._cache / self.name / found.version
        if not _is_whole(folder):
            self._download(found, folder)
        return load_model(folder, version=found.version, served=found.served_horizons, parts=found.served_parts)

    def metadata(self, alias: str) -> ModelVersion | None:
        """Return what the registry says of the version under an alias, None when there is none.

        Raises:
            RegistryError: the registry is down.
        """
        return self._by_alias(alias)

    def versions(self) -> list[ModelVersion]:
        """Return all versions, newest first.

        Raises:
            RegistryError: the registry is down.
        """
        with self._asking("list versions") as client:
            aliases: dict[str, list[str]] = {}
            found = client.search_model_versions(f"name='{self.name}'")
            if found:
                for alias, number in client.get_registered_model(self.name).aliases.items():
                    aliases.setdefault(str(number), []).append(alias)
        ordered = sorted(found, key=lambda v: -int(v.version))
        return [_version(v, tuple(sorted(aliases.get(str(v.version), ())))) for v in ordered]

    def newest(self) -> ModelVersion | None:
        """Return the newest version whose training ran to the end; None when there is none.

        Raises:
            RegistryError: the registry is down.
        """
        return next((version for version in self.versions() if version.is_complete), None)

    def register(self, run_id: str, source: str, tags: Mapping[str, str]) -> ModelVersion:
        """Make a version of a run's model; all its files are there before.

        Raises:
            RegistryError: the registry refused or is down.
        """
        from mlflow.exceptions import MlflowException

        with self._asking("register a model") as client:
            try:
                client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            return _version(client.create_model_version(self.name, source, run_id, tags=dict(tags)), ())

    def set_alias(
        self,
        alias: str,
        version: str | None,
        served: Sequence[int] | None = None,
        parts: Mapping[int, Part] | None = None,
    ) -> None:
        """Point an alias at a version, or at none; ``served`` are the horizons it may serve, ``parts`` where not whole.

        Raises:
            RegistryError: the registry refused or is down.
        """
        with self._asking(f"set alias {alias}") as client:
            if version is None:
                client.delete_registered_model_alias(self.name, alias)
                return
            if served is not None:
                client.set_model_version_tag(self.name, version, _SERVED, json.dumps(list(served)))
                client.set_model_version_tag(self.name, version, _PARTS, json.dumps(dict(parts or {})))
            client.set_registered_model_alias(self.name, alias, version)

    def promote(self, version: str, served: Sequence[int], parts: Mapping[int, Part] | None = None) -> None:
        """Make a version the champion; the one before stays as ``previous``, and there is no challenger.

        Raises:
            RegistryError: the registry refused or is down.
        """
        before = self.metadata(CHAMPION)
        if before is not None and before.version != version:
            self.set_alias(PREVIOUS, before.version)
        self.set_alias(CHAMPION, version, served, parts)
        if self.metadata(CHALLENGER) is not None:
            self.set_alias(CHALLENGER, None)

    def restore(self, before: Mapping[str, ModelVersion | None]) -> None:
        """Point aliases at what they pointed at before.

        Raises:
            RegistryError: the registry refused or is down.
        """
        for alias, found in before.items():
            present = self.metadata(alias)
            wanted = None if found is None else found.version
            if wanted != (None if present is None else present.version):
                self.set_alias(alias, wanted)

    def complete(self, version: str) -> None:
        """Note that a version's training ran to the end.

        Raises:
            RegistryError: the registry refused or is down.
        """
        with self._asking("complete a version") as client:
            client.set_model_version_tag(self.name, version, _COMPLETE, "true")

    @property
    def client(self) -> "MlflowClient":
        """MLflow's own client of this registry."""
        if self._client is None:
            _quieten()
            from mlflow import MlflowClient

            self._client = MlflowClient(self.tracking_uri, self.tracking_uri)
        return self._client

    def _by_alias(self, alias: str) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        with self._asking(f"look up alias {alias}") as client:
            try:
                found = client.get_model_version_by_alias(self.name, alias)
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise
        return _version(found, (alias,))

    def _asking(self, what: str) -> "_Asking":
        return _Asking(self, what)

    def _download(self, found: ModelVersion, folder: Path) -> None:
        """Bring a version here; the folder appears whole or not at all."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        try:
            with self._asking(f"download version {found.version}") as client:
                source = Path(client.download_artifacts(found.run_id, _ARTIFACT, str(partial)))
            if not _is_whole(source):
                raise RegistryError(f"version {found.version} of {self.name} is damaged: its checksums do not match")
            shutil.rmtree(folder, ignore_errors=True)
            source.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _last(self) -> dict[str, "_Kept"]:
        try:
            found = json.loads((self._cache / self.name / "aliases.json").read_text(encoding="utf-8"))
            return {
                alias: _Kept(
                    kept["version"],
                    tuple(kept["served_horizons"]),
                    {int(horizon): part for horizon, part in kept.get("served_parts", {}).items()},
                )
                for alias, kept in found.items()
            }
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _remember(self, alias: str, version: "_Kept | None") -> None:
        kept = {**self._last(), alias: version}
        text = json.dumps({name: asdict(number) for name, number in kept.items() if number is not None})
        path = self._cache / self.name / "aliases.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


@dataclass(frozen=True)
class _Kept:
    """A version that this machine used last under an alias, and what it was allowed to serve."""

    version: str
    served_horizons: tuple[int, ...]
    served_parts: Mapping[int, Part]


class _Asking:
    """Turns errors of MLflow into RegistryError."""

    def __init__(self, registry: Registry, what: str) -> None:
        self._registry, self._what = registry, what

    def __enter__(self) -> "MlflowClient":
        try:
            return self._registry.client
        except Exception as error:
            raise self._error(error) from error

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, RegistryError):
            raise self._error(error) from error

    def _error(self, error: Exception) -> RegistryError:
        return RegistryError(f"cannot {self._what} in the model registry: {in_a_line(error)}")


def open_registry(settings: Settings, name: str | None = None) -> Registry:
    """Return the registry that MLFLOW_TRACKING_URI names, or the one in the data directory."""
    from candlewave.ml.settings import TrainSettings

    data = settings.data_dir.absolute()
    if settings.mlflow_tracking_uri is not None:
        uri = settings.mlflow_tracking_uri.get_secret_value()
    else:
        uri = _address(_database(data / "mlflow"))
    return Registry(uri, name or TrainSettings.load().model_name, data / "models")


def _address(database: Path) -> str:
    """Return the URL of an SQLite file whatever its name holds; SQLAlchemy ends a plain path at a question mark."""
    return f"sqlite:///{database.as_uri()}?uri=true"


def _database(folder: Path) -> Path:
    """Return the SQLite file of the registry in the data directory; it is created atomically.

    MLflow makes its tables step by step at the first use. Two processes at once, or one that is killed, would leave
    a file that no process can use any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mlflow.db"
    with (folder / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _quieten()
            from mlflow import MlflowClient

            logging.getLogger("mlflow.store.db.utils").setLevel(logging.ERROR)
            partial = folder / f"mlflow.{os.getpid()}.partial"
            partial.unlink(missing_ok=True)
            uri = _address(partial)
            MlflowClient(uri, uri).search_registered_models(max_results=1)
            partial.rename(path)
    return path


def artifact_root(settings: Settings) -> str | None:
    """Return where runs of the registry in the data directory keep files; None when a server decides."""
    if settings.mlflow_tracking_uri is not None:
        return None
    return (settings.data_dir.absolute() / "mlflow" / "artifacts").as_uri()


def in_a_line(error: Exception) -> str:
    """Return what MLflow says, without the password that may be in the registry's address."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return re.sub(r"://[^/\s]*@", "://", text)[:300]


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file of a folder into the folder."""
    (folder / _SUMS).write_text(json.dumps(_sums(folder), indent=1), encoding="utf-8")


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != _SUMS)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _is_whole(folder: Path) -> bool:
    try:
        wanted = json.loads((folder / _SUMS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    found = _sums(folder)
    return all(found.get(name) == digest for name, digest in wanted.items())


def _version(found: Any, aliases: tuple[str, ...]) -> ModelVersion:
    created = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    return ModelVersion(str(found.version), found.run_id or "", created, aliases, dict(found.tags or {}))


def _quieten() -> None:
    """Keep MLflow from calling home, retrying for minutes, and talking on standard error."""
    for variable, value in (
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("DO_NOT_TRACK", "true"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(variable, value)
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
