"""Each check finds what it is there for: a small deployment that fits, and one thing broken at a time."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.k8s import (
    checks,
    kafka,
    lint,
    network,
    outside,
    pods,
    queries,
    references,
    risingwave,
    scaling,
    schemas,
    storage,
)
from tests.k8s.cluster import Cluster, Document, NoKustomizeError, build, selects

SMALL = Path(__file__).with_name("small.yaml").read_text()
Break = Callable[[Cluster], Any]


def doc(cluster: Cluster, kind: str, name: str = "predictions-api") -> Document:
    """Return a document to be changed."""
    found = cluster.get(kind, name)
    assert found is not None
    return found


def pod(cluster: Cluster, kind: str = "Deployment", name: str = "predictions-api") -> Document:
    """Return a workload's pod specification."""
    return doc(cluster, kind, name)["spec"]["template"]["spec"]


def box(cluster: Cluster) -> Document:
    """Return the container of the API."""
    return pod(cluster)["containers"][0]


def remove(cluster: Cluster, kind: str, name: str) -> None:
    """Take a document away."""
    cluster.documents.remove(doc(cluster, kind, name))


def rule(cluster: Cluster, name: str, direction: str) -> list[Document]:
    """Return a policy's rules."""
    return doc(cluster, "NetworkPolicy", name)["spec"][direction]


_FITS = [check for check in checks.ALL if check not in {scaling.targets, kafka.topics}]
"""Checks that the small deployment passes; the other two ask for all services and all topics."""

_STORE = """
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  template: {spec: {containers: [{name: store, args: [-master.volumeSizeLimitMB=128]}]}}
  volumeClaimTemplates: [{spec: {resources: {requests: {storage: 1Gi}}}}]
---
kind: Job
metadata: {name: buckets}
spec:
  template:
    spec:
      containers: [{name: buckets, env: [{name: STORE, value: "http://store:9000"}]}]
      volumes: [{name: scripts, configMap: {name: buckets}}]
---
kind: ConfigMap
metadata: {name: buckets}
data: {buckets.py: 'for url, names in ((os.environ["STORE"], ["one", "two"]),):'}
"""
"""A store of 1 GiB whose two buckets take seven volumes of 128 MiB each."""

