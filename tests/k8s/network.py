"""Checks of NetworkPolicies: nothing is open by default, and each flow has a client and a server that agree on it."""

from collections.abc import Iterator

from tests.k8s.cluster import Cluster, Document, Pod, selects, title
from tests.k8s.references import hosts, texts

_DNS = 53


def default_deny(cluster: Cluster) -> Iterator[str]:
    """One policy closes every pod in both directions."""
    for policy in cluster.kind("NetworkPolicy"):
        spec = policy["spec"]
        closed = not spec.get("ingress") and not spec.get("egress")
        if not spec["podSelector"] and closed and set(spec["policyTypes"]) == {"Ingress", "Egress"}:
            return
    yield "no NetworkPolicy denies everything by default"


def names(cluster: Cluster) -> Iterator[str]:
    """Each pod can ask for names."""
    for pod in cluster.pods:
        if not any(has_port(rule, _DNS) for rule in rules(cluster, pod, "egress")):
            yield f"{pod.owner}: may not ask for names (egress to port {_DNS})"


def flows(cluster: Cluster) -> Iterator[str]:
    """Whatever a policy lets out is let in at a port that is there, and the other way round."""
    for policy in cluster.kind("NetworkPolicy"):
        subjects = cluster.pods_matching(policy["spec"]["podSelector"])
        if not subjects:
            yield f"{title(policy)}: selects no pod"
        for direction, key in (("egress", "to"), ("ingress", "from")):
            for rule in policy["spec"].get(direction) or []:
                for peer in rule.get(key, []):
                    if "podSelector" in peer and "namespaceSelector" not in peer:
                        yield from _flow(cluster, policy, direction, subjects, peer["podSelector"], rule)


def _flow(
    cluster: Cluster, policy: Document, direction: str, subjects: list[Pod], selector: Document, rule: Document
) -> Iterator[str]:
    peers = cluster.pods_matching(selector)
    if not peers:
        yield f"{title(policy)}: {direction} with {_text(selector)}: there is no such pod"
        return
    clients, servers = (subjects, peers) if direction == "egress" else (peers, subjects)
    for port in [entry.get("port") for entry in rule.get("ports", [])] or [None]:
        serving = [pod for pod in servers if pod.serves(port)]
        if not serving:
            yield f"{title(policy)}: {direction} with {_text(selector)}: nobody has port {port}"
        for server in serving:
            for client in clients:
                other = "ingress" if direction == "egress" else "egress"
                near, far = (server, client) if other == "ingress" else (client, server)
                if not _allowed(cluster, near, far, port, server, other):
                    verb = "takes it from" if other == "ingress" else "may send it to"
                    yield f"{title(policy)}: {direction}, but no policy of {near.owner} {verb} {far.owner} at {port}"


