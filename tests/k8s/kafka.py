"""Checks of Kafka's resources against the topics in the code."""

from collections.abc import Iterator

from tests.k8s.cluster import Cluster, Document, labels_of, name_of, title

from candlewave.bus.kafka import new_topic
from candlewave.contracts.topics import TOPICS

_OWN_TOPICS = ("strimzi.cruisecontrol", "__")


def topics(cluster: Cluster) -> Iterator[str]:
    """Every topic of the code has a KafkaTopic with its settings, and every KafkaTopic is a topic of the code."""
    found = {topic_name(document): document for document in cluster.kind("KafkaTopic")}
    for name in sorted(set(TOPICS) - set(found)):
        yield f"topic {name}: no KafkaTopic"
    for name, document in sorted(found.items()):
        if name.startswith(_OWN_TOPICS):
            continue
        if name not in TOPICS:
            yield f"{title(document)}: the code has no topic {name}"
            continue
        expected = new_topic(name, TOPICS[name])
        if document["spec"]["partitions"] != expected.num_partitions:
            yield f"topic {name}: {document['spec']['partitions']} partitions, the code has {expected.num_partitions}"
        config = {key: str(value) for key, value in (document["spec"].get("config") or {}).items()}
        for key, value in expected.config.items():
            if config.get(key) != value:
                yield f"topic {name}: {key}={config.get(key)}, the code has {value}"


def topic_name(document: Document) -> str:
    """Return the name in Kafka, which may have characters that Kubernetes does not allow."""
    return str(document["spec"].get("topicName", name_of(document)))


def clusters(cluster: Cluster) -> Iterator[str]:
    """Topics, users and pools belong to a Kafka that is there."""
    known = cluster.names("Kafka")
    for document in cluster.kind("KafkaTopic", "KafkaUser", "KafkaNodePool", "KafkaRebalance"):
        owner = labels_of(document).get("strimzi.io/cluster")
        if owner not in known:
            yield f"{title(document)}: no Kafka {owner}"


_CONTAINERS = {
    "kafka": ("kafkaContainer", "initContainer"),
    "entityOperator": ("topicOperatorContainer", "userOperatorContainer"),
    "kafkaExporter": ("container",),
    "cruiseControl": ("cruiseControlContainer",),
}
"""Containers that Strimzi makes, by the part of Kafka whose template has them."""


def contexts(cluster: Cluster) -> Iterator[str]:
    """Strimzi's containers have a read-only root file system, and what its restricted profile would give them."""
    for document in cluster.kind("Kafka"):
        for part, names in _CONTAINERS.items():
            if part in document["spec"]:
                for name in names:
                    given = document["spec"][part].get("template", {}).get(name, {})
                    yield from _context(f"{title(document)} {part} {name}", given)
    for pool in cluster.kind("KafkaNodePool"):
        # What a pool says replaces what Kafka's template says.
        for name, given in pool["spec"].get("template", {}).items():
            if name in _CONTAINERS["kafka"]:
                yield from _context(f"{title(pool)} {name}", given)


def _context(where: str, container: Document) -> Iterator[str]:
    context = container.get("securityContext", {})
    wanted = {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for key, value in wanted.items():
        if context.get(key) != value:
            yield f"{where}: {key} is {context.get(key)}"


def rights(cluster: Cluster) -> Iterator[str]:
    """Rights of users name topics that are there, or a prefix of one; nobody may do everything."""
    known = {topic_name(document) for document in cluster.kind("KafkaTopic")}
    for user in cluster.kind("KafkaUser"):
        for acl in user["spec"].get("authorization", {}).get("acls", []):
            resource = acl["resource"]
            operations = acl.get("operations", [])
            if "All" in operations:
                yield f"{title(user)}: operation All"
            if resource["type"] != "topic":
                continue
            name = resource["name"]
            if resource.get("patternType") == "prefix":
                good = any(topic.startswith(name) for topic in known)
            else:
                good = name in known
            if not good:
                yield f"{title(user)}: no topic {name}"


def triggers(cluster: Cluster) -> Iterator[str]:
    """Scalers by lag name topics of the code."""
    for document in cluster.kind("ScaledObject", "ScaledJob"):
        for trigger in document["spec"]["triggers"]:
            name = trigger["metadata"].get("topic")
            if trigger["type"] in {"apache-kafka", "kafka"}:
                if name not in TOPICS:
                    yield f"{title(document)}: the code has no topic {name}"
                if not trigger["metadata"].get("consumerGroup"):
                    yield f"{title(document)}: no consumer group"
