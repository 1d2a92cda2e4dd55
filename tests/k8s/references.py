"""Checks that whatever a document names is there."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tests.k8s.cluster import Cluster, Document, Pod, labels_of, name_of, selects, title

_URL = re.compile(r"(?<!s3)://(?:[^\s/@\"']*@)?(?P<host>[a-z0-9][a-z0-9.-]*)(?::(?P<port>\d+))?")
_HOST_PORT = re.compile(r"^(?P<host>[a-z0-9][a-z0-9.-]*):(?P<port>\d+)$")
_COMMENT = re.compile(r"^\s*(#|//).*$", re.MULTILINE)
_INSERTED = re.compile(r"\{\{.*?\}\}")

KEDA = "keda"
"""Namespace of who asks for the triggers of scalers."""


class Text(NamedTuple):
    """A text that may hold addresses.

    Attributes:
        where: it stands.
        text: as it is, without comments.
        asker: namespace of who asks there, in which short names are looked for; None is the overlay's own.
    """

    where: str
    text: str
    asker: str | None = None


def unique(cluster: Cluster) -> Iterator[str]:
    """No object is there twice."""
    counted = Counter((document["apiVersion"].split("/")[0], title(document)) for document in cluster.documents)
    for (_, what), times in counted.items():
        if times > 1:
            yield f"{what}: is there {times} times"


def volumes(cluster: Cluster) -> Iterator[str]:
    """ConfigMaps, Secrets and claims of volumes exist, and so do the keys that are named; every mount has a volume."""
    for pod in cluster.own_pods:
        names = {volume["name"] for volume in pod.spec.get("volumes", [])} | _claimed(cluster, pod)
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in names:
                    yield f"{pod.owner} {container['name']}: no volume {mount['name']}"
        for volume in pod.spec.get("volumes", []):
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                yield from _volume(cluster, f"{pod.owner} volume {volume['name']}", source)


def _volume(cluster: Cluster, where: str, source: Document) -> Iterator[str]:
    if "configMap" in source:
        keys = [item["key"] for item in source["configMap"].get("items", [])] or [None]
        for key in keys:
            yield from config_map(cluster, where, source["configMap"]["name"], key)
    if "secret" in source:
        name = source["secret"].get("secretName") or source["secret"]["name"]
        for key in [item["key"] for item in source["secret"].get("items", [])] or [None]:
            yield from secret(cluster, where, name, key)
    if "persistentVolumeClaim" in source:
        claim = source["persistentVolumeClaim"]["claimName"]
        if claim not in cluster.names("PersistentVolumeClaim"):
            yield f"{where}: no PersistentVolumeClaim {claim}"


def _claimed(cluster: Cluster, pod: Pod) -> set[str]:
    document = cluster.get("StatefulSet", pod.name) if pod.kind == "StatefulSet" else None
    return {name_of(claim) for claim in (document or {}).get("spec", {}).get("volumeClaimTemplates", [])}


def environment(cluster: Cluster) -> Iterator[str]:
    """ConfigMaps and Secrets of variables exist, with their keys."""
    for pod in cluster.own_pods:
        for container in pod.containers:
            where = f"{pod.owner} {container['name']}"
            for source in container.get("envFrom", []):
                if "configMapRef" in source:
                    yield from config_map(cluster, where, source["configMapRef"]["name"], None)
                if "secretRef" in source:
                    yield from secret(cluster, where, source["secretRef"]["name"], None)
            for item in container.get("env", []):
                value = item.get("valueFrom", {})
                if reference := value.get("configMapKeyRef"):
                    yield from config_map(cluster, where, reference["name"], reference["key"])
                if (reference := value.get("secretKeyRef")) and not reference.get("optional"):
                    yield from secret(cluster, where, reference["name"], reference["key"])


def config_map(cluster: Cluster, where: str, name: str, key: str | None) -> Iterator[str]:
    """A ConfigMap, and a key in it."""
    document = cluster.get("ConfigMap", name)
    if document is None:
        yield f"{where}: no ConfigMap {name}"
    elif key is not None and key not in {**(document.get("data") or {}), **(document.get("binaryData") or {})}:
        yield f"{where}: ConfigMap {name} has no key {key}"


def secret(cluster: Cluster, where: str, name: str, key: str | None) -> Iterator[str]:
    """A Secret, and a key in it where the keys are known."""
    if name not in cluster.secrets:
        yield f"{where}: no Secret {name}"
        return
    keys = cluster.secrets[name]
    if key is not None and keys is not None and key not in keys:
        yield f"{where}: Secret {name} has no key {key}"


def named_in_resources(cluster: Cluster) -> Iterator[str]:
    """Secrets and ConfigMaps named by custom resources and Ingresses exist."""
    for document in cluster.kind("Alertmanager"):
        for name in [document["spec"]["configSecret"], *document["spec"].get("secrets", [])]:
            yield from secret(cluster, title(document), name, None)
    for ingress in cluster.kind("Ingress"):
        for item in ingress["spec"].get("tls", []):
            yield from secret(cluster, title(ingress), item["secretName"], None)
    for document in cluster.kind("Kafka", "KafkaUser", "TriggerAuthentication", "RisingWave", "ScaledObject"):
        for path, value in _walk(document, ()):
            if path[-1] in {"configMapKeyRef"} and isinstance(value, dict):
                yield from config_map(cluster, title(document), value["name"], value.get("key"))
            if path[-1] == "secretKeyRef" and isinstance(value, dict):
                yield from secret(cluster, title(document), value["name"], value.get("key"))
            if path[-1] == "secretTargetRef" and isinstance(value, list):
                for item in value:
                    yield from secret(cluster, title(document), item["name"], item["key"])


def _walk(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, (*path, "*"))


def config_maps_used(cluster: Cluster) -> Iterator[str]:
    """Each ConfigMap is used by something."""
    used = set()
    for document in cluster.documents:
        for path, value in _walk(document, ()):
            if path[-1] == "name" and len(path) > 1 and path[-2] in {"configMap", "configMapRef", "configMapKeyRef"}:
                used.add(value)
    for name in sorted(cluster.names("ConfigMap") - used):
        yield f"ConfigMap/{name}: nothing uses it"


def no_secret_inside(cluster: Cluster) -> Iterator[str]:
    """A Secret is in git only when an annotation says why it holds nothing secret."""
    for document in cluster.kind("Secret"):
        annotations = document["metadata"].get("annotations") or {}
        reason = annotations.get("candlewave.io/no-secret", "").strip()
        if {**document.get("data", {}), **document.get("stringData", {})} and not reason:
            yield f"{title(document)}: has values and no annotation candlewave.io/no-secret with a reason"


def accounts(cluster: Cluster) -> Iterator[str]:
    """ServiceAccounts and roles that are named exist."""
    for pod in cluster.own_pods:
        account = pod.spec.get("serviceAccountName")
        if account is not None and account not in cluster.names("ServiceAccount"):
            yield f"{pod.owner}: no ServiceAccount {account}"
    for document in cluster.kind("Prometheus", "Alertmanager"):
        account = document["spec"].get("serviceAccountName")
        if account not in cluster.names("ServiceAccount"):
            yield f"{title(document)}: no ServiceAccount {account}"
    for binding in cluster.kind("RoleBinding", "ClusterRoleBinding"):
        role = binding["roleRef"]
        if cluster.get(role["kind"], role["name"]) is None and not role["name"].startswith("system:"):
            yield f"{title(binding)}: no {role['kind']} {role['name']}"
        for subject in binding.get("subjects", []):
            if subject["kind"] != "ServiceAccount":
                continue
            here = subject.get("namespace") in {None, namespace(cluster)}
            known = subject["name"] in cluster.names("ServiceAccount")
            if here and not known:
                yield f"{title(binding)}: no ServiceAccount {subject['name']}"
            elif known and not here:
                yield f"{title(binding)}: {subject['name']} is not in namespace {subject['namespace']}"


def namespace(cluster: Cluster) -> str | None:
    """The namespace of the overlay's pods."""
    return next(iter(sorted(cluster.names("Namespace"))), None)