def needed(cluster: Cluster) -> Iterator[str]:
    """Addresses that pods are told, and metrics that Prometheus asks for, can be reached."""
    for where, text, asker in texts(cluster):
        owner, key = where.rsplit(" ", 1)
        for client in cluster.pods:
            if asker is None and (client.owner == owner or _reads(client, owner, key)):
                for host, _, port in hosts(text):
                    for server, number in servers(cluster, host, port):
                        yield from _connects(cluster, client, server, number)
    for monitor in cluster.kind("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for server in cluster.pods_matching(monitor["spec"]["selector"]):
                for client in cluster.pods:
                    port = server.ports.get(endpoint["port"])
                    if client.kind == "Prometheus" and port is not None:
                        yield from _connects(cluster, client, server, port)


def _reads(pod: Pod, owner: str, key: str) -> bool:
    """Whether a pod is given a ConfigMap, or this key of a Secret."""
    kind, _, name = owner.partition("/")
    if pod.written_by_operator or kind not in {"ConfigMap", "Secret"}:
        return False
    source, reference, variable, named = {
        "ConfigMap": ("configMap", "configMapRef", "configMapKeyRef", "name"),
        "Secret": ("secret", "secretRef", "secretKeyRef", "secretName"),
    }[kind]
    for volume in pod.spec.get("volumes", []):
        for given in [volume, *volume.get("projected", {}).get("sources", [])]:
            entry = given.get(source, {})
            if name in {entry.get("name"), entry.get(named)}:
                keys = [item["key"] for item in entry.get("items", [])]
                if kind == "ConfigMap" or not keys or key in keys:
                    return True
    for container in pod.containers:
        if any(item.get(reference, {}).get("name") == name for item in container.get("envFrom", [])):
            return True
        for item in container.get("env", []):
            entry = item.get("valueFrom", {}).get(variable, {})
            if entry.get("name") == name and (kind == "ConfigMap" or entry.get("key") == key):
                return True
    return False


def servers(cluster: Cluster, host: str, port: int | None) -> Iterator[tuple[Pod, int]]:
    """Return the pods behind a Service, each with the number of its port."""
    service = cluster.get("Service", host)
    if service is not None:
        for entry in service["spec"].get("ports", []):
            if port in {None, entry["port"]}:
                target = entry.get("targetPort", entry["port"])
                for server in cluster.pods_matching({"matchLabels": service["spec"].get("selector") or {"": ""}}):
                    number = server.ports.get(target, target)
                    if isinstance(number, int):
                        yield server, number
    elif host in cluster.services:
        for server in cluster.pods:
            made = {
                "Prometheus": "prometheus-operated",
                "Alertmanager": "alertmanager-operated",
                "KafkaNodePool": f"{server.labels.get('strimzi.io/cluster')}-kafka-bootstrap",
            }
            is_broker = server.kind != "KafkaNodePool" or server.labels.get("strimzi.io/broker-role") == "true"
            if made.get(server.kind) == host and is_broker:
                for number in [port] if port else cluster.services[host].values():
                    yield server, number


def _connects(cluster: Cluster, client: Pod, server: Pod, port: int) -> Iterator[str]:
    if client.owner == server.owner and len(server.ports) == 1:
        return
    if not _allowed(cluster, client, server, port, server, "egress"):
        yield f"{client.owner}: is told to reach {server.owner} at {port}, but may not send there"
    if not _allowed(cluster, server, client, port, server, "ingress"):
        yield f"{server.owner}: does not let in {client.owner}, which is told to reach it at {port}"


def _allowed(cluster: Cluster, near: Pod, far: Pod, port: int | str | None, server: Pod, direction: str) -> bool:
    """Whether the policies of ``near`` let it exchange with ``far`` at the server's port."""
    if direction == "ingress" and _strimzi_lets_in(cluster, near, far, port):
        return True
    number = server.ports.get(str(port), port) if port is not None else None
    key = "to" if direction == "egress" else "from"
    for rule in rules(cluster, near, direction):
        if not has_port(rule, number) and not has_port(rule, port):
            continue
        peers = rule.get(key)
        if not peers:
            return True
        if any(
            "podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"] or {}, far.labels)
            for peer in peers
        ):
            return True
    return False


def _strimzi_lets_in(cluster: Cluster, server: Pod, client: Pod, port: int | str | None) -> bool:
    """Strimzi writes policies for the pods it makes: listeners by their peers, metrics open, the rest inside."""
    if "strimzi.io/kind" not in server.labels or server.kind not in {"Kafka", "KafkaNodePool"}:
        return False
    if client.labels.get("strimzi.io/cluster") == server.labels["strimzi.io/cluster"]:
        return True
    if port == 9404:
        return True
    kafka = cluster.get("Kafka", server.labels["strimzi.io/cluster"])
    for listener in (kafka or {}).get("spec", {}).get("kafka", {}).get("listeners", []):
        if listener["port"] == port:
            peers = listener.get("networkPolicyPeers")
            return peers is None or any(selects(peer.get("podSelector") or {}, client.labels) for peer in peers)
    return False


def rules(cluster: Cluster, pod: Pod, direction: str) -> Iterator[Document]:
    """Return the rules of all policies that select a pod."""
    for policy in cluster.kind("NetworkPolicy"):
        if selects(policy["spec"]["podSelector"] or {}, pod.labels):
            yield from policy["spec"].get(direction) or []


def has_port(rule: Document, port: int | str | None) -> bool:
    """Whether a rule is about a port; None is any."""
    ports = rule.get("ports")
    if not ports or port is None:
        return True
    for entry in ports:
        first = entry.get("port")
        if first == port or (
            isinstance(port, int) and isinstance(first, int) and first <= port <= entry.get("endPort", first)
        ):
            return True
    return False


def _text(selector: Document) -> str:
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    terms += [
        f"{term['key']} {term['operator']} {term.get('values', '')}" for term in selector.get("matchExpressions") or []
    ]
    return ",".join(terms) or "any pod"
