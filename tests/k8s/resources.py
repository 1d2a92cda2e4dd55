"""The table of resources that was ordered, and what an overlay gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.k8s.cluster import Cluster, labels_of, name_of


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        component: as the table calls it.
        cpu: request and limit.
        memory: request and limit.
        storage: of each claim, where the table names one.
    """

    component: str
    cpu: tuple[str, str]
    memory: tuple[str, str]
    storage: str | None = None


TABLE = (
    Row("sentiment-extractor", ("1000m", "2000m"), ("2Gi", "4Gi")),
    Row("trade-to-ohlc", ("500m", "1000m"), ("1Gi", "2Gi")),
    Row("technical-indicators", ("500m", "1000m"), ("1Gi", "2Gi")),
    Row("predictions-api", ("500m", "1000m"), ("1Gi", "2Gi")),
    Row("model-error-monitor", ("500m", "1000m"), ("1Gi", "2Gi")),
    Row("model-trainer", ("2000m", "4000m"), ("4Gi", "8Gi")),
    Row("price-predictor", ("1000m", "2000m"), ("2Gi", "4Gi")),
    Row("kafka", ("1000m", "2000m"), ("4Gi", "8Gi"), "100Gi"),
    Row("risingwave-compute", ("2000m", "4000m"), ("8Gi", "16Gi"), "200Gi"),
    Row("elasticsearch-data", ("1000m", "3000m"), ("4Gi", "8Gi"), "100Gi"),
    Row("mlflow", ("500m", "1000m"), ("1Gi", "2Gi"), "50Gi"),
)

_STATE_ELSEWHERE = {"risingwave-compute": "risingwave", "mlflow": "mlflow"}
"""Components whose state is in an object store: the claim that carries it says so in candlewave.io/state-of."""

_UNITS = {"m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def amount(text: str | int | float) -> float:
    """Read a quantity of Kubernetes."""
    value = str(text)
    for unit, factor in sorted(_UNITS.items(), key=lambda item: -len(item[0])):
        if value.endswith(unit):
            return float(value.removesuffix(unit)) * factor
    return float(value)


def resources_of(cluster: Cluster, component: str) -> dict[str, Any]:
    """Return what a component's main container asks for; nothing unless there is exactly one such workload."""
    if component == "kafka":
        pools = [pool for pool in cluster.kind("KafkaNodePool") if "broker" in pool["spec"]["roles"]]
        return dict(pools[0]["spec"]["resources"]) if len(pools) == 1 else {}
    pods = [pod for pod in cluster.own_pods if pod.name == component and pod.kind in {"Deployment", "StatefulSet"}]
    if len(pods) != 1:
        return {}
    containers = pods[0].spec["containers"]
    main = next((container for container in containers if container["name"] == component), containers[0])
    return dict(main["resources"])


def storage_of(cluster: Cluster, component: str) -> list[str]:
    """Return the sizes of the claims that hold a component's state."""
    if component == "kafka":
        pools = [pool for pool in cluster.kind("KafkaNodePool") if "broker" in pool["spec"]["roles"]]
        return [volume["size"] for pool in pools for volume in pool["spec"]["storage"]["volumes"]]
    claims = [
        (labels_of(document) | (document["metadata"].get("annotations") or {}), document["spec"])
        for document in cluster.kind("PersistentVolumeClaim")
    ]
    for document in cluster.kind("StatefulSet"):
        for claim in document["spec"].get("volumeClaimTemplates", []):
            marks = labels_of(claim) | (claim["metadata"].get("annotations") or {})
            if name_of(document) == component:
                marks = {**marks, "candlewave.io/state-of": _STATE_ELSEWHERE.get(component, component)}
            claims.append((marks, claim["spec"]))
    wanted = _STATE_ELSEWHERE.get(component, component)
    return [
        spec["resources"]["requests"]["storage"]
        for marks, spec in claims
        if marks.get("candlewave.io/state-of") == wanted
    ]


def problems(cluster: Cluster, row: Row) -> Iterator[str]:
    """Say where an overlay and a row of the table differ."""
    given = resources_of(cluster, row.component)
    if not given:
        yield f"{row.component}: there is not exactly one"
        return
    for side, position in (("requests", 0), ("limits", 1)):
        for what, wanted in (("cpu", row.cpu[position]), ("memory", row.memory[position])):
            if abs(amount(given[side][what]) - amount(wanted)) > 1e-9:
                yield f"{row.component}: {side} {what} {given[side][what]}, ordered {wanted}"
    if row.storage is not None:
        sizes = storage_of(cluster, row.component)
        if [amount(size) for size in sizes] != [amount(row.storage)]:
            yield f"{row.component}: storage {', '.join(sizes) or 'none'}, ordered {row.storage}"
