"""Every clause holds in production, and each check finds what it is there for when production is broken."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.k8s import rights, specification
from tests.k8s.cluster import Cluster, Document, name_of

Break = Callable[[Cluster], Any]


def doc(cluster: Cluster, kind: str, name: str) -> Document:
    """Return a document to be changed."""
    found = cluster.get(kind, name)
    assert found is not None, f"{kind}/{name}"
    return found


def remove(cluster: Cluster, kind: str, name: str) -> None:
    """Take a document away."""
    cluster.documents.remove(doc(cluster, kind, name))


def pod(cluster: Cluster, kind: str, name: str) -> Document:
    """Return a workload's pod specification."""
    return doc(cluster, kind, name)["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def variable(cluster: Cluster, kind: str, name: str, key: str) -> Document:
    """Return a variable of a workload's first container, or of the first that initialises it."""
    spec = pod(cluster, kind, name)
    boxes = [*spec.get("initContainers", []), *spec["containers"]]
    return next(item for box in boxes for item in box.get("env", []) if item["name"] == key)  # type: ignore[no-any-return]


def kafka(cluster: Cluster) -> Document:
    """Return what Kafka is like."""
    return doc(cluster, "Kafka", "candlewave")["spec"]  # type: ignore[no-any-return]


def acls(cluster: Cluster, user: str) -> list[Document]:
    """Return a user's rights."""
    return doc(cluster, "KafkaUser", user)["spec"]["authorization"]["acls"]  # type: ignore[no-any-return]


def acl(cluster: Cluster, user: str, resource: str) -> Document:
    """Return a user's rights to a topic or group."""
    return next(entry for entry in acls(cluster, user) if entry["resource"]["name"] == resource)


def config_map(cluster: Cluster, start: str) -> Document:
    """Return the data of a ConfigMap whose name begins like this."""
    found = next(d for d in cluster.kind("ConfigMap") if name_of(d).startswith(start))
    return found["data"]  # type: ignore[no-any-return]


def edit(data: Document, key: str, old: str, new: str) -> None:
    """Change a text."""
    assert old in data[key]
    data[key] = data[key].replace(old, new)


BREAKS: list[tuple[Any, Break, str]] = [
    (
        specification.own_accounts,
        lambda c: pod(c, "Deployment", "predictions-api").update(serviceAccountName="model-trainer"),
        "ServiceAccount/model-trainer: 2 workloads",
    ),
    (specification.kafka_scales, lambda c: remove(c, "ScaledObject", "broker"), "KafkaNodePool/broker: no scaler"),
    (
        specification.kafka_scales,
        lambda c: kafka(c)["cruiseControl"]["autoRebalance"].pop(),
        "no automatic rebalance remove-brokers",
    ),
    (
        specification.kafka_scales,
        lambda c: remove(c, "KafkaRebalance", "add-brokers"),
        "no automatic rebalance add-brokers",
    ),
    (specification.kafka_closed, lambda c: kafka(c)["kafka"].pop("authorization"), "no authorization"),
    (specification.kafka_closed, lambda c: kafka(c)["kafka"]["listeners"][0].update(tls=False), "listener tls is open"),
    (
        specification.kafka_closed,
        lambda c: doc(c, "KafkaTopic", "trades")["spec"].update(replicas=1),
        "KafkaTopic/trades: does not outlive a broker",
    ),
    (
        rights.exact,
        lambda c: acls(c, "trade-to-ohlc").remove(acl(c, "trade-to-ohlc", "trades")),
        "KafkaUser/trade-to-ohlc: its code needs Write of topic trades",
    ),
    (
        rights.exact,
        lambda c: acl(c, "predictions-api", "training_requests")["operations"].append("Read"),
        "may Read topic training_requests, which its code does not do",
    ),
    (
        rights.exact,
        lambda c: acl(c, "risingwave", "ingest-shards")["operations"].remove("Describe"),
        "KafkaUser/risingwave: its code needs Describe of topic ingest-shards",
    ),
    (
        rights.exact,
        lambda c: acl(c, "sentiment-extractor", "sentiment-extractor")["resource"].update(patternType="literal"),
        "may not join group sentiment-extractor-sources",
    ),
    (
        rights.exact,
        lambda c: acl(c, "model-trainer", "model-trainer")["resource"].update(name="trainers"),
        "its code joins no group trainers",
    ),
    (rights.exact, lambda c: remove(c, "KafkaUser", "price-predictor"), "no KafkaUser price-predictor"),
    (
        rights.exact,
        lambda c: acls(c, "technical-indicators").pop(0),
        "KafkaUser/technical-indicators: rights to the cluster [], writes to 0 topics",
    ),
    (
        rights.used,
        lambda c: c.documents.append({"kind": "KafkaUser", "metadata": {"name": "migrate"}}),
        "KafkaUser/migrate: nobody logs in as it",
    ),
    (
        rights.used,
        lambda c: variable(c, "Deployment", "model-trainer", "KAFKA_SASL_USERNAME").update(value="risingwave"),
        "logs in to Kafka as risingwave, whose password it has not",
    ),
    (
        specification.backups,
        lambda c: doc(c, "CronJob", "risingwave-backup")["spec"].update(schedule="0 1 * * 0"),
        "risingwave-backup: not each night",
    ),
    (
        specification.backups,
        lambda c: doc(c, "CronJob", "postgres-backup")["spec"].update(suspend=True),
        "is suspended",
    ),
    (
        specification.registry,
        lambda c: doc(c, "Ingress", "mlflow")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(
            name="mlflow"
        ),
        "the Ingress leads to mlflow, past the login",
    ),
    (
        specification.registry,
        lambda c: doc(c, "Ingress", "mlflow")["spec"].pop("tls"),
        "no Ingress with a class and TLS",
    ),
    (
        specification.registry,
        lambda c: doc(c, "Ingress", "mlflow")["spec"]["rules"][0].update(host="models.example.org"),
        "refuses requests for models.example.org",
    ),
    (
        specification.registry,
        lambda c: variable(c, "Deployment", "mlflow", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS").update(value=""),
        "refuses what the page at mlflow.example.org sends",
    ),
    (
        specification.observability,
        lambda c: edit(config_map(c, "grafana-provisioning"), "datasources.yaml", "tracesToLogsV2", "tracesToLogs"),
        "tempo has no tracesToLogsV2",
    ),
    (
        specification.observability,
        lambda c: doc(c, "PodMonitor", "services")["metadata"].update(labels={}),
        "PodMonitor/services: Prometheus/candlewave does not take it",
    ),
    (
        specification.own_load,
        lambda c: edit(
            doc(c, "ScaledObject", "model-trainer")["spec"]["triggers"][0]["metadata"],
            "query",
            'consumergroup="model-trainer"',
            'consumergroup="trainer"',
        ),
        "model-trainer: does not read topic training_requests as group trainer",
    ),
    (
        specification.own_load,
        lambda c: doc(c, "ScaledObject", "model-trainer")["spec"].update(maxReplicaCount=3),
        "model-trainer: one is active, so from 1 to 2",
    ),
    (
        specification.commands,
        lambda c: pod(c, "Deployment", "trade-to-ohlc")["containers"][0].update(args=["trades"]),
        "Deployment/trade-to-ohlc: no command trades",
    ),
    (
        specification.commands,
        lambda c: pod(c, "Job", "migrate")["containers"][0].update(args=["migrate", "--elastic"]),
        "Job/migrate: migrate has no option --elastic",
    ),
    (
        specification.exchanges,
        lambda c: doc(c, "NetworkPolicy", "trade-to-ohlc")["spec"]["egress"][-1].update(ports=[{"port": 443}]),
        "trade-to-ohlc: may not send to binance at port 9443",
    ),
    (
        specification.ordered_outside,
        lambda c: doc(c, "NetworkPolicy", "predictions-api")["spec"]["egress"].append({"ports": [{"port": 443}]}),
        "Deployment/predictions-api: may send outside, to ports 443",
    ),
    (
        specification.ordered_outside,
        lambda c: doc(c, "NetworkPolicy", "trade-to-ohlc")["spec"]["egress"][-1]["to"][0]["ipBlock"].pop("except"),
        "Deployment/trade-to-ohlc: may send outside",
    ),
    (
        specification.search_logins,
        lambda c: pod(c, "Deployment", "predictions-api")["volumes"][0]["projected"]["sources"][-1]["secret"].update(
            items=[{"key": "elasticsearch_url", "path": "elasticsearch_url"}]
        ),
        "Deployment/predictions-api: logs in to Elasticsearch as candlewave, not as candlewave-reader",
    ),
    (
        specification.search_logins,
        lambda c: edit(
            config_map(c, "elasticsearch-setup-scripts"),
            "setup.sh",
            '["read", "view_index_metadata"]',
            '["read", "write"]',
        ),
        "role candlewave-reader: may read, write",
    ),
    (
        specification.login,
        lambda c: pod(c, "Deployment", "oauth2-proxy")["containers"][0]["args"].append("--email-domain=*"),
        "anybody's people may log in",
    ),
]


@pytest.mark.parametrize("clause", specification.CLAUSES, ids=lambda clause: clause.text)
def test_production_holds(clusters: dict[str, Cluster], clause: specification.Clause) -> None:
    assert not list(clause.check(clusters["production"]))


@pytest.mark.parametrize(
    ("check", "change", "problem"), BREAKS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_broken_is_found(clusters: dict[str, Cluster], check: Any, change: Break, problem: str) -> None:
    cluster = Cluster(copy.deepcopy(clusters["production"].documents))
    change(cluster)
    found = list(check(cluster))
    assert any(problem in line for line in found), found or "nothing was found"


def test_every_clause_is_seen_to_bite() -> None:
    assert {check for check, _, _ in BREAKS} == {clause.check for clause in specification.CLAUSES}


@pytest.mark.parametrize("overlay", ["dev", "staging"])
def test_other_overlays_have_the_same_logins_and_pages(clusters: dict[str, Cluster], overlay: str) -> None:
    for check in (rights.exact, rights.used, specification.registry, specification.login, specification.search_logins):
        assert not list(check(clusters[overlay])), check.__name__
