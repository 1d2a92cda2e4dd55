"""Clauses of the deployment's specification that no general check holds: each against the production overlay."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro
import yaml
from mlflow.server import security_utils
from tests.k8s import rights, scaling
from tests.k8s.cluster import Cluster, Document, Pod, is_our_image, labels_of, name_of, selects, title
from typer.main import get_command

from candlewave.cli import app
from candlewave.services.ingest.exchanges.profiles import PROFILES

PRIVATE = {"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
_ONE_ACTIVE = ("technical-indicators", "model-error-monitor", "model-trainer")


def own_accounts(cluster: Cluster) -> Iterator[str]:
    """No two workloads share a ServiceAccount."""
    for account, times in Counter(pod.spec.get("serviceAccountName") for pod in cluster.own_pods).items():
        if times > 1:
            yield f"ServiceAccount/{account}: {times} workloads"


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


def backups(cluster: Cluster) -> Iterator[str]:
    """What saves something does so every night."""
    for document in cluster.kind("CronJob"):
        if name_of(document).endswith("-backup"):
            if not re.fullmatch(r"\d+ \d+ \* \* \*", document["spec"]["schedule"]):
                yield f"{name_of(document)}: not each night"
            if document["spec"].get("suspend"):
                yield f"{name_of(document)}: is suspended"


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
    """Consumer groups that scalers watch are the target's own; services with one active member go from one to two."""
    for document in cluster.kind("ScaledObject"):
        _, name = scaling.target_of(document)
        for _, expr in scaling.queries(Cluster([document])):
            for group, topic in re.findall(r'consumergroup="([^"]*)",topic="([^"]*)"', expr):
                if group not in rights.work_of(name).groups or topic not in rights.work_of(name).reads:
                    yield f"{name}: does not read topic {topic} as group {group}"
        if name in _ONE_ACTIVE and (document["spec"]["minReplicaCount"], document["spec"]["maxReplicaCount"]) != (1, 2):
            yield f"{name}: one is active, so from 1 to 2"


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


def exchanges(cluster: Cluster) -> Iterator[str]:
    """trade-to-ohlc may send to every port that an exchange of the code answers at."""
    policy = cluster.get("NetworkPolicy", "trade-to-ohlc") or {"spec": {"egress": []}}
    open_ports = {
        entry["port"]
        for rule in policy["spec"]["egress"]
        if any("ipBlock" in peer for peer in rule["to"])
        for entry in rule["ports"]
    }
    for name, port in sorted(exchange_ports()):
        if port not in open_ports:
            yield f"trade-to-ohlc: may not send to {name} at port {port}"


@cache
def exchange_ports() -> frozenset[tuple[str, int]]:
    """Return exchanges with the ports of their addresses."""
    found = set()
    for name, profile in PROFILES.items():
        addresses = json.dumps(getattr(ccxt.pro, profile.ccxt_id)().urls["api"])
        ports = re.findall(r'(?:wss|https)://[^/":]+(?::(\d+))?', addresses)
        found |= {(name, int(port or 443)) for port in ports}
    return frozenset(found)


def ordered_outside(cluster: Cluster) -> Iterator[str]:
    """Only who must talk to the outside may, only to public addresses, and at port 443 or those of exchanges."""
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
    public = {port for _, port in exchange_ports()} if pod.name == "trade-to-ohlc" else {443}
    if names & allowed and ports == public and private >= PRIVATE:
        return
    if (names & api or "strimzi.io/kind" in pod.labels) and ports <= {443, 6443, 10250}:
        return
    yield f"{pod.owner}: may send outside, to ports {', '.join(map(str, sorted(ports, key=str)))}"


def search_logins(cluster: Cluster) -> Iterator[str]:
    """Who writes to Elasticsearch logs in as the writer, who reads as the reader, whose role only reads."""
    external = cluster.get("ExternalSecret", "search")
    urls = (external or {}).get("spec", {}).get("target", {}).get("template", {}).get("data", {})
    for pod in cluster.own_pods:
        for volume in pod.spec.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                for item in source.get("secret", {}).get("items", []):
                    if item["path"] == "elasticsearch_url":
                        user = urlsplit(re.sub(r"\{\{.*?\}\}", "x", urls.get(item["key"], ""))).username
                        expected = "candlewave" if pod.name == "migrate" else "candlewave-reader"
                        if user != expected:
                            yield f"{pod.owner}: logs in to Elasticsearch as {user}, not as {expected}"
    script = _scripts(cluster, "elasticsearch-setup-scripts").get("setup.sh", "")
    role = re.search(r"_security/role/candlewave-reader <<'EOF'\n(.*?)\nEOF", script, re.DOTALL)
    document: dict[str, Any] = json.loads(role[1]) if role else {"cluster": ["no role"], "indices": []}
    rights_given = {*document.get("cluster", []), *(p for entry in document["indices"] for p in entry["privileges"])}
    if rights_given != {"read", "view_index_metadata"}:
        yield f"role candlewave-reader: may {', '.join(sorted(rights_given))}"


def login(cluster: Cluster) -> Iterator[str]:
    """A login page runs only where it says whose people may log in."""
    deployment = cluster.get("Deployment", "oauth2-proxy")
    if deployment is not None and deployment["spec"]["replicas"] > 0:
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if "--email-domain=*" in container["args"]:
                yield "oauth2-proxy: runs without an identity provider of this overlay; anybody's people may log in"


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
    Clause("its own ServiceAccount", own_accounts),
    Clause("Kafka's scaling: node pool, Cruise Control's automatic rebalance", kafka_scales),
    Clause("Kafka's users with TLS or SCRAM; topics that outlive a broker", kafka_closed),
    Clause("Kafka's rights are exactly what the code does", rights.exact),
    Clause("every Kafka user is somebody's login", rights.used),
    Clause("scheduled backups, index lifecycle and snapshots", backups),
    Clause("MLflow: PostgreSQL, S3, web UI through an Ingress with TLS and a login", registry),
    Clause("Prometheus, Grafana, Loki, Tempo linked with each other", observability),
    Clause("scaling by own load; one-active services 1-2", own_load),
    Clause("one image, one command each", commands),
    Clause("exchanges can be reached", exchanges),
    Clause("only the needed flows to the outside", ordered_outside),
    Clause("readers of Elasticsearch cannot write", search_logins),
    Clause("a login says who may log in", login),
)