BREAKS: list[tuple[checks.Check, Break, str]] = [
    (references.unique, lambda c: c.documents.append(doc(c, "Service")), "Service/predictions-api: is there 2 times"),
    (references.volumes, lambda c: remove(c, "ExternalSecret", "api"), "no Secret api"),
    (references.volumes, lambda c: pod(c)["volumes"].pop(), "no volume tmp"),
    (
        references.volumes,
        lambda c: pod(c)["volumes"][0]["secret"].update(items=[{"key": "x", "path": "x"}]),
        "no key x",
    ),
    (
        references.volumes,
        lambda c: pod(c)["volumes"].append({"name": "c", "persistentVolumeClaim": {"claimName": "gone"}}),
        "no PersistentVolumeClaim gone",
    ),
    (
        references.volumes,
        lambda c: pod(c)["volumes"].append({"name": "m", "configMap": {"name": "gone"}}),
        "no ConfigMap gone",
    ),
    (references.environment, lambda c: remove(c, "ConfigMap", "settings"), "no ConfigMap settings"),
    (
        references.environment,
        lambda c: box(c)["env"].append({"name": "A", "valueFrom": {"secretKeyRef": {"name": "api", "key": "gone"}}}),
        "Secret api has no key gone",
    ),
    (
        references.environment,
        lambda c: box(c)["env"].append(
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "gone"}}}
        ),
        "ConfigMap settings has no key gone",
    ),
    (
        references.named_in_resources,
        lambda c: doc(c, "Ingress", "api")["metadata"]["annotations"].clear(),
        "no Secret api-tls",
    ),
    (references.config_maps_used, lambda c: box(c)["envFrom"].clear(), "ConfigMap/settings: nothing uses it"),
    (
        references.no_secret_inside,
        lambda c: c.documents.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "YQ=="}}
        ),
        "Secret/s: has values",
    ),
    (references.accounts, lambda c: remove(c, "ServiceAccount", "search"), "no ServiceAccount search"),
    (
        references.accounts,
        lambda c: c.documents.append(
            {
                "kind": "RoleBinding",
                "metadata": {"name": "b"},
                "roleRef": {"kind": "Role", "name": "gone"},
                "subjects": [{"kind": "ServiceAccount", "name": "search", "namespace": "elsewhere"}],
            }
        ),
        "search is not in namespace elsewhere",
    ),
    (references.services, lambda c: doc(c, "Service")["spec"]["selector"].update(a="b"), "selects no pod"),
    (references.services, lambda c: doc(c, "Service")["spec"]["ports"][0].update(targetPort=81), "has no port 81"),
    (
        references.stateful_services,
        lambda c: doc(c, "StatefulSet", "search")["spec"].update(serviceName="x"),
        "no Service x",
    ),
    (references.stateful_services, lambda c: remove(c, "Service", "predictions-api"), "no Service predictions-api"),
    (
        references.addresses,
        lambda c: doc(c, "ConfigMap", "settings")["data"].update(ELASTICSEARCH_URL="http://gone:9200"),
        "no Service gone",
    ),
    (
        references.addresses,
        lambda c: doc(c, "ConfigMap", "settings")["data"].update(KAFKA_BOOTSTRAP_SERVERS="bus-kafka-bootstrap:9999"),
        "has no port 9999",
    ),
    (references.budgets, lambda c: remove(c, "PodDisruptionBudget", "predictions-api"), "no PodDisruptionBudget"),
    (references.budgets, lambda c: pod(c).pop("topologySpreadConstraints"), "no topology spread"),
    (
        references.budgets,
        lambda c: doc(c, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].update(a="b"),
        "PodDisruptionBudget/predictions-api: selects no pod",
    ),
    (
        references.selectors,
        lambda c: doc(c, "StatefulSet", "search")["spec"]["selector"].update(matchLabels={}),
        "its selector",
    ),
    (references.selectors, lambda c: doc(c, "Service")["metadata"].pop("labels"), "no label app.kubernetes.io/part-of"),
    (references.monitors, lambda c: remove(c, "PodMonitor", "services"), "no monitor scrapes it"),
    (
        references.monitors,
        lambda c: doc(c, "PodMonitor", "services")["spec"]["podMetricsEndpoints"][0].update(port="metrics"),
        "none of its pods has port metrics",
    ),
    (network.default_deny, lambda c: remove(c, "NetworkPolicy", "default-deny"), "no NetworkPolicy denies everything"),
    (network.names, lambda c: remove(c, "NetworkPolicy", "allow-dns"), "may not ask for names"),
    (
        network.flows,
        lambda c: rule(c, "predictions-api", "egress")[0].update(ports=[{"port": 9201}]),
        "nobody has port 9201",
    ),
    (network.flows, lambda c: remove(c, "NetworkPolicy", "search"), "no policy of StatefulSet/search takes it from"),
    (
        network.flows,
        lambda c: rule(c, "predictions-api", "egress").pop(0),
        "no policy of Deployment/predictions-api may send",
    ),
    (
        network.flows,
        lambda c: rule(c, "search", "ingress")[0]["from"][0]["podSelector"]["matchLabels"].update(a="b"),
        "there is no such pod",
    ),
    (
        network.flows,
        lambda c: doc(c, "NetworkPolicy", "search")["spec"]["podSelector"]["matchLabels"].update(a="b"),
        "NetworkPolicy/search: selects no pod",
    ),
    (network.needed, lambda c: rule(c, "predictions-api", "egress").pop(1), "is told to reach KafkaNodePool/broker"),
    (network.needed, lambda c: rule(c, "predictions-api", "ingress").pop(), "does not let in Prometheus/small"),
    (
        network.needed,
        lambda c: (
            rule(c, "predictions-api", "egress").pop(0),
            doc(c, "ConfigMap", "settings")["data"].pop("ELASTICSEARCH_URL"),
            doc(c, "ExternalSecret", "api")["spec"].update(
                target={
                    "name": "api",
                    "template": {"data": {"elasticsearch_url": "http://reader:{{ .password }}@elasticsearch:9200"}},
                }
            ),
        ),
        "Deployment/predictions-api: is told to reach StatefulSet/search at 9200, but may not send there",
    ),
    (pods.restricted, lambda c: pod(c)["securityContext"].update(runAsNonRoot=False), "runAsNonRoot is not true"),
    (pods.restricted, lambda c: pod(c)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}), "is a hostPath"),
    (pods.restricted, lambda c: doc(c, "Namespace", "small")["metadata"].update(labels={}), "does not enforce"),
    (pods.tokens, lambda c: pod(c).update(automountServiceAccountToken=True), "no role is bound to predictions-api"),
    (pods.tokens, lambda c: pod(c).pop("automountServiceAccountToken"), "does not say automountServiceAccountToken"),
    (
        pods.tokens,
        lambda c: doc(c, "ServiceAccount").pop("automountServiceAccountToken"),
        "ServiceAccount/predictions-api",
    ),
    (pods.images, lambda c: box(c).update(image="docker.io/library/a:latest"), "says no version"),
    (pods.images, lambda c: box(c).update(image="ghcr.io/example/candlewave:latest"), "is not pinned"),
    (pods.images, lambda c: box(c).update(image="redis:7.4"), "is not registry/name:tag"),
    (pods.resources, lambda c: box(c)["resources"]["limits"].pop("memory"), "no request or no limit of memory"),
    (
        pods.resources,
        lambda c: box(c)["resources"]["requests"].update(memory="2049Mi"),
        "requests memory 2049Mi, more than its limit 2Gi",
    ),
    (
        pods.resources,
        lambda c: doc(c, "KafkaNodePool", "broker")["spec"].pop("resources"),
        "KafkaNodePool/broker: no request",
    ),
    (pods.probes, lambda c: box(c).pop("livenessProbe"), "livenessProbe: missing"),
    (
        pods.probes,
        lambda c: box(c)["readinessProbe"]["httpGet"].update(path="/ready"),
        "/ready is not served on port admin",
    ),
    (pods.probes, lambda c: box(c)["readinessProbe"]["httpGet"].update(port=9101), "the container has no port 9101"),
    (pods.grace, lambda c: pod(c).update(terminationGracePeriodSeconds=20), "terminationGracePeriodSeconds 20 <= 20"),
    (pods.grace, lambda c: box(c)["env"].append({"name": "SHUTDOWN_GRACE_SECONDS", "value": "45"}), "30 <= 45"),
    (pods.environment, lambda c: box(c)["env"].append({"name": "LOGLEVEL", "value": "INFO"}), "LOGLEVEL is no setting"),
    (
        pods.environment,
        lambda c: doc(c, "ConfigMap", "settings")["data"].pop("ADMIN_HOST"),
        "predictions-api needs ADMIN_HOST",
    ),
    (pods.environment, lambda c: doc(c, "ExternalSecret", "api")["spec"]["data"].pop(), "needs API_KEY_PEPPER"),
    (
        pods.expanded,
        lambda c: (
            box(c).update(args=["-config.expand-env=true"]),
            pod(c)["volumes"].append({"name": "c", "configMap": {"name": "settings"}}),
            doc(c, "ConfigMap", "settings")["data"].update({"a.yaml": "# ${...} come\nb: ${LOG_LEVEL}"}),
        ),
        "a.yaml expands ${...}, which its container has not",
    ),
    (
        pods.jobs,
        lambda c: c.documents.append(
            {
                "kind": "Job",
                "metadata": {"name": "j"},
                "spec": {"template": {"spec": {"restartPolicy": "OnFailure", "containers": []}}},
            }
        ),
        "Job/j: restartPolicy OnFailure",
    ),
    (
        storage.room,
        lambda c: c.documents.extend(Cluster.of(_STORE).documents),
        "StatefulSet/store: 1Gi hold 57% of the first volumes of its buckets",
    ),
    (
        storage.retention,
        lambda c: doc(c, "Prometheus", "small")["spec"].update(
            retentionSize="45GB",
            storage={"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}},
        ),
        "Prometheus/small: keeps 45GB on 5Gi",
    ),
    (scaling.unanswered, lambda c: doc(c, "ScaledObject")["spec"].pop("fallback"), "no fallback"),
    (
        outside.askers,
        lambda c: doc(c, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(
            serverAddress="http://prometheus-operated:9090"
        ),
        "prometheus-operated is looked for in namespace keda, and is not there",
    ),
    (
        outside.askers,
        lambda c: rule(c, "prometheus", "ingress").pop(0),
        "Prometheus/small does not let in namespace keda at 9090",
    ),
    (
        outside.askers,
        lambda c: doc(c, "Ingress", "api")["spec"].update(ingressClassName="traefik"),
        "Deployment/predictions-api does not let in namespace traefik at 8000",
    ),
    (
        outside.metadata,
        lambda c: rule(c, "prometheus", "egress")[1]["to"][0]["ipBlock"]["except"].pop(0),
        "NetworkPolicy/prometheus: may send to 169.254.169.254",
    ),
    (
        outside.metadata,
        lambda c: rule(c, "predictions-api", "egress").append({"ports": [{"port": 443}]}),
        "NetworkPolicy/predictions-api: may send to any address",
    ),
    (
        outside.api_server,
        lambda c: rule(c, "prometheus", "egress").pop(1),
        "Prometheus/small: has a token, but may not send to the API server at 443",
    ),
    (
        outside.api_server,
        lambda c: rule(c, "predictions-api", "egress").append(
            {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}], "ports": [{"port": 443}]}
        ),
        "Deployment/predictions-api: has no token, but may send to the network of the API server",
    ),
    (
        outside.cluster_wide,
        lambda c: doc(c, "ClusterRole", "kubelet")["rules"][0].update(resources=["pods"]),
        "ClusterRole/kubelet: gives get of pods in every namespace",
    ),
    (
        outside.monitored,
        lambda c: doc(c, "ServiceMonitor", "kubelet")["spec"]["endpoints"][0].pop("metricRelabelings"),
        "ServiceMonitor/kubelet: /metrics tells of other namespaces too",
    ),
    (
        outside.all_alertmanagers,
        lambda c: (
            box(c)["env"].append({"name": "ALERTMANAGER_URL", "value": "http://alertmanager-operated:9093"}),
            c.documents.append({"kind": "Alertmanager", "metadata": {"name": "small"}, "spec": {"replicas": 2}}),
        ),
        "tells alertmanager-operated:9093, not alertmanager-small-0.alertmanager-operated:9093, alertmanager-small-1",
    ),
    (
        pods.telemetry,
        lambda c: box(c).update(image="docker.io/chrislusf/seaweedfs:4.48"),
        "without -master.telemetry=false it tells its makers how it is used",
    ),
    (
        kafka.contexts,
        lambda c: doc(c, "Kafka", "bus")["spec"]["kafka"]["template"]["kafkaContainer"]["securityContext"].update(
            readOnlyRootFilesystem=False
        ),
        "Kafka/bus kafka kafkaContainer: readOnlyRootFilesystem is False",
    ),
    (
        kafka.contexts,
        lambda c: doc(c, "Kafka", "bus")["spec"].update(cruiseControl={}),
        "Kafka/bus cruiseControl cruiseControlContainer: readOnlyRootFilesystem is None",
    ),
    (
        kafka.contexts,
        lambda c: doc(c, "KafkaNodePool", "broker")["spec"].update(template={"kafkaContainer": {}}),
        "KafkaNodePool/broker kafkaContainer: readOnlyRootFilesystem is None",
    ),
    (scaling.targets, lambda c: c.documents.append(doc(c, "ScaledObject")), "Deployment/predictions-api: 2 scalers"),
    (scaling.targets, lambda c: remove(c, "ScaledObject", "predictions-api"), "Deployment/predictions-api: no scaler"),
    (
        scaling.targets,
        lambda c: remove(c, "Deployment", "predictions-api"),
        "target Deployment/predictions-api is not there",
    ),
    (scaling.limits, lambda c: doc(c, "ScaledObject")["spec"].update(minReplicaCount=9), "from 9 to 8"),
    (scaling.limits, lambda c: doc(c, "Deployment")["spec"].update(replicas=2), "replicas is fixed"),
    (
        scaling.own_load,
        lambda c: doc(c, "ScaledObject")["spec"]["triggers"][0].update(type="cpu"),
        "scales by cpu alone",
    ),
    (
        scaling.authentication,
        lambda c: doc(c, "ScaledObject")["spec"]["triggers"][0].update(authenticationRef={"name": "gone"}),
        "no TriggerAuthentication gone",
    ),
    (kafka.topics, lambda c: remove(c, "KafkaTopic", "trades"), "topic trades: no KafkaTopic"),
    (
        kafka.topics,
        lambda c: doc(c, "KafkaTopic", "trades")["spec"].update(topicName="trade"),
        "the code has no topic trade",
    ),
    (
        kafka.topics,
        lambda c: doc(c, "KafkaTopic", "trades")["spec"].update(partitions=7),
        "7 partitions, the code has 6",
    ),
    (
        kafka.topics,
        lambda c: doc(c, "KafkaTopic", "trades")["spec"]["config"].pop("message.timestamp.type"),
        "message.timestamp.type=None, the code has LogAppendTime",
    ),
    (
        kafka.clusters,
        lambda c: doc(c, "KafkaUser", "reader")["metadata"].update(labels={}),
        "KafkaUser/reader: no Kafka",
    ),
    (
        kafka.rights,
        lambda c: doc(c, "KafkaUser", "reader")["spec"]["authorization"]["acls"][0]["resource"].update(name="tradez"),
        "no topic tradez",
    ),
    (
        kafka.rights,
        lambda c: doc(c, "KafkaUser", "reader")["spec"]["authorization"]["acls"][0].update(operations=["All"]),
        "operation All",
    ),
    (
        kafka.triggers,
        lambda c: doc(c, "ScaledObject")["spec"]["triggers"].append({"type": "kafka", "metadata": {"topic": "trade"}}),
        "the code has no topic trade",
    ),
    (
        risingwave.premium,
        lambda c: doc(c, "ConfigMap", "settings")["data"].update(
            {"risingwave.toml": "[storage.data_file_cache]\ndir = '/x'"}
        ),
        "elastic disk cache",
    ),
]


