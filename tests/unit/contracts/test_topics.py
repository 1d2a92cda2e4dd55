"""The topics, against the page that documents them and the manifests that are generated from them."""

from scripts.topics import MANIFEST, PAGE, manifest, page

from candlewave.contracts import topics


def test_every_dead_letter_topic_has_its_topic() -> None:
    letters = [name for name in topics.TOPICS if name.endswith(topics.DEAD_LETTER_SUFFIX)]
    assert letters
    assert {name.removesuffix(topics.DEAD_LETTER_SUFFIX) for name in letters} <= set(topics.TOPICS)


def test_the_manifests_of_kafka_are_those_of_the_topics() -> None:
    assert MANIFEST.read_text(encoding="utf-8") == manifest(), "run: make topics"


def test_the_page_lists_the_topics_as_they_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run: make topics"


def test_trades_and_candles_have_the_brokers_time_and_all_have_partitions() -> None:
    assert [spec.name for spec in topics.TOPICS.values() if spec.log_append_time] == ["trades", "loaded_candles"]
    assert all(spec.partitions >= 1 for spec in topics.TOPICS.values())
    assert topics.SERVICE_LEASES.partitions == len(topics.SINGLETONS)


def test_only_upserts_by_their_primary_key_are_compacted() -> None:
    compacted = {spec.name for spec in topics.TOPICS.values() if spec.compact}
    assert compacted == {"candles", "technical_indicators"}
