"""Clauses of the deployment's specification that no general check holds: each against the production overlay."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from mlflow.server import security_utils
from tests.k8s import queries, resources, rights, scaling
from tests.k8s.cluster import Cluster, Document, Pod, is_our_image, labels_of, name_of, selects, title
from typer.main import get_command

from candlewave.cli import app

_RETIRED = ("promtail", "minio", "ingress-nginx", "zookeeper", "bitnami", "kafka-lag-exporter", "jaeger-agent")
_PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
_ONE_ACTIVE = ("technical-indicators", "model-error-monitor", "model-trainer")

LOAD = {
    "trade-to-ohlc": {"candlewave:trades:rate5m", "candlewave_ingest_queued_records"},
    "sentiment-extractor": {"kafka_consumergroup_lag", "candlewave_sentiment_published_articles_total"},
    "predictions-api": {"candlewave:api_requests:rate5m", "candlewave:api_request_duration_seconds:p95_5m"},
    "price-predictor": {"candlewave_predictor_published_forecasts_total"},
    "model-trainer": {"kafka_consumergroup_lag"},
    "technical-indicators": {"candlewave_indicators_behind_candles_seconds"},
    "model-error-monitor": {"candlewave_monitor_alerts"},
    "broker": {"kafka_server_brokertopicmetrics_bytesin_total"},
    "risingwave-compute": {"stream_source_output_rows_counts", "source_kafka_high_watermark"},
}
"""By which of its own metrics each target scales, at least."""


def seven_services(cluster: Cluster) -> Iterator[str]:
    """Each of the seven services is a Deployment without a volume of its own."""
    found = {name_of(d): d for d in cluster.kind("Deployment") if _component(d) == "service"}
    for name in sorted(set(scaling.SERVICES) ^ set(found)):
        yield f"{name}: {'no Deployment' if name in scaling.SERVICES else 'is no service'}"
    for name, document in found.items():
        for volume in document["spec"]["template"]["spec"].get("volumes", []):
            if "persistentVolumeClaim" in volume:
                yield f"{name}: keeps state in volume {volume['name']}"


def own_accounts(cluster: Cluster) -> Iterator[str]:
    """No two workloads share a ServiceAccount."""
    for account, times in Counter(pod.spec.get("serviceAccountName") for pod in cluster.own_pods).items():
        if times > 1:
            yield f"ServiceAccount/{account}: {times} workloads"


def stateful(cluster: Cluster) -> Iterator[str]:
    """RisingWave and Elasticsearch are StatefulSets, Kafka is Strimzi's with KRaft, three of each."""
    for name in ("risingwave-compute", "risingwave-meta", "elasticsearch-data", "elasticsearch-master"):
        if cluster.get("StatefulSet", name) is None:
            yield f"StatefulSet/{name}: is not there"
    for kafka in cluster.kind("Kafka"):
        if kafka["apiVersion"] != "kafka.strimzi.io/v1" or "zookeeper" in kafka["spec"]:
            yield f"{title(kafka)}: not KRaft in kafka.strimzi.io/v1"
    pools = Counter[str]()
    for pool in cluster.kind("KafkaNodePool"):
        for role in pool["spec"]["roles"]:
            pools[role] += pool["spec"]["replicas"]
    for role in ("broker", "controller"):
        if pools[role] < 3:
            yield f"Kafka: {pools[role]} of role {role}"


def kafka_watched(cluster: Cluster) -> Iterator[str]:
    """Brokers, Cruise Control and the exporter give metrics, and a PodMonitor finds them."""
    for kafka in cluster.kind("Kafka"):
        spec = kafka["spec"]
        for where, given in (("kafka", spec["kafka"]), ("cruiseControl", spec.get("cruiseControl", {}))):
            if "metricsConfig" not in given:
                yield f"{title(kafka)}: {where} has no metricsConfig"
        if "kafkaExporter" not in spec:
            yield f"{title(kafka)}: no kafkaExporter"
    monitors = [m["spec"]["selector"] for m in cluster.kind("PodMonitor")]
    for pod in cluster.pods:
        if "tcp-prometheus" in pod.ports and not any(selects(selector, pod.labels) for selector in monitors):
            yield f"{pod.owner}: no PodMonitor"


def kafka_scales(cluster: Cluster) -> Iterator[str]:
    """A scaler changes the brokers' pool, and Cruise Control moves data when they come and before they go."""
    if ("KafkaNodePool", "broker") not in {scaling.target_of(d) for d in cluster.kind("ScaledObject")}:
        yield "KafkaNodePool/broker: no scaler"
    templates = {
        name_of(d)
        for d in cluster.kind("KafkaRebalance")
        if (d["metadata"].get("annotations") or {}).get("strimzi.io/rebalance-template") == "true"
    }
    for kafka in cluster.kind("Kafka"):
        modes = {
            entry["mode"]: entry.get("template", {}).get("name")
            for entry in kafka["spec"].get("cruiseControl", {}).get("autoRebalance", [])
        }
        for mode in ("add-brokers", "remove-brokers"):
            if modes.get(mode) not in templates:
                yield f"{title(kafka)}: no automatic rebalance {mode} with a template that is there"


