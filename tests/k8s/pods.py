"""Checks of each pod: what it may do, what it asks for, how it is watched, what it is told."""

import re
from collections.abc import Iterator
from typing import Any

from tests.k8s.cluster import Cluster, Document, Pod, is_our_image, labels_of, name_of, title
from tests.k8s.code import LIBRARY_VARIABLES, REQUIRED_VARIABLES, admin_paths, api_paths, settings_variables

_IMAGE = re.compile(r"^[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+:(?P<tag>[A-Za-z0-9._-]+)(@sha256:[0-9a-f]{64})?$")
_DEFAULT_SHUTDOWN_SECONDS = 20


def restricted(cluster: Cluster) -> Iterator[str]:
    """The namespace enforces Pod Security restricted, and pods keep what checkov does not look at."""
    for pod in cluster.own_pods:
        if pod.spec.get("securityContext", {}).get("runAsNonRoot") is not True:
            yield f"{pod.owner}: runAsNonRoot is not true"
        for volume in pod.spec.get("volumes", []):
            if "hostPath" in volume:
                yield f"{pod.owner}: volume {volume['name']} is a hostPath"
    for namespace in cluster.kind("Namespace"):
        if labels_of(namespace).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"Namespace/{name_of(namespace)}: does not enforce Pod Security restricted"


