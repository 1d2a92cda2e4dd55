"""Write the KafkaTopic resources from the topics in the code."""

import json

from candlewave.bus.kafka import new_topic
from candlewave.contracts.topics import TOPICS, TopicSpec
from candlewave.core.paths import project_root

MANIFEST = project_root() / "k8s" / "base" / "kafka" / "topics.yaml"

_HEAD = "# From python/candlewave/contracts/topics.py by make k8s-topics.\n"
_TOPIC = """\
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: kafka
    app.kubernetes.io/component: bus
    app.kubernetes.io/part-of: candlewave
    strimzi.io/cluster: candlewave
spec:
{topic_name}\
  partitions: {partitions}
  replicas: 3
  config:
    min.insync.replicas: "2"
{config}\
"""


def manifest() -> str:
    """Return the text of the manifest."""
    return _HEAD + "---\n".join(map(_resource, TOPICS.values()))


def _resource(spec: TopicSpec) -> str:
    name = spec.name.replace("_", "-")  # Kubernetes allows no underscore
    config = new_topic(spec.name, spec).config or {}
    return _TOPIC.format(
        name=name,
        topic_name=f"  topicName: {spec.name}\n" if name != spec.name else "",
        partitions=spec.partitions,
        config="".join(f"    {key}: {_scalar(value)}\n" for key, value in config.items()),
    )


def _scalar(value: str) -> str:
    return value if value.isalpha() else json.dumps(value)


if __name__ == "__main__":
    MANIFEST.write_text(manifest(), encoding="utf-8")