def kafka_closed(cluster: Cluster) -> Iterator[str]:
    """Listeners want TLS and a login, topics survive a broker, and rights are asked for."""
    for kafka in cluster.kind("Kafka"):
        if "authorization" not in kafka["spec"]["kafka"]:
            yield f"{title(kafka)}: no authorization"
        for listener in kafka["spec"]["kafka"]["listeners"]:
            if not listener["tls"] or "authentication" not in listener:
                yield f"{title(kafka)}: listener {listener['name']} is open"
    for user in cluster.kind("KafkaUser"):
        if user["spec"]["authentication"]["type"] not in {"tls", "scram-sha-512"}:
            yield f"{title(user)}: {user['spec']['authentication']['type']}"
    for topic in cluster.kind("KafkaTopic"):
        if topic["spec"]["replicas"] != 3 or topic["spec"]["config"]["min.insync.replicas"] != "2":
            yield f"{title(topic)}: does not outlive a broker"


def engine_available(cluster: Cluster) -> Iterator[str]:
    """A standby meta on PostgreSQL, several compute nodes, state in an object store."""
    meta = cluster.get("StatefulSet", "risingwave-meta")
    if meta is None or meta["spec"]["replicas"] < 2:
        yield "risingwave-meta: no standby"
    for name, wanted in (
        ("RW_BACKEND", r"postgres"),
        ("RW_STATE_STORE", r"hummock\+s3://.+"),
        ("RW_SQL_ENDPOINT", ".+"),
    ):
        value = _variables(cluster, "StatefulSet", "risingwave-meta").get(name, "")
        if not re.fullmatch(wanted, value):
            yield f"risingwave-meta: {name} is {value or 'not set'}"
    scaler = cluster.get("ScaledObject", "risingwave-compute")
    if scaler is None or scaler["spec"]["minReplicaCount"] < 3:
        yield "risingwave-compute: fewer than three"
    for name in (
        "risingwave-meta",
        "risingwave-compute",
        "risingwave-frontend",
        "elasticsearch-master",
        "elasticsearch-data",
    ):
        if cluster.get("PodDisruptionBudget", name) is None:
            yield f"{name}: no PodDisruptionBudget"


def backups(cluster: Cluster) -> Iterator[str]:
    """Catalog and metadata are saved each night, and so are the indices."""
    for name, command in (("risingwave-backup", "backup-meta"), ("postgres-backup", "dump.sh")):
        document = cluster.get("CronJob", name)
        if document is None or not re.fullmatch(r"\d+ \d+ \* \* \*", document["spec"]["schedule"]):
            yield f"{name}: not each night"
        elif command not in json.dumps(document["spec"]["jobTemplate"]):
            yield f"{name}: does not run {command}"
        if document is not None and document["spec"].get("suspend"):
            yield f"{name}: is suspended"
    setup = _scripts(cluster, "elasticsearch-setup-scripts").get("setup.sh", "")
    for what in ("put _snapshot/backups", "put _slm/policy/"):
        if what not in setup:
            yield f"elasticsearch-setup: no {what}"
    job = cluster.get("Job", "migrate")
    # It installs the lifecycle of the indices beside their templates.
    if job is None or job["spec"]["template"]["spec"]["containers"][0]["args"] != ["migrate", "--search"]:
        yield "migrate: does not run candlewave migrate --search"


def registry(cluster: Cluster) -> Iterator[str]:
    """MLflow: PostgreSQL, an S3 store, a page behind TLS and a login, which it takes requests of the page from."""
    external = cluster.get("ExternalSecret", "mlflow")
    template = (external or {}).get("spec", {}).get("target", {}).get("template", {}).get("data", {})
    if not template.get("backend-store-uri", "").startswith("postgresql://"):
        yield "mlflow: records are not in PostgreSQL"
    variables = _variables(cluster, "Deployment", "mlflow")
    if not variables.get("MLFLOW_ARTIFACTS_DESTINATION", "").startswith("s3://"):
        yield "mlflow: files are not in an S3 store"
    ingress = cluster.get("Ingress", "mlflow")
    if ingress is None or not ingress["spec"].get("ingressClassName") or not ingress["spec"].get("tls"):
        yield "mlflow: no Ingress with a class and TLS"
        return
    backends = {p["backend"]["service"]["name"] for r in ingress["spec"]["rules"] for p in r["http"]["paths"]}
    if backends != {"oauth2-proxy"}:
        yield f"mlflow: the Ingress leads to {', '.join(sorted(backends))}, past the login"
    hosts = variables.get("MLFLOW_SERVER_ALLOWED_HOSTS", "").split(",")
    origins = variables.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "").split(",")
    for rule in ingress["spec"]["rules"]:
        if not security_utils.is_allowed_host_header(hosts, rule["host"]):
            yield f"mlflow: refuses requests for {rule['host']}"
        if security_utils.should_block_cors_request(f"https://{rule['host']}", "POST", origins):
            yield f"mlflow: refuses what the page at {rule['host']} sends"