@pytest.mark.parametrize("check", _FITS, ids=checks.name)
def test_what_fits_is_accepted(check: checks.Check) -> None:
    assert not list(check(Cluster.of(SMALL)))


@pytest.mark.parametrize(
    ("check", "change", "problem"), BREAKS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_broken_is_found(check: checks.Check, change: Break, problem: str) -> None:
    cluster = Cluster.of(SMALL)
    before = set(check(Cluster.of(SMALL)))
    change(cluster)
    new = set(check(cluster)) - before
    assert any(problem in line for line in new), new or "nothing was found"


def test_every_check_is_seen_to_bite() -> None:
    assert {check for check, _, _ in BREAKS} == set(checks.ALL)


def test_selector_terms() -> None:
    labels = {"a": "1"}
    for term, expected in (
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, False),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "b", "operator": "Exists"}, False),
        ({"key": "b", "operator": "DoesNotExist"}, True),
    ):
        assert selects({"matchExpressions": [term]}, labels) is expected


def test_addresses_are_read_from_text() -> None:
    text = (
        'url: http://a:1/x postgresql://root:x@b:4566/dev "http://c.small.svc:3" https://example.org http://localhost:1'
    )
    assert list(references.hosts(text)) == [("a", None, 1), ("b", None, 4566), ("c", "small", 3)]
    assert list(references.hosts("k-0.k:9092,k-1.k.small.svc:9092")) == [("k", None, 9092), ("k", "small", 9092)]
    assert not list(references.hosts("hummock+s3://bucket s3://other/folder")), "a bucket is no host"


