"""What docs/kubernetes/capacity.md says that production asks for."""

import re

import pytest
from tests.k8s import scaling
from tests.k8s.cluster import ROOT, Cluster, labels_of
from tests.k8s.pods import amount

PARTS = {
    "seven services": {"service"},
    "Kafka": {"bus"},
    "RisingWave": {"engine"},
    "Elasticsearch": {"search"},
    "PostgreSQL": {"registry", "object-store"},
    "observability": {"observability"},
}
"""Rows of the table in docs/kubernetes/capacity.md, by how they begin, and the components they count."""


def requested(cluster: Cluster, components: set[str]) -> tuple[int, float, float]:
    """Return the pods, cores and GiB that are asked for when every scaler is at its least."""
    least = {scaling.target_of(d): int(d["spec"]["minReplicaCount"]) for d in cluster.kind("ScaledObject")}
    asked: list[tuple[int, dict[str, str]]] = []
    for document in cluster.documents:
        if labels_of(document).get("app.kubernetes.io/component") not in components:
            continue
        kind, spec = document["kind"], document.get("spec", {})
        if kind in {"Deployment", "StatefulSet"}:
            pods = spec.get("replicas", least.get((kind, document["metadata"]["name"])))
            boxes = spec["template"]["spec"]["containers"]
            assert len(boxes) == 1, document["metadata"]["name"]
            asked.append((pods, boxes[0]["resources"]["requests"]))
        elif kind in {"KafkaNodePool", "Prometheus", "Alertmanager"}:
            asked.append((spec["replicas"], spec["resources"]["requests"]))
        elif kind == "Kafka":
            operator = spec["entityOperator"]
            asked += [(1, operator["topicOperator"]["resources"]["requests"])]
            asked += [(0, operator["userOperator"]["resources"]["requests"])]
            asked += [(1, spec[part]["resources"]["requests"]) for part in ("kafkaExporter", "cruiseControl")]
    return (
        sum(pods for pods, _ in asked),
        sum(max(pods, 1) * amount(given["cpu"]) for pods, given in asked),
        sum(max(pods, 1) * amount(given["memory"]) for pods, given in asked) / 2**30,
    )


@pytest.mark.parametrize("part", PARTS)
def test_capacity_says_what_production_asks_for(clusters: dict[str, Cluster], part: str) -> None:
    text = (ROOT / "docs" / "kubernetes" / "capacity.md").read_text()
    row = re.search(rf"^\| {part}[^|]*\| (\d+) \| ([\d.]+) \| ([\d.]+) Gi \|$", text, re.MULTILINE)
    assert row, part
    pods, cores, memory = requested(clusters["production"], PARTS[part])
    assert int(row[1]) == pods
    assert float(row[2]) == pytest.approx(cores, abs=0.06)
    assert float(row[3]) == pytest.approx(memory, abs=0.3)
