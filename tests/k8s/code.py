"""What the code serves and reads: settings, paths, metrics. Taken from the running code, not from lists."""

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from prometheus_client import REGISTRY
from pydantic_settings import BaseSettings
from tests.k8s.cluster import ROOT

import candlewave
from candlewave.telemetry.admin import AdminServer, Readiness

PACKAGE = ROOT / "python" / "candlewave"

LIBRARY_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "boto3, for MLflow's artifacts",
    "AWS_SECRET_ACCESS_KEY": "boto3, for MLflow's artifacts",
    "AWS_SHARED_CREDENTIALS_FILE": "boto3, for MLflow's artifacts",
    "AWS_DEFAULT_REGION": "boto3, for MLflow's artifacts",
    "MLFLOW_S3_ENDPOINT_URL": "MLflow's client",
    "MLFLOW_TRACKING_USERNAME": "MLflow's client",
    "MLFLOW_TRACKING_PASSWORD": "MLflow's client",
    "OMP_NUM_THREADS": "LightGBM and NumPy: threads of the limit, not of the node",
    "HOME": "libraries that write caches, with a read-only root file system",
    "TMPDIR": "Python",
    "MPLCONFIGDIR": "matplotlib",
    "PYTHONUNBUFFERED": "Python",
    "GIT_PYTHON_REFRESH": "MLflow's git client, which is not in the image",
}
"""Variables that libraries read, and which."""

_EVERYWHERE = frozenset({"CANDLEWAVE_ENV", "ADMIN_HOST", "RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS"})
REQUIRED_VARIABLES = {
    "trade-to-ohlc": _EVERYWHERE,
    "technical-indicators": _EVERYWHERE,
    "sentiment-extractor": _EVERYWHERE,
    "model-trainer": _EVERYWHERE | {"MLFLOW_TRACKING_URI"},
    "price-predictor": _EVERYWHERE | {"MLFLOW_TRACKING_URI"},
    "predictions-api": _EVERYWHERE | {"API_HOST", "API_KEY_PEPPER", "ELASTICSEARCH_URL"},
    "model-error-monitor": _EVERYWHERE | {"ALERTMANAGER_URL"},
    "migrate": frozenset({"CANDLEWAVE_ENV", "RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS"}),
}
"""Without these a command does not do in a cluster what it is there for."""


def modules(pattern: str) -> Iterator[ModuleType]:
    """Import the package's modules whose text matches."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if re.search(pattern, path.read_text(), re.MULTILINE):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            yield importlib.import_module(".".join(part for part in parts if part != "__init__"))


@cache
def settings_variables() -> frozenset[str]:
    """Names of all environment variables that settings classes read."""
    found = set()
    for module in modules(r"^class \w+\(\w*Settings\)"):
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if issubclass(cls, BaseSettings) and cls.__module__.startswith(candlewave.__name__):
                found |= {field.alias or name.upper() for name, field in cls.model_fields.items()}
    return frozenset(found)


@cache
def metrics() -> dict[str, frozenset[str]]:
    """Labels by name of every metric that the code exports, as Prometheus stores them."""
    for _ in modules(r"^from prometheus_client"):
        pass
    found: dict[str, frozenset[str]] = {}
    for collector in list(REGISTRY._collector_to_names):
        described = list(getattr(collector, "describe", collector.collect)())
        for metric in described:
            labels = frozenset(getattr(collector, "_labelnames", None) or getattr(metric, "_labelnames", ()))
            for name in _series(metric.name, metric.type):
                found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def _series(name: str, kind: str) -> list[str]:
    if kind == "counter":
        return [f"{name}_total"]
    if kind == "histogram":
        return [f"{name}_bucket", f"{name}_count", f"{name}_sum"]
    return [name]


@cache
def admin_paths() -> frozenset[str]:
    """Paths that the admin server answers other than with 404."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    server = AdminServer("127.0.0.1", 0, Readiness())
    found = set()
    try:
        for path in ("/healthz", "/readyz", "/metrics"):
            try:
                with urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
                    if answer.status == 200:
                        found.add(path)
            except HTTPError:
                continue
    finally:
        server.stop()
    return frozenset(found)


@cache
def api_paths() -> frozenset[str]:
    """Paths of the REST API's routes."""
    text = "\n".join(path.read_text() for path in sorted((PACKAGE / "services" / "api").rglob("*.py")))
    return frozenset(re.findall(r"""\.(?:get|api_route|mount)\(\s*["'](/[^"']*)["']""", text))
