"""What a rendered overlay contains, and the pods, Services and Secrets that operators will make of it."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ("dev", "staging", "production")

Document = dict[str, Any]

_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "ScaledJob": ("spec", "jobTargetRef", "template"),
}


class NoKustomizeError(RuntimeError):
    """Neither kustomize nor kubectl is installed."""


@dataclass(frozen=True)
class Pod:
    """A pod that the overlay leads to.

    Attributes:
        owner: kind and name of what makes it.
        labels: of the pod.
        ports: numbers that it listens on by name.
        spec: the pod's specification; empty when an operator writes it.
    """

    owner: str
    labels: Mapping[str, str]
    ports: Mapping[str, int]
    spec: Document = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.owner.split("/")[0]

    @property
    def name(self) -> str:
        return self.owner.split("/")[1]

    @property
    def written_by_operator(self) -> bool:
        return not self.spec

    @property
    def containers(self) -> list[Document]:
        """All containers, also those that only initialise."""
        return [*self.spec.get("initContainers", []), *self.spec.get("containers", [])]

    @property
    def is_ours(self) -> bool:
        """Whether it runs the project's own image."""
        return any(is_our_image(container["image"]) for container in self.containers)

    def serves(self, port: int | str | None) -> bool:
        """Whether it listens there; None is any port."""
        return port is None or port in self.ports.values() or port in self.ports


