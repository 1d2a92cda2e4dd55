"""Checks of what makes components larger and smaller."""

from collections import Counter
from collections.abc import Iterator

from tests.k8s.cluster import Cluster, Document, name_of, title
from tests.k8s.references import secret

SERVICES = (
    "trade-to-ohlc",
    "technical-indicators",
    "sentiment-extractor",
    "model-trainer",
    "price-predictor",
    "predictions-api",
    "model-error-monitor",
)
_BY_USE = {"cpu", "memory"}


def targets(cluster: Cluster) -> Iterator[str]:
    """Each service has exactly one scaler, no target has two, and each target is there."""
    scaled = Counter(target_of(document) for document in cluster.kind("HorizontalPodAutoscaler", "ScaledObject"))
    for (kind, name), times in scaled.items():
        if times > 1:
            yield f"{kind}/{name}: {times} scalers"
        if cluster.get(kind, name) is None:
            yield f"a scaler's target {kind}/{name} is not there"
    jobs = {name_of(document) for document in cluster.kind("ScaledJob")}
    for service in SERVICES:
        if scaled[("Deployment", service)] == 0 and service not in jobs:
            yield f"Deployment/{service}: no scaler"


def target_of(document: Document) -> tuple[str, str]:
    """Return kind and name of what a scaler scales."""
    reference = document["spec"]["scaleTargetRef"]
    return str(reference.get("kind", "Deployment")), str(reference["name"])


def limits(cluster: Cluster) -> Iterator[str]:
    """Scalers have sensible limits; replicas of what is scaled are not fixed elsewhere."""
    for document in cluster.kind("HorizontalPodAutoscaler", "ScaledObject"):
        spec = document["spec"]
        least = spec.get("minReplicas", spec.get("minReplicaCount"))
        most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
        if least is None or most is None or not 0 <= least <= most or most < 1:
            yield f"{title(document)}: from {least} to {most}"
        kind, name = target_of(document)
        target = cluster.get(kind, name)
        if kind in {"Deployment", "StatefulSet"} and target and "replicas" in target["spec"]:
            yield f"{kind}/{name}: replicas is fixed, and {title(document)} changes it"


def own_load(cluster: Cluster) -> Iterator[str]:
    """Each scaler looks at the component's own load, not at processor and memory alone."""
    for document in cluster.kind("ScaledObject"):
        kinds = {trigger["type"] for trigger in document["spec"]["triggers"]}
        if not kinds - _BY_USE:
            yield f"{title(document)}: scales by {', '.join(sorted(kinds))} alone"
    for document in cluster.kind("HorizontalPodAutoscaler"):
        kinds = {metric["type"] for metric in document["spec"].get("metrics", [])}
        if not kinds & {"Pods", "Object", "External"}:
            yield f"{title(document)}: scales by {', '.join(sorted(kinds)) or 'nothing'} alone"


def unanswered(cluster: Cluster) -> Iterator[str]:
    """While nobody answers KEDA there is a number of replicas."""
    for document in cluster.kind("ScaledObject"):
        if "fallback" not in document["spec"]:
            yield f"{title(document)}: no fallback"


def authentication(cluster: Cluster) -> Iterator[str]:
    """Triggers name authentications that are there, with Secrets that are there."""
    known = cluster.names("TriggerAuthentication")
    for document in cluster.kind("ScaledObject", "ScaledJob"):
        for trigger in document["spec"]["triggers"]:
            name = trigger.get("authenticationRef", {}).get("name")
            if name is not None and name not in known:
                yield f"{title(document)}: no TriggerAuthentication {name}"
    for document in cluster.kind("TriggerAuthentication"):
        for item in document["spec"].get("secretTargetRef", []):
            yield from secret(cluster, title(document), item["name"], item["key"])


def queries(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Return the PromQL of all triggers with where it stands."""
    for document in cluster.kind("ScaledObject", "ScaledJob"):
        for trigger in document["spec"]["triggers"]:
            if trigger["type"] == "prometheus":
                yield title(document), trigger["metadata"]["query"]