@pytest.mark.parametrize("version", schemas.VERSIONS)
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["spec"].update(replicaz=1), "replicaz"),
        (lambda d: d["spec"].update(replicas="two"), "spec.replicas"),
        (lambda d: d.update(apiVersion="apps/v1beta1"), "has no Deployment in apps/v1beta1"),
    ],
)
def test_schema_of_kubernetes_is_applied(version: str, change: Callable[[Document], None], problem: str) -> None:
    document = doc(Cluster.of(SMALL), "Deployment")
    assert not list(schemas.problems(document, version))
    change(document)
    assert any(problem in line for line in schemas.problems(document, version))


def test_schema_of_custom_resources_is_applied() -> None:
    document = doc(Cluster.of(SMALL), "KafkaTopic", "trades")
    try:
        assert not list(schemas.custom_problems(document))
    except schemas.NoSchemaError as missing:
        pytest.skip(f"no schema of {missing} beside the repository (docs/kubernetes/validation.md)")
    document["spec"]["partitionz"] = 1
    assert any("partitionz" in line for line in schemas.custom_problems(document))


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        ("ExternalSecret", lambda d: d["spec"].update(datas=[]), "datas"),
        ("ExternalSecret", lambda d: d["spec"].pop("secretStoreRef"), "secretStoreRef"),
        ("ExternalSecret", lambda d: d["spec"]["data"][0].update(secretKey="a key"), "a key"),
        ("ExternalSecret", lambda d: d["spec"].update(refreshInterval="hourly"), "hourly"),
        ("Certificate", lambda d: d["spec"].pop("issuerRef"), "issuerRef"),
        ("Certificate", lambda d: d["spec"]["privateKey"].update(algorithm="DSA"), "DSA"),
        ("Issuer", lambda d: d["spec"].update(ca={"secretName": "a"}, selfSigned={}), "too many properties"),
        ("SecretStore", lambda d: d["spec"]["provider"].update(valut={}), "valut"),
    ],
)
def test_outline_of_custom_resources_is_applied(
    clusters: dict[str, Cluster],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    change: Callable[[Document], None],
    problem: str,
) -> None:
    monkeypatch.setattr(schemas, "CUSTOM", tmp_path)
    document = copy.deepcopy(clusters["production"].kind(kind)[0])
    assert not list(schemas.custom_problems(document))
    change(document)
    assert any(problem in line for line in schemas.custom_problems(document))


