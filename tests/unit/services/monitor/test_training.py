"""A training is asked for once, with the reason and what is known, and not again too soon."""

from datetime import UTC, datetime, timedelta

import msgspec
from prometheus_client import REGISTRY

from candlewave.rules.base import Finding
from candlewave.services.monitor.training import TrainingDesk

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def finding(rule: str = "coverage", holds: bool | None = True, training: bool = True) -> Finding:
    return Finding(rule, "warning", {"model_name": "candlewave"}, holds, 0.5, {"nominal": 0.8}, training)


def desk(last: datetime | None = None) -> TrainingDesk:
    return TrainingDesk("candlewave", 6 * HOUR, lambda: last)


def sample(name: str, reason: str) -> float:
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


def test_the_request_carries_every_cause_with_its_evidence() -> None:
    request = desk().consider([finding("interval-skill"), finding("coverage"), finding("drift", None)], NOW)
    assert request is not None
    assert request.reason == "coverage"
    assert [a["rule"] for a in request.evidence["alerts"]] == ["coverage", "interval-skill"]  # type: ignore[index,union-attr]
    assert b'"nominal":0.8' in msgspec.json.encode(request.evidence)
    assert request.requested_at == NOW


def test_only_alerts_that_a_training_may_end_ask_for_one() -> None:
    assert desk().consider([finding(training=False), finding(holds=False), finding(holds=None)], NOW) is None


def test_a_lasting_alert_asks_again_after_the_interval_and_a_new_one_waits_for_it() -> None:
    book = desk()
    first = book.consider([finding()], NOW)
    assert first is not None
    book.accept(first)
    withheld = sample("candlewave_monitor_withheld_training_requests_total", "interval-skill")
    both = [finding(), finding("interval-skill")]
    assert book.consider(both, NOW + HOUR) is None
    assert book.consider(both, NOW + 2 * HOUR) is None
    assert sample("candlewave_monitor_withheld_training_requests_total", "interval-skill") - withheld == 1
    second = book.consider(both, NOW + 6 * HOUR)
    assert second is not None
    assert second.request_id != first.request_id


def test_a_request_that_could_not_be_stored_is_made_again_and_is_the_same() -> None:
    book = desk()
    first, again = book.consider([finding()], NOW), book.consider([finding()], NOW + timedelta(minutes=1))
    assert first is not None
    assert again is not None
    assert first.request_id == again.request_id


def test_requests_of_others_and_of_earlier_lives_count() -> None:
    assert desk(NOW - 5 * HOUR).consider([finding()], NOW) is None
    assert desk(NOW - 6 * HOUR).consider([finding()], NOW) is not None


def test_a_request_that_others_make_meanwhile_counts() -> None:
    stored: list[datetime] = []
    book = TrainingDesk("candlewave", 6 * HOUR, lambda: max(stored, default=None))
    first = book.consider([finding()], NOW)
    assert first is not None
    book.accept(first)
    stored.append(NOW + 5 * HOUR)
    assert book.consider([finding()], NOW + 10 * HOUR) is None
    assert book.consider([finding()], NOW + 11 * HOUR) is not None