class Cluster:
    """The documents of one overlay."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = [document for document in documents if document]

    @classmethod
    def of(cls, text: str) -> "Cluster":
        """Read YAML documents."""
        return cls(list(yaml.load_all(text, yaml.CSafeLoader)))

    def kind(self, *kinds: str) -> list[Document]:
        """Return the documents of these kinds."""
        return [document for document in self.documents if document["kind"] in kinds]

    def names(self, kind: str) -> set[str]:
        """Return the names of a kind."""
        return {name_of(document) for document in self.kind(kind)}

    def get(self, kind: str, name: str) -> Document | None:
        """Return one document."""
        return next((document for document in self.kind(kind) if name_of(document) == name), None)

    @cached_property
    def pods(self) -> list[Pod]:
        """All pods, one for each workload."""
        return [*self._own_pods(), *self._strimzi_pods(), *self._prometheus_pods()]

    @property
    def own_pods(self) -> list[Pod]:
        """The pods whose specification is in the overlay."""
        return [pod for pod in self.pods if not pod.written_by_operator]

    def pods_matching(self, selector: Document | None) -> list[Pod]:
        """Return the pods a label selector selects; an empty one selects all."""
        return [pod for pod in self.pods if selects(selector or {}, pod.labels)]

    @cached_property
    def services(self) -> dict[str, dict[str, int]]:
        """Ports by name of every Service, also of those that operators make."""
        found = {
            name_of(service): {
                str(port.get("name", port["port"])): int(port["port"]) for port in service["spec"].get("ports", [])
            }
            for service in self.kind("Service")
        }
        if self.kind("Prometheus"):
            found["prometheus-operated"] = {"web": 9090}
        if self.kind("Alertmanager"):
            found["alertmanager-operated"] = {"web": 9093, "mesh": 9094}
        for kafka in self.kind("Kafka"):
            ports = {f"tcp-{item['name']}": int(item["port"]) for item in kafka["spec"]["kafka"]["listeners"]}
            found[f"{name_of(kafka)}-kafka-bootstrap"] = ports
            found[f"{name_of(kafka)}-kafka-brokers"] = ports
        return found

    @cached_property
    def secrets(self) -> dict[str, set[str] | None]:
        """Keys of every Secret that will exist; None where the keys are not known."""
        found: dict[str, set[str] | None] = {
            name_of(secret): {*secret.get("data", {}), *secret.get("stringData", {})} for secret in self.kind("Secret")
        }
        for external in self.kind("ExternalSecret"):
            target = external["spec"].get("target", {})
            keys = {item["secretKey"] for item in external["spec"].get("data", [])}
            keys |= set(target.get("template", {}).get("data", {}))
            found[target.get("name", name_of(external))] = None if external["spec"].get("dataFrom") else keys
        for sealed in self.kind("SealedSecret"):
            found[name_of(sealed)] = set(sealed["spec"]["encryptedData"])
        for certificate in self.kind("Certificate"):
            found[certificate["spec"]["secretName"]] = {"tls.crt", "tls.key", "ca.crt"}
        for kafka in self.kind("Kafka"):
            found[f"{name_of(kafka)}-cluster-ca-cert"] = {"ca.crt", "ca.p12", "ca.password"}
            found[f"{name_of(kafka)}-clients-ca-cert"] = {"ca.crt", "ca.p12", "ca.password"}
        for user in self.kind("KafkaUser"):
            scram = user["spec"].get("authentication", {}).get("type") == "scram-sha-512"
            found[name_of(user)] = (
                {"password", "sasl.jaas.config"} if scram else {"ca.crt", "user.crt", "user.key", "user.p12"}
            )
        for ingress in self.kind("Ingress"):
            if any(key.startswith("cert-manager.io/") for key in ingress["metadata"].get("annotations", {})):
                found |= {item["secretName"]: {"tls.crt", "tls.key"} for item in ingress["spec"].get("tls", [])}
        return found

    def _own_pods(self) -> Iterator[Pod]:
        for document in self.kind(*_TEMPLATES):
            template = document
            for step in _TEMPLATES[document["kind"]]:
                template = template.get(step, {})
            spec = template.get("spec", {})
            ports = {
                str(port.get("name", port["containerPort"])): int(port["containerPort"])
                for container in spec.get("containers", [])
                for port in container.get("ports", [])
            }
            labels = template.get("metadata", {}).get("labels", {})
            yield Pod(f"{document['kind']}/{name_of(document)}", labels, ports, spec)

    def _strimzi_pods(self) -> Iterator[Pod]:
        for kafka in self.kind("Kafka"):
            cluster = name_of(kafka)
            spec = kafka["spec"]
            base = {**labels_of(kafka), "strimzi.io/cluster": cluster, "strimzi.io/kind": "Kafka"}
            listeners = {f"tcp-{item['name']}": int(item["port"]) for item in spec["kafka"]["listeners"]}
            metrics = {"tcp-prometheus": 9404} if "metricsConfig" in spec["kafka"] else {}
            internal = {"tcp-ctrlplane": 9090, "tcp-replication": 9091, "tcp-kafkaagent": 8443}
            for pool in self.kind("KafkaNodePool"):
                if labels_of(pool).get("strimzi.io/cluster") == cluster:
                    labels = {
                        **base,
                        **labels_of(pool),
                        "strimzi.io/name": f"{cluster}-kafka",
                        "strimzi.io/pool-name": name_of(pool),
                        **{f"strimzi.io/{role}-role": "true" for role in pool["spec"]["roles"]},
                    }
                    yield Pod(f"KafkaNodePool/{name_of(pool)}", labels, {**listeners, **metrics, **internal})
            parts = {
                "kafkaExporter": ("kafka-exporter", {"tcp-prometheus": 9404}),
                "cruiseControl": ("cruise-control", {"rest-api": 9090, "tcp-prometheus": 9404}),
                "entityOperator": ("entity-operator", {"healthcheck": 8081}),
            }
            for key, (suffix, ports) in parts.items():
                if key in spec:
                    labels = {**base, "strimzi.io/name": f"{cluster}-{suffix}"}
                    yield Pod(f"Kafka/{cluster}-{suffix}", labels, ports)

    def _prometheus_pods(self) -> Iterator[Pod]:
        ports = {"Prometheus": {"web": 9090}, "Alertmanager": {"web": 9093, "mesh": 9094}}
        for document in self.kind("Prometheus", "Alertmanager"):
            kind = document["kind"]
            labels = {
                **document["spec"].get("podMetadata", {}).get("labels", {}),
                "app.kubernetes.io/name": kind.lower(),
                "app.kubernetes.io/instance": name_of(document),
                kind.lower(): name_of(document),
            }
            yield Pod(f"{kind}/{name_of(document)}", labels, ports[kind])


def name_of(document: Document) -> str:
    """Return a document's name."""
    return str(document["metadata"]["name"])


def labels_of(document: Document) -> dict[str, str]:
    """Return a document's labels."""
    return dict(document["metadata"].get("labels") or {})


def title(document: Document) -> str:
    """Return kind and name."""
    return f"{document['kind']}/{name_of(document)}"


def is_our_image(image: str) -> bool:
    """Whether an image is the project's own."""
    return image.split("@")[0].split(":")[0].rsplit("/", 1)[-1] == "candlewave"


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for term in selector.get("matchExpressions") or []:
        value, operator = labels.get(term["key"]), term["operator"]
        good = {
            "In": value in term.get("values", []),
            "NotIn": value not in term.get("values", []),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[operator]
        if not good:
            return False
    return True


def build(folder: Path) -> Cluster:
    """Render a kustomization.

    Raises:
        NoKustomizeError: neither kustomize nor kubectl is there.
        RuntimeError: it cannot be built.
    """
    if program := shutil.which("kustomize"):
        command = [program, "build", str(folder)]
    elif program := shutil.which("kubectl"):
        command = [program, "kustomize", str(folder)]
    else:
        raise NoKustomizeError("make k8s-validate needs kustomize, or kubectl with its kustomize; neither is in PATH")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stderr}")
    return Cluster.of(done.stdout)