def tokens(cluster: Cluster) -> Iterator[str]:
    """A pod has a token of the API server only when a role is bound to its ServiceAccount."""
    bound = {
        subject["name"]
        for binding in cluster.kind("RoleBinding", "ClusterRoleBinding")
        for subject in binding.get("subjects", [])
        if subject["kind"] == "ServiceAccount"
    }
    for account in cluster.kind("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount/{name_of(account)}: automountServiceAccountToken is not false"
    for pod in cluster.own_pods:
        account = pod.spec.get("serviceAccountName")
        mounts = pod.spec.get("automountServiceAccountToken")
        if account is None:
            yield f"{pod.owner}: has no ServiceAccount of its own"
        elif mounts and account not in bound:
            yield f"{pod.owner}: mounts a token, but no role is bound to {account}"
        elif not mounts and mounts is not False:
            yield f"{pod.owner}: does not say automountServiceAccountToken: false"


def images(cluster: Cluster) -> Iterator[str]:
    """Images have a registry and a tag that says a version."""
    for where, image in _images(cluster):
        match = _IMAGE.match(image)
        if match is None:
            yield f"{where}: image {image} is not registry/name:tag"
        elif not any(character.isdigit() for character in match["tag"]) and not is_our_image(image):
            yield f"{where}: tag of {image} says no version"
        elif match["tag"] == "latest":
            yield f"{where}: image {image} is not pinned"


def _images(cluster: Cluster) -> Iterator[tuple[str, str]]:
    for pod in cluster.own_pods:
        for container in pod.containers:
            yield f"{pod.owner} {container['name']}", container["image"]
    for document in cluster.kind("Prometheus", "Alertmanager"):
        yield f"{document['kind']}/{name_of(document)}", document["spec"]["image"]


_UNITS = {"m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def amount(text: str | int | float) -> float:
    """Read a quantity of Kubernetes."""
    value = str(text)
    for unit, factor in sorted(_UNITS.items(), key=lambda item: -len(item[0])):
        if value.endswith(unit):
            return float(value.removesuffix(unit)) * factor
    return float(value)


def resources(cluster: Cluster) -> Iterator[str]:
    """Whatever runs asks for processor and memory, has a limit of both, and asks for no more than its limit."""
    for where, given in _resources(cluster):
        for what in ("cpu", "memory"):
            request, limit = (given.get(side, {}).get(what) for side in ("requests", "limits"))
            if request is None or limit is None:
                yield f"{where}: no request or no limit of {what}"
            elif amount(request) > amount(limit):
                yield f"{where}: requests {what} {request}, more than its limit {limit}"


def _resources(cluster: Cluster) -> Iterator[tuple[str, Document]]:
    for pod in cluster.own_pods:
        for container in pod.containers:
            yield f"{pod.owner} {container['name']}", container.get("resources", {})
    for document in cluster.kind("Prometheus", "Alertmanager", "KafkaNodePool"):
        yield title(document), document["spec"].get("resources", {})
    for document in cluster.kind("Kafka"):
        spec = document["spec"]
        for part in ("kafkaExporter", "cruiseControl"):
            if part in spec:
                yield f"{title(document)} {part}", spec[part].get("resources", {})
        for part in ("topicOperator", "userOperator"):
            if part in spec.get("entityOperator", {}):
                yield f"{title(document)} {part}", spec["entityOperator"][part].get("resources", {})


def probes(cluster: Cluster) -> Iterator[str]:
    """Long-running pods have probes, on ports they have and paths the code serves."""
    for pod in cluster.own_pods:
        for container in pod.spec["containers"]:
            own = {str(port.get("name")): int(port["containerPort"]) for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                where = f"{pod.owner} {container['name']} {probe}"
                given = container.get(probe)
                if given is None:
                    long_running = pod.kind in {"Deployment", "StatefulSet"}
                    if long_running and (is_our_image(container["image"]) or probe == "readinessProbe"):
                        yield f"{where}: missing"
                    continue
                yield from _probe(where, container, given, own)


def _probe(where: str, container: Document, probe: Document, ports: dict[str, int]) -> Iterator[str]:
    action = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc")
    if action is None:
        return
    port = action["port"]
    if port not in ports and port not in ports.values():
        yield f"{where}: the container has no port {port}"
        return
    path = probe.get("httpGet", {}).get("path")
    if path and is_our_image(container["image"]):
        number = ports.get(port, port)
        served = admin_paths() if number == ports.get("admin") else api_paths()
        if path not in served:
            yield f"{where}: {path} is not served on port {port}"


def grace(cluster: Cluster) -> Iterator[str]:
    """Kubernetes waits longer for our services than they wait for themselves."""
    for pod in cluster.own_pods:
        for container in pod.spec["containers"]:
            if not is_our_image(container["image"]) or pod.kind not in {"Deployment", "StatefulSet"}:
                continue
            own = float(variables(cluster, container).get("SHUTDOWN_GRACE_SECONDS", _DEFAULT_SHUTDOWN_SECONDS))
            pause = float(container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))
            given = float(pod.spec.get("terminationGracePeriodSeconds", 30))
            if given <= own + pause:
                yield f"{pod.owner}: terminationGracePeriodSeconds {given:g} <= {own + pause:g} of the service itself"


def environment(cluster: Cluster) -> Iterator[str]:
    """Variables of our image are settings that the code reads, and those a service needs are there."""
    known = settings_variables() | LIBRARY_VARIABLES.keys()
    for pod in cluster.own_pods:
        for container in pod.containers:
            if not is_our_image(container["image"]):
                continue
            where = f"{pod.owner} {container['name']}"
            given = set(variables(cluster, container)) | secret_files(cluster, pod, container)
            for name in sorted(given - known):
                yield f"{where}: {name} is no setting of candlewave"
            command = " ".join(map(str, [*container.get("command", []), *container.get("args", [])]))
            service = next((name for name in REQUIRED_VARIABLES if name in command.split()), None)
            for name in sorted(REQUIRED_VARIABLES.get(service or "", frozenset()) - given):
                yield f"{where}: {service} needs {name}"


def expanded(cluster: Cluster) -> Iterator[str]:
    """Files in which a program expands variables name, also in comments, only those that its container has."""
    for pod in cluster.own_pods:
        for container in pod.spec["containers"]:
            if "-config.expand-env=true" not in container.get("args", []):
                continue
            given = variables(cluster, container)
            for volume in pod.spec.get("volumes", []):
                document = cluster.get("ConfigMap", volume.get("configMap", {}).get("name", "")) or {}
                for file, text in (document.get("data") or {}).items():
                    for name in re.findall(r"\$\{([^}:]*)", text):
                        if name not in given:
                            yield f"{pod.owner}: {file} expands ${{{name}}}, which its container has not"


def jobs(cluster: Cluster) -> Iterator[str]:
    """A Job that fails keeps its last pod, and with it the log."""
    for pod in cluster.own_pods:
        if pod.kind in {"Job", "CronJob"} and pod.spec.get("restartPolicy") != "Never":
            yield f"{pod.owner}: restartPolicy {pod.spec.get('restartPolicy')}: a failed pod is deleted with its log"


TELEMETRY = {
    "seaweedfs": "-master.telemetry=false",
    "mlflow": "MLFLOW_DISABLE_TELEMETRY=true",
    "risingwave": "ENABLE_TELEMETRY=false",
    "grafana": "GF_ANALYTICS_REPORTING_ENABLED=false",
    "alloy": "--disable-reporting",
    "loki": "reporting_enabled: false",
    "tempo": "reporting_enabled: false",
}
"""What keeps a program from telling its makers how it is used, by the image's name."""


def telemetry(cluster: Cluster) -> Iterator[str]:
    """No long-running program tells its makers how it is used."""
    for pod in cluster.own_pods:
        for container in pod.spec["containers"]:
            if pod.kind in {"Job", "CronJob"}:
                continue
            said = [*container.get("args", []), *(f"{k}={v}" for k, v in variables(cluster, container).items())]
            for volume in pod.spec.get("volumes", []):
                document = cluster.get("ConfigMap", volume.get("configMap", {}).get("name", "")) or {}
                said += "\n".join((document.get("data") or {}).values()).splitlines()
            wanted = TELEMETRY.get(container["image"].split(":")[0].rsplit("/", 1)[-1])
            if wanted is not None and wanted not in {line.strip() for line in said}:
                yield f"{pod.owner}: without {wanted} it tells its makers how it is used"


def variables(cluster: Cluster, container: Document) -> dict[str, str]:
    """Return the variables of a container; the value is empty where a Secret or field gives it."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        prefix = source.get("prefix", "")
        if "configMapRef" in source:
            document = cluster.get("ConfigMap", source["configMapRef"]["name"])
            found |= {prefix + key: str(value) for key, value in ((document or {}).get("data") or {}).items()}
        if "secretRef" in source:
            found |= {prefix + key: "" for key in cluster.secrets.get(source["secretRef"]["name"]) or ()}
    for item in container.get("env", []):
        found[item["name"]] = str(item.get("value", "") or _from_config(cluster, item.get("valueFrom", {})))
    return found


def _from_config(cluster: Cluster, source: dict[str, Any]) -> str:
    reference = source.get("configMapKeyRef")
    if reference is None:
        return ""
    document = cluster.get("ConfigMap", reference["name"]) or {}
    return str((document.get("data") or {}).get(reference["key"], ""))


def secret_files(cluster: Cluster, pod: Pod, container: Document) -> set[str]:
    """Return the variables that come as files in /run/secrets."""
    found: set[str] = set()
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        path = mount["mountPath"].rstrip("/")
        if mount.get("subPath") and path.startswith("/run/secrets/"):
            found.add(path.rsplit("/", 1)[1].upper())
        if path != "/run/secrets":
            continue
        volume = volumes.get(mount["name"], {})
        sources = [volume] if "secret" in volume else volume.get("projected", {}).get("sources", [])
        for source in sources:
            secret = source.get("secret", {})
            items = secret.get("items")
            names = (
                {item["path"] for item in items}
                if items
                else cluster.secrets.get(secret.get("secretName") or secret.get("name", "")) or set()
            )
            found |= {name.upper() for name in names}
    return found