def test_a_kind_without_schema_and_outline_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(schemas, "CUSTOM", tmp_path)
    with pytest.raises(schemas.NoSchemaError, match=r"kafka\.strimzi\.io/KafkaTopic v1"):
        list(schemas.custom_problems(doc(Cluster.of(SMALL), "KafkaTopic", "trades")))


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("sum(rate(candlewave_bus_published_messages_total[5m])", "not PromQL"),
        ("candlewave_bus_published_total", "nobody exports candlewave_bus_published_total"),
        ("candlewave_bus_published_messages", "nobody exports candlewave_bus_published_messages"),
        ('candlewave_bus_published_messages_total{topics="trades"}', "has no label topics"),
        ('elasticsearch_cluster_health_status{colour="red"}', "has no label colour"),
        ("sum by (topics) (rate(candlewave_bus_published_messages_total[5m]))", "by topics, which"),
        ("1 + 1", "names no metric"),
    ],
)
def test_queries_for_what_is_not_there_are_found(expr: str, problem: str) -> None:
    assert any(problem in line for line in queries.problems(queries.Query("here", expr)))


@pytest.mark.parametrize(
    "expr",
    ['rate(candlewave_bus_published_messages_total{topic="trades",pod="a"}[5m])',
     "histogram_quantile(0.9, sum by (le) (rate(candlewave_bus_publish_duration_seconds_bucket[5m])))",
     "candlewave:bus_lag_messages:sum", "up"],
)  # fmt: skip
def test_queries_for_what_is_there_are_accepted(expr: str) -> None:
    assert not list(queries.problems(queries.Query("here", expr)))


