"""What each login of Kafka does, read from the code and the SQL, against what its KafkaUser may do."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.k8s.cluster import ROOT, Cluster, Document, name_of, title

from candlewave.contracts import topics
from candlewave.contracts.topics import INGEST_SHARDS, SERVICE_LEASES, TOPICS

PACKAGE = ROOT / "python" / "candlewave"

CODE = {
    "trade-to-ohlc": ("services/ingest/service.py", "services/ingest/live", "services/ingest/publish.py"),
    "sentiment-extractor": ("services/sentiment",),
    "model-trainer": ("services/trainer", "ml"),
    "price-predictor": ("services/predictor",),
    "model-error-monitor": ("services/monitor",),
    "predictions-api": ("services/api",),
    "technical-indicators": ("services/indicators",),
}
"""Where each service's code is, below the package."""

ENGINE = "risingwave"

_PUBLISH = re.compile(r"\.publish\(\s*([A-Z_]+)\.name")
_REJECTS = re.compile(r"\bRejects\(\s*bus,\s*([A-Z_]+),")
_SUBSCRIBE = re.compile(r"\.subscribe\(\s*([A-Z_]+),\s*\[([A-Z_]+)\.name\]")
_SHARES = re.compile(
    r"(?:ShardOwnership\(\s*(?:service\.)?bus,|\.shards\()\s*"
    r'(?:f"\{(?P<f>[A-Z_]+)\}(?P<rest>[^"]*)"|(?P<name>[A-Z_]+))'
)
_LEASE = re.compile(r'(?:\bLease\(\s*bus,|\.lease\()\s*"(\w+)"')
_SOURCE = re.compile(r"kafka_source\(\s*['\"]([\w.-]+)")
_SINK = re.compile(r"kafka_upsert_sink\(\s*['\"]([\w.-]+)")


@dataclass
class Work:
    """What somebody does with Kafka.

    Attributes:
        reads: topics.
        writes: topics.
        groups: consumer groups.
    """

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


@cache
def work_of(user: str) -> Work:
    """Read what a service's code, or the engine's SQL, does."""
    if user == ENGINE:
        text = "\n".join(path.read_text() for path in sorted((ROOT / "sql").rglob("*.sql.j2")))
        return Work(set(_SOURCE.findall(text)), set(_SINK.findall(text)))
    work = Work()
    for part in CODE[user]:
        path = PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            _read(file, work)
    return work


def _read(file: Path, work: Work) -> None:
    text = file.read_text()
    work.writes |= {_topic(name) for name in _PUBLISH.findall(text)}
    work.writes |= {_topic(name) + topics.DEAD_LETTER_SUFFIX for name in _REJECTS.findall(text)}
    for group, name in _SUBSCRIBE.findall(text):
        work.groups.add(_constant(file, group))
        work.reads.add(_topic(name))
    for match in _SHARES.finditer(text):
        work.groups.add(_constant(file, match["f"] or match["name"]) + (match["rest"] or ""))
        work.reads.add(INGEST_SHARDS.name)
    for singleton in _LEASE.findall(text):
        work.groups.add(f"{SERVICE_LEASES.name}.{singleton}")
        work.reads.add(SERVICE_LEASES.name)


def _topic(constant: str) -> str:
    return str(getattr(topics, constant).name)


def _constant(file: Path, name: str) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return str(getattr(importlib.import_module(".".join(parts)), name))


def exact(cluster: Cluster) -> Iterator[str]:
    """Users may read, write and join what their code does, and nothing else."""
    users = {name_of(document): document for document in cluster.kind("KafkaUser")}
    for name in sorted({*CODE, ENGINE} - set(users)):
        yield f"no KafkaUser {name}"
    for name, document in sorted(users.items()):
        if name not in {*CODE, ENGINE}:
            yield f"{title(document)}: nobody's code belongs to it"
            continue
        yield from _compare(document, work_of(name))


def _compare(document: Document, work: Work) -> Iterator[str]:
    acls = document["spec"]["authorization"]["acls"]
    granted = {
        operation: {acl["resource"]["name"] for acl in acls if _is(acl, "topic") and operation in acl["operations"]}
        for operation in ("Read", "Write", "Describe", "DescribeConfigs")
    }
    for operation, wanted in (("Read", work.reads), ("Write", work.writes)):
        for topic in sorted(wanted - granted[operation]):
            yield f"{title(document)}: its code needs {operation} of topic {topic}"
        for topic in sorted(granted[operation] - wanted):
            yield f"{title(document)}: may {operation} topic {topic}, which its code does not do"
    # The engine's login is the one of migrate too, which looks whether every topic is there.
    seen = set(TOPICS) if name_of(document) == ENGINE else work.reads | work.writes
    for operation in ("Describe", "DescribeConfigs"):
        for topic in sorted(seen - granted[operation]):
            yield f"{title(document)}: its code needs {operation} of topic {topic}"
    # The client asks for a producer's number at its start; who may write to any topic gets one.
    given = [acl["operations"] for acl in acls if _is(acl, "cluster")]
    if given != ([] if work.writes else [["IdempotentWrite"]]):
        yield f"{title(document)}: rights to the cluster {given}, writes to {len(work.writes)} topics"
    groups = [acl["resource"] for acl in acls if _is(acl, "group")]
    for group in sorted(work.groups):
        if not any(_covers(resource, group) for resource in groups):
            yield f"{title(document)}: may not join group {group}"
    for resource in groups:
        if name_of(document) != ENGINE and not any(_covers(resource, group) for group in work.groups):
            yield f"{title(document)}: its code joins no group {resource['name']}"


def _is(acl: Document, kind: str) -> bool:
    return bool(acl["resource"]["type"] == kind)


def _covers(resource: Document, name: str) -> bool:
    if resource.get("patternType") == "prefix":
        return name.startswith(resource["name"])
    return bool(resource["name"] == name)


def used(cluster: Cluster) -> Iterator[str]:
    """Each user's password is read by a pod that logs in as it."""
    logins: set[str] = set()
    for pod in cluster.own_pods:
        names = {
            str(item.get("value"))
            for container in pod.containers
            for item in container.get("env", [])
            if item["name"] == "KAFKA_SASL_USERNAME"
        }
        mounted = {
            source["secret"].get("name")
            for volume in pod.spec.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
            if "secret" in source
        }
        for name in sorted(names - mounted):
            yield f"{pod.owner}: logs in to Kafka as {name}, whose password it has not"
        logins |= names & mounted
    for name in sorted(cluster.names("KafkaUser") - logins):
        yield f"KafkaUser/{name}: nobody logs in as it"