def services(cluster: Cluster) -> Iterator[str]:
    """Each Service selects pods, and each of its ports is one that they have."""
    for service in cluster.kind("Service"):
        selector = service["spec"].get("selector")
        if not selector:
            continue
        pods = cluster.pods_matching({"matchLabels": selector})
        if not pods:
            yield f"{title(service)}: selects no pod"
        for port in service["spec"].get("ports", []):
            target = port.get("targetPort", port["port"])
            for pod in pods:
                if not pod.serves(target):
                    yield f"{title(service)}: {pod.owner} has no port {target}"


def stateful_services(cluster: Cluster) -> Iterator[str]:
    """The Service of a StatefulSet, the backends of an Ingress and the target of a monitor exist."""
    for document in cluster.kind("StatefulSet"):
        if (name := document["spec"].get("serviceName")) and name not in cluster.services:
            yield f"{title(document)}: no Service {name}"
    for ingress in cluster.kind("Ingress"):
        for rule in ingress["spec"].get("rules", []):
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = cluster.services.get(backend["name"])
                wanted = backend["port"].get("name") or backend["port"].get("number")
                if ports is None:
                    yield f"{title(ingress)}: no Service {backend['name']}"
                elif wanted not in ports and wanted not in ports.values():
                    yield f"{title(ingress)}: Service {backend['name']} has no port {wanted}"


def addresses(cluster: Cluster) -> Iterator[str]:
    """Addresses in variables, configuration files and Secrets name a Service that is there, and a port that it has."""
    for where, text, _ in texts(cluster):
        for host, _, port in hosts(text):
            known = cluster.services.get(host)
            if known is None:
                yield f"{where}: no Service {host}"
            elif port is not None and port not in known.values():
                yield f"{where}: Service {host} has no port {port}"


