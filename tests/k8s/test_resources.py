"""The table of resources, line by line against the production overlay."""

import pytest
from tests.k8s import resources
from tests.k8s.cluster import Cluster

_BROKERS = """
kind: KafkaNodePool
metadata: {name: broker}
spec:
  roles: [broker]
  resources: {requests: {cpu: "1", memory: 4Gi}, limits: {cpu: 2000m, memory: 8192Mi}}
  storage: {type: jbod, volumes: [{id: 0, size: 100Gi}]}
"""


@pytest.mark.parametrize("row", resources.TABLE, ids=lambda row: row.component)
def test_row(clusters: dict[str, Cluster], row: resources.Row) -> None:
    assert not list(resources.problems(clusters["production"], row))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("cpu: 2000m", "cpu: 2500m", "kafka: limits cpu 2500m, ordered 2000m"),
        ("memory: 4Gi", "memory: 4G", "kafka: requests memory 4G, ordered 4Gi"),
        ("100Gi", "10Gi", "kafka: storage 10Gi, ordered 100Gi"),
        ("roles: [broker]", "roles: [controller]", "kafka: there is not exactly one"),
    ],
)
def test_a_difference_is_noticed(old: str, new: str, problem: str) -> None:
    row = next(row for row in resources.TABLE if row.component == "kafka")
    assert not list(resources.problems(Cluster.of(_BROKERS), row))
    assert list(resources.problems(Cluster.of(_BROKERS.replace(old, new)), row)) == [problem]