@pytest.mark.parametrize(
    "text",
    ["CREATE SECRET x", "properties.sasl.password = secret kafka_pw", "FROM t FOR SYSTEM_TIME AS OF now()",
     "connector = 'opensearch'", "ALTER SYSTEM SET license_key TO 'x'", "resource_group = 'a'"],
)  # fmt: skip
def test_premium_features_are_found(text: str) -> None:
    assert list(risingwave.premium_in("here", text))


def test_ordinary_sql_needs_no_licence() -> None:
    assert not list(risingwave.premium_in("here", "connector = 'kafka', FOR SYSTEM_TIME AS OF PROCTIME()"))


def _panel(**changes: Any) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": 1, "type": "stat", "title": "One", "description": "What it means.", "datasource": source,
        "fieldConfig": {"defaults": {"unit": "s"}},
        "targets": [{"datasource": source, "expr": "up", "legendFormat": "up"}], **changes,
    }  # fmt: skip


def _dashboard(*panels: dict[str, Any], **changes: Any) -> dict[str, Any]:
    variables = [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
    return {
        "uid": "one", "title": "One", "description": "What it shows.", "timezone": "utc",
        "templating": {"list": variables}, "panels": list(panels), **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([_dashboard(_panel()), _dashboard(_panel())], "uid one: 2 dashboards"),
        ([_dashboard(_panel(), description="")], "one: no description"),
        ([_dashboard(_panel(), timezone="browser")], "not UTC"),
        ([_dashboard(_panel(description=""))], "no description"),
        ([_dashboard(_panel(fieldConfig={"defaults": {}}))], "no unit"),
        ([_dashboard(_panel(datasource={"uid": "prometheus"}))], "data source prometheus is not a variable"),
        ([_dashboard(_panel(), _panel(id=2))], "is there 2 times"),
        ([_dashboard(_panel(), _panel(title="Two"))], "two panels have one id"),
        ([_dashboard(_panel(targets=[{"datasource": {"uid": "${datasource}"}, "expr": "up"}]))], "without a legend"),
        ([_dashboard(_panel(targets=[]))], "no query"),
        (
            [_dashboard(_panel(), templating={"list": [{"name": "x", "type": "query", "query": "y"}]})],
            "variable x is not used",
        ),
    ],
)
def test_poor_dashboards_are_noticed(found: list[dict[str, Any]], problem: str) -> None:
    assert not list(lint.dashboards([_dashboard(_panel())], {"p": "prometheus"}))
    assert any(problem in line for line in lint.dashboards(found, {"p": "prometheus"}))


def test_without_kustomize_nothing_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKustomizeError, match="needs kustomize"):
        build(tmp_path)


def test_a_kustomization_that_cannot_be_built_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [gone.yaml]\n")
    with pytest.raises(RuntimeError, match=r"gone\.yaml"):
        build(tmp_path)
