"""The topics, against the page that documents them and the manifests that are generated from them."""

import re

from scripts.topics import MANIFEST, manifest

from candlewave.contracts import topics
from candlewave.core.paths import project_root


def test_every_dead_letter_topic_has_its_topic() -> None:
    letters = [name for name in topics.TOPICS if name.endswith(topics.DEAD_LETTER_SUFFIX)]
    assert letters
    assert {name.removesuffix(topics.DEAD_LETTER_SUFFIX) for name in letters} <= set(topics.TOPICS)


def test_the_registry_has_the_documented_topics() -> None:
    page = project_root() / "docs" / "contracts.md"
    documented: set[str] = set()
    for row in page.read_text(encoding="utf-8").splitlines():
        if row.startswith("| `"):
            documented.update(re.findall(r"`([a-z_.-]+)`", row.split("|")[1]))
    known = set(topics.TOPICS)
    assert documented & known, "the page has no table of topics"
    assert not {name for name in documented if name in known or name.endswith(".dlq")} - known
    assert known <= documented


def test_the_manifests_of_kafka_are_those_of_the_topics() -> None:
    assert MANIFEST.read_text(encoding="utf-8") == manifest(), "run: make k8s-topics"


def test_trades_have_the_brokers_time_and_all_have_partitions() -> None:
    assert [spec.name for spec in topics.TOPICS.values() if spec.log_append_time] == ["trades"]
    assert all(spec.partitions >= 1 for spec in topics.TOPICS.values())
    assert topics.SERVICE_LEASES.partitions == len(topics.SINGLETONS)


def test_only_upserts_by_their_primary_key_are_compacted() -> None:
    compacted = {spec.name for spec in topics.TOPICS.values() if spec.compact}
    assert compacted == {"candles", "technical_indicators"}