def search_roles(cluster: Cluster) -> Iterator[str]:
    """Elasticsearch has dedicated masters, data nodes and coordinating nodes."""
    for kind, name, roles, least in (
        ("StatefulSet", "elasticsearch-master", {"master"}, 3),
        ("StatefulSet", "elasticsearch-data", {"data", "ingest"}, 3),
        ("Deployment", "elasticsearch-client", set(), 2),
    ):
        document = cluster.get(kind, name)
        if document is None or document["spec"]["replicas"] < least:
            yield f"{name}: fewer than {least}"
            continue
        given = _variables(cluster, kind, name).get("NODE_ROLES")
        if given is None or set(filter(None, given.split(","))) != roles:
            yield f"{name}: roles {given}"


def observability(cluster: Cluster) -> Iterator[str]:
    """Prometheus takes our rules and monitors; Grafana goes from metrics to traces, to logs and back."""
    for prometheus in cluster.kind("Prometheus"):
        for kind, key in (
            ("PrometheusRule", "ruleSelector"),
            ("PodMonitor", "podMonitorSelector"),
            ("ServiceMonitor", "serviceMonitorSelector"),
        ):
            for document in cluster.kind(kind):
                if not selects(prometheus["spec"][key], labels_of(document)):
                    yield f"{title(document)}: {title(prometheus)} does not take it"
    text = _scripts(cluster, "grafana-provisioning").get("datasources.yaml", "datasources: []")
    sources = {source["type"]: source for source in yaml.safe_load(text)["datasources"]}
    uids = {source["uid"] for source in sources.values()}
    for kind in sorted({"prometheus", "loki", "tempo", "alertmanager"} - set(sources)):
        yield f"grafana: no data source {kind}"
    for kind, link in (
        ("prometheus", "exemplarTraceIdDestinations"),
        ("loki", "derivedFields"),
        ("tempo", "tracesToLogsV2"),
        ("tempo", "tracesToMetrics"),
    ):
        given = sources.get(kind, {}).get("jsonData", {}).get(link)
        entries = given if isinstance(given, list) else [given or {}]
        if not entries or any(entry.get("datasourceUid") not in uids for entry in entries):
            yield f"grafana: {kind} has no {link} to a data source that is there"


def own_load(cluster: Cluster) -> Iterator[str]:
    """Each target scales by the metrics of its own load; one-active services from one to two."""
    asked: dict[str, set[str]] = {}
    for document in cluster.kind("ScaledObject"):
        _, name = scaling.target_of(document)
        for trigger in document["spec"]["triggers"]:
            expr = trigger["metadata"].get("query")
            asked.setdefault(name, set()).update({use.metric for use in queries.uses(expr)} if expr else set())
            for group, topic in re.findall(r'consumergroup="([^"]*)",topic="([^"]*)"', expr or ""):
                if group not in rights.work_of(name).groups or topic not in rights.work_of(name).reads:
                    yield f"{name}: does not read topic {topic} as group {group}"
        if name in _ONE_ACTIVE and (document["spec"]["minReplicaCount"], document["spec"]["maxReplicaCount"]) != (1, 2):
            yield f"{name}: one is active, so from 1 to 2"
    for name in sorted(set(asked) - set(LOAD)):
        yield f"{name}: say in LOAD what its load is"
    for name, wanted in LOAD.items():
        for metric in sorted(wanted - asked.get(name, set())):
            yield f"{name}: does not scale by {metric}"


def larger_class(cluster: Cluster) -> Iterator[str]:
    """Trainings that need more get a Job of a larger class."""
    document = cluster.get("CronJob", "model-trainer-large")
    service = resources.resources_of(cluster, "model-trainer")
    if document is None:
        yield "model-trainer-large: is not there"
        return
    given = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["resources"]
    for side in ("requests", "limits"):
        for what in ("cpu", "memory"):
            if resources.amount(given[side][what]) <= resources.amount(service[side][what]):
                yield f"model-trainer-large: {side} {what} {given[side][what]} is not larger"


