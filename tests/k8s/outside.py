"""Checks of what crosses the border of the namespace: clouds' metadata, the API server, who asks from elsewhere."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from tests.k8s.cluster import Cluster, Document, Pod, name_of, selects, title
from tests.k8s.network import has_port, rules, servers
from tests.k8s.references import Text, hosts, namespace, texts

METADATA = ("169.254.169.254", "100.100.100.200")
"""Where clouds tell a node its own credentials: AWS, Google, Azure, Oracle and others; Alibaba."""

API_SERVER = (443, 6443)


def metadata(cluster: Cluster) -> Iterator[str]:
    """No pod may ask a cloud for its node's credentials, as one that may send anywhere could."""
    for policy in cluster.kind("NetworkPolicy"):
        for rule in policy["spec"].get("egress") or []:
            if not rule.get("to"):
                yield f"{title(policy)}: may send to any address"
            for peer in rule.get("to") or []:
                for address in METADATA:
                    if "ipBlock" in peer and _reaches(peer["ipBlock"], address):
                        yield f"{title(policy)}: may send to {address}, which tells a node's credentials"


def _reaches(block: Document, address: str) -> bool:
    one = ip_address(address)
    return one in ip_network(block["cidr"]) and not any(one in ip_network(net) for net in block.get("except", []))


def api_server(cluster: Cluster) -> Iterator[str]:
    """Who has a token of the API server may send to it, and nobody else may send to private addresses outside."""
    for pod in cluster.pods:
        opened = {
            entry.get("port")
            for rule in rules(cluster, pod, "egress")
            for peer in rule.get("to") or []
            if "ipBlock" in peer and _reaches(peer["ipBlock"], "10.96.0.1")
            for entry in rule.get("ports") or [{}]
        }
        if has_token(cluster, pod):
            for port in API_SERVER:
                if port not in opened:
                    yield f"{pod.owner}: has a token, but may not send to the API server at {port}"
        elif opened:
            yield f"{pod.owner}: has no token, but may send to the network of the API server"


def has_token(cluster: Cluster, pod: Pod) -> bool:
    """Whether a pod talks to the API server; Strimzi's do as operators, and as brokers that look for their rack."""
    if not pod.written_by_operator:
        return bool(pod.spec.get("automountServiceAccountToken"))
    if pod.kind == "KafkaNodePool":
        kafka = cluster.get("Kafka", pod.labels["strimzi.io/cluster"]) or {}
        return "rack" in kafka.get("spec", {}).get("kafka", {})
    return pod.kind == "Prometheus" or pod.name.endswith("-entity-operator")


def askers(cluster: Cluster) -> Iterator[str]:
    """Who asks from another namespace finds what it is told to ask, and is let in there."""
    own = namespace(cluster)
    for text in [*texts(cluster), *_backends(cluster)]:
        for host, space, port in hosts(text.text):
            at = space or text.asker or own
            if at != own:
                yield f"{text.where}: {host} is looked for in namespace {at}, and is not there"
            elif text.asker is not None:
                for server, number in servers(cluster, host, port):
                    if not _lets_in(cluster, server, text.asker, number):
                        yield f"{text.where}: {server.owner} does not let in namespace {text.asker} at {number}"


def _backends(cluster: Cluster) -> Iterator[Text]:
    """Return what the Ingress controller asks; its namespace has the name of its class."""
    own = namespace(cluster)
    for ingress in cluster.kind("Ingress"):
        for rule in ingress["spec"].get("rules", []):
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = cluster.services.get(backend["name"], {})
                port = backend["port"].get("number") or ports.get(backend["port"].get("name"), "")
                asker = ingress["spec"].get("ingressClassName")
                yield Text(title(ingress), f"http://{backend['name']}.{own}.svc:{port}", asker)


def _lets_in(cluster: Cluster, server: Pod, asker: str, port: int) -> bool:
    labels = {"kubernetes.io/metadata.name": asker}
    for rule in rules(cluster, server, "ingress"):
        for peer in rule.get("from") or []:
            # Labels of pods elsewhere are not ours to know.
            whole = "namespaceSelector" in peer and "podSelector" not in peer
            if whole and has_port(rule, port) and selects(peer["namespaceSelector"], labels):
                return True
    return False


def cluster_wide(cluster: Cluster) -> Iterator[str]:
    """Rights in all namespaces are to what has no namespace only."""
    for role in cluster.kind("ClusterRole"):
        for rule in role.get("rules") or []:
            for resource in rule.get("resources", []):
                if resource.split("/")[0] not in _WITHOUT_NAMESPACE:
                    yield f"{title(role)}: gives {', '.join(rule['verbs'])} of {resource} in every namespace"
    for binding in cluster.kind("ClusterRoleBinding"):
        if binding["roleRef"]["name"] not in cluster.names("ClusterRole"):
            yield f"{title(binding)}: binds {binding['roleRef']['name']} in every namespace"


_WITHOUT_NAMESPACE = {"nodes", "namespaces", "persistentvolumes", "storageclasses"}


def monitored(cluster: Cluster) -> Iterator[str]:
    """A monitor of things outside of the namespace keeps what they tell of this namespace only."""
    own = namespace(cluster)
    for monitor in cluster.kind("ServiceMonitor", "PodMonitor"):
        if set(monitor["spec"].get("namespaceSelector", {}).get("matchNames", [own])) == {own}:
            continue
        for endpoint in monitor["spec"].get("endpoints", monitor["spec"].get("podMetricsEndpoints", [])):
            kept = [
                rule["regex"]
                for rule in endpoint.get("metricRelabelings", [])
                if rule.get("action") == "keep" and rule.get("sourceLabels") == ["namespace"]
            ]
            if kept != [own]:
                yield f"{title(monitor)}: {endpoint.get('path')} tells of other namespaces too"


def all_alertmanagers(cluster: Cluster) -> Iterator[str]:
    """Alerts are sent to every replica: these tell each other what was sent, not what they were told."""
    for document in cluster.kind("Alertmanager"):
        name = f"alertmanager-{name_of(document)}"
        wanted = {f"{name}-{number}.alertmanager-operated:9093" for number in range(document["spec"]["replicas"])}
        for text in texts(cluster):
            if text.where.endswith(" ALERTMANAGER_URL"):
                told = {part.strip().removeprefix("http://").rstrip("/") for part in text.text.split(",")}
                if told != wanted:
                    yield f"{text.where}: tells {', '.join(sorted(told))}, not {', '.join(sorted(wanted))}"
