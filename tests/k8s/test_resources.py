"""The table of resources that was ordered, line by line against the production overlay."""

from dataclasses import dataclass
from typing import Any

import pytest
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

_UNITS = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def amount(text: str | int | float) -> float:
    """Read a quantity of Kubernetes."""
    value = str(text)
    for unit, factor in _UNITS.items():
        if value.endswith(unit):
            return float(value.removesuffix(unit)) * factor
    return float(value)


def resources_of(cluster: Cluster, component: str) -> dict[str, Any]:
    """Return what a component's main container asks for."""
    if component == "kafka":
        pools = [pool for pool in cluster.kind("KafkaNodePool") if "broker" in pool["spec"]["roles"]]
        assert len(pools) == 1, "one pool of brokers"
        return dict(pools[0]["spec"]["resources"])
    pods = [pod for pod in cluster.own_pods if pod.name == component and pod.kind in {"Deployment", "StatefulSet"}]
    assert len(pods) == 1, f"one workload {component}, found {[pod.owner for pod in pods]}"
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


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.component)
def test_row(clusters: dict[str, Cluster], row: Row) -> None:
    given = resources_of(clusters["production"], row.component)
    for side, position in (("requests", 0), ("limits", 1)):
        assert amount(given[side]["cpu"]) == pytest.approx(amount(row.cpu[position])), f"cpu {side}"
        assert amount(given[side]["memory"]) == amount(row.memory[position]), f"memory {side}"
    if row.storage is not None:
        sizes = storage_of(clusters["production"], row.component)
        assert [amount(size) for size in sizes] == [amount(row.storage)], sizes