def commands(cluster: Cluster) -> Iterator[str]:
    """Containers of our image run commands that it has, with options that these have."""
    known: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    for pod in cluster.own_pods:
        for container in pod.containers:
            if not is_our_image(container["image"]):
                continue
            name, *rest = container.get("args") or [""]
            if name not in known:
                yield f"{pod.owner}: no command {name or '(none)'}"
                continue
            options = {option for parameter in known[name].params for option in parameter.opts}
            for option in rest:
                if option.startswith("-") and option not in options:
                    yield f"{pod.owner}: {name} has no option {option}"


def maintained(cluster: Cluster) -> Iterator[str]:
    """Nothing runs that its project has given up."""
    for pod in cluster.own_pods:
        for container in pod.containers:
            for name in _RETIRED:
                if name in container["image"]:
                    yield f"{pod.owner}: {container['image']}"


def ordered_outside(cluster: Cluster) -> Iterator[str]:
    """Only who must talk to the outside may, and only to public addresses at port 443."""
    allowed = {"trade-to-ohlc", "sentiment-extractor", "oauth2-proxy", "Alertmanager/candlewave"}
    api = {"Prometheus/candlewave", "kube-state-metrics", "alloy"}
    for pod in cluster.pods:
        for policy in cluster.kind("NetworkPolicy"):
            if not selects(policy["spec"]["podSelector"], pod.labels):
                continue
            for rule in policy["spec"].get("egress") or []:
                if any("ipBlock" in peer for peer in rule.get("to", [])) or not rule.get("to"):
                    yield from _outside(pod, rule, allowed, api)


def _outside(pod: Pod, rule: Document, allowed: set[str], api: set[str]) -> Iterator[str]:
    ports = {entry.get("port") for entry in rule.get("ports", [])} or {None}
    names = {pod.name, pod.owner}
    private = {net for peer in rule.get("to", []) for net in peer.get("ipBlock", {}).get("except", [])}
    if names & allowed and ports == {443} and private >= _PRIVATE:
        return
    if (names & api or "strimzi.io/kind" in pod.labels) and ports <= {443, 6443, 10250}:
        return
    yield f"{pod.owner}: may send outside, to ports {', '.join(map(str, sorted(ports, key=str)))}"


def _component(document: Document) -> str | None:
    return labels_of(document).get("app.kubernetes.io/component")


def _variables(cluster: Cluster, kind: str, name: str) -> dict[str, str]:
    document = cluster.get(kind, name)
    spec: dict[str, Any] = (document or {}).get("spec", {}).get("template", {}).get("spec", {})
    return {
        item["name"]: str(item.get("value", ""))
        for container in [*spec.get("initContainers", []), *spec.get("containers", [])]
        for item in container.get("env", [])
    }


def _scripts(cluster: Cluster, name: str) -> dict[str, str]:
    """Return the files of a ConfigMap, whose name ends with a hash."""
    for document in cluster.kind("ConfigMap"):
        if re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", name_of(document)):
            return dict(document["data"])
    return {}


@dataclass(frozen=True)
class Clause:
    """A clause and what holds it.

    Attributes:
        text: what was ordered.
        check: yields a line for each problem.
    """

    text: str
    check: Callable[[Cluster], Iterator[str]]


CLAUSES = (
    Clause("Deployments for the seven stateless services", seven_services),
    Clause("its own ServiceAccount", own_accounts),
    Clause("StatefulSets for Kafka (by Strimzi), RisingWave, Elasticsearch; API v1, KRaft, node pools", stateful),
    Clause("Kafka's monitoring: metrics, exporter, PodMonitor", kafka_watched),
    Clause("Kafka's scaling: node pool, Cruise Control's automatic rebalance", kafka_scales),
    Clause("Kafka's users with TLS or SCRAM; topics that outlive a broker", kafka_closed),
    Clause("Kafka's rights are exactly what the code does", rights.exact),
    Clause("every Kafka user is somebody's login", rights.used),
    Clause(
        "RisingWave's availability: standby meta on PostgreSQL, several compute nodes, object store", engine_available
    ),
    Clause("scheduled backups, index lifecycle and snapshots", backups),
    Clause("MLflow: PostgreSQL, S3, web UI through an Ingress with TLS and a login", registry),
    Clause("Elasticsearch: dedicated master, data and client nodes", search_roles),
    Clause("Prometheus, Grafana, Loki, Tempo linked with each other", observability),
    Clause("scaling by own load; one-active services 1-2", own_load),
    Clause("model complexity: Jobs with a larger class", larger_class),
    Clause("one image, one command each", commands),
    Clause("maintained projects only", maintained),
    Clause("only the needed flows to the outside", ordered_outside),
)