def texts(cluster: Cluster) -> Iterator[Text]:
    """Return every text that may hold addresses."""
    for pod in cluster.own_pods:
        for container in pod.containers:
            for item in container.get("env", []):
                yield Text(f"{pod.owner} {item['name']}", str(item.get("value", "")))
            for argument in [*container.get("command", []), *container.get("args", [])]:
                yield Text(f"{pod.owner} {container['name']}", str(argument))
    for document in cluster.kind("ConfigMap"):
        for key, value in (document.get("data") or {}).items():
            if not key.endswith(".json"):
                yield Text(f"{title(document)} {key}", _COMMENT.sub("", str(value)))
    for document in cluster.kind("ExternalSecret"):
        target = document["spec"].get("target", {})
        for key, value in target.get("template", {}).get("data", {}).items():
            yield Text(f"Secret/{target['name']} {key}", _INSERTED.sub("x", value))
    for document in cluster.kind("ScaledObject", "ScaledJob"):
        for trigger in document["spec"]["triggers"]:
            for key in ("serverAddress", "bootstrapServers"):
                yield Text(f"{title(document)} {key}", str(trigger["metadata"].get(key, "")), KEDA)


def hosts(text: str) -> Iterator[tuple[str, str | None, int | None]]:
    """Return the Services that a text addresses, with namespace and port if it says them; buckets are none."""
    found = [(match["host"], match["port"]) for match in _URL.finditer(text)]
    for part in re.split(r"[,\s]+", text):
        if match := _HOST_PORT.match(part):
            found.append((match["host"], match["port"]))
    for host, port in found:
        first, _, rest = host.partition(".")
        is_pod = re.search(r"-\d+$", first) is not None and bool(rest) and rest != "svc"
        if is_pod and ("." not in rest or ".svc" in rest):
            first, _, rest = rest.partition(".")
        is_local = not rest or rest == "svc" or rest.startswith("svc.") or ".svc" in rest
        if is_local and first not in {"localhost", "127", "0"}:
            space = rest.split(".")[0] if ".svc" in rest else None
            yield first, space, int(port) if port else None


def budgets(cluster: Cluster) -> Iterator[str]:
    """Each PodDisruptionBudget protects pods, and each of the seven services has one."""
    budgets = cluster.kind("PodDisruptionBudget")
    for budget in budgets:
        if not cluster.pods_matching(budget["spec"]["selector"]):
            yield f"{title(budget)}: selects no pod"
    for pod in cluster.own_pods:
        if pod.kind == "Deployment" and pod.labels.get("app.kubernetes.io/component") == "service":
            if not any(selects(budget["spec"]["selector"], pod.labels) for budget in budgets):
                yield f"{pod.owner}: no PodDisruptionBudget"
            if not pod.spec.get("topologySpreadConstraints"):
                yield f"{pod.owner}: no topology spread"


def selectors(cluster: Cluster) -> Iterator[str]:
    """Workloads select their own pods and nobody else's; every object says what it belongs to."""
    for document in cluster.kind("Deployment", "StatefulSet", "DaemonSet"):
        selected = [pod.owner for pod in cluster.pods_matching(document["spec"]["selector"])]
        if selected != [title(document)]:
            yield f"{title(document)}: its selector selects {', '.join(selected) or 'nothing'}"
    for document in cluster.documents:
        if labels_of(document).get("app.kubernetes.io/part-of") != "candlewave":
            yield f"{title(document)}: no label app.kubernetes.io/part-of: candlewave"


def monitors(cluster: Cluster) -> Iterator[str]:
    """Each monitor finds pods with its port; each pod with a port for metrics is found by one."""
    found: set[str] = set()
    for monitor in cluster.kind("PodMonitor"):
        pods = cluster.pods_matching(monitor["spec"]["selector"])
        if not pods:
            yield f"{title(monitor)}: selects no pod"
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            port = endpoint.get("port") or endpoint.get("portNumber")
            having = [pod for pod in pods if pod.serves(port)]
            found |= {pod.owner for pod in having}
            if not having:
                yield f"{title(monitor)}: none of its pods has port {port}"
    for monitor in cluster.kind("ServiceMonitor"):
        if monitor["spec"].get("namespaceSelector", {}).get("matchNames"):
            continue
        matching = [s for s in cluster.kind("Service") if selects(monitor["spec"]["selector"], labels_of(s))]
        if not matching:
            yield f"{title(monitor)}: selects no Service"
        for service in matching:
            pods = cluster.pods_matching({"matchLabels": service["spec"].get("selector") or {"": ""}})
            found |= {pod.owner for pod in pods}
            for endpoint in monitor["spec"]["endpoints"]:
                if endpoint["port"] not in cluster.services[name_of(service)]:
                    yield f"{title(monitor)}: {title(service)} has no port {endpoint['port']}"
    for pod in cluster.pods:
        if {"metrics", "admin", "tcp-prometheus"} & set(pod.ports) and pod.owner not in found:
            yield f"{pod.owner}: no monitor scrapes it"
