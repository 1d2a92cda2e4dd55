"""Write the KafkaTopic resources, and the table in docs/contracts.md, from the topics in the code."""

import json
from collections.abc import Iterator

from candlewave.contracts.topics import TOPICS, TopicSpec
from candlewave.core.config import load_config
from candlewave.core.paths import project_root
from candlewave.sqlproject.ddl import Kind, parse_statement
from candlewave.sqlproject.render import render_objects

MANIFEST = project_root() / "k8s" / "base" / "kafka" / "topics.yaml"
PAGE = project_root() / "docs" / "contracts.md"

_BEGIN, _END = "<!-- topics: written by make topics -->\n", "<!-- end of topics -->\n"
_COLUMNS = "| topic | message key | record | written by | table | primary key |\n|---|---|---|---|---|---|\n"

_HEAD = "# From python/candlewave/contracts/topics.py by make topics.\n"
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


def page(text: str) -> str:
    """Return the text of the page with the table as topics and sql/ are now."""
    before, _, rest = text.partition(_BEGIN)
    _, found, after = rest.partition(_END)
    if not found:
        raise ValueError(f"{PAGE} lacks {_BEGIN.strip()} or {_END.strip()}")
    return before + _BEGIN + _COLUMNS + "".join(_rows()) + _END + after


def _rows() -> Iterator[str]:
    relations = {}
    for sql_object in render_objects(load_config()):
        statement = parse_statement(sql_object.text)
        connector = statement.connector
        if connector is None or "topic" not in connector.properties:
            continue
        topic = connector.topic.removeprefix("${topic_prefix}")
        if statement.kind is Kind.SINK:
            relations[topic] = f"view `{statement.relation}`", connector.properties["primary_key"].replace(",", ", ")
        else:
            relations[topic] = f"`{statement.name}`", ", ".join(statement.primary_key)
    for spec in TOPICS.values():
        table, key = relations.get(spec.name, ("–", "–"))
        yield f"| `{spec.name}` | {spec.key} | {spec.holds} | {spec.written_by} | {table} | {key} |\n"


def _resource(spec: TopicSpec) -> str:
    name = spec.name.replace("_", "-")  # Kubernetes allows no underscore
    config = spec.kafka_config
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
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
