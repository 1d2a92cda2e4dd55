"""Alerts begin once, last through uncertainty, end after a while, and survive a restart."""

from datetime import UTC, datetime, timedelta

from candlewave.rules.base import Finding, fingerprint
from candlewave.services.monitor.alerts import Alert, AlertBook

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LABELS = {"model_name": "candlewave", "horizon_minutes": "5"}


def finding(holds: bool | None, value: float = 1.0, **labels: str) -> Finding:
    return Finding("coverage", "warning", {**LABELS, **labels}, holds, value)


def step(book: AlertBook, minute: int, *findings: Finding) -> list[tuple[str, float]]:
    changes = book.judge(findings, NOW + timedelta(minutes=minute))
    book.accept(changes)
    return [(change.status, change.value) for change in changes]


def test_a_condition_that_lasts_is_one_alert_and_ends_after_a_while() -> None:
    book = AlertBook(resolve_after=2)
    assert step(book, 0, finding(True, 0.5)) == [("firing", 0.5)]
    assert step(book, 1, finding(True, 0.4)) == []
    assert [(a.value, a.began_at) for a in book.firing] == [(0.4, NOW)]
    assert step(book, 2, finding(False, 0.8)) == []
    assert step(book, 3, finding(True, 0.5)) == []
    assert step(book, 4, finding(False, 0.8)) == []
    assert step(book, 5, finding(False, 0.8)) == [("resolved", 0.8)]
    assert step(book, 6, finding(False, 0.8)) == []
    assert book.firing == []


def test_too_little_evidence_neither_raises_nor_ends() -> None:
    book = AlertBook(resolve_after=1)
    assert step(book, 0, finding(None)) == []
    assert step(book, 1, finding(True)) == [("firing", 1.0)]
    assert step(book, 2, finding(None)) == []
    assert len(book.firing) == 1


def test_a_subject_that_is_gone_ends() -> None:
    book = AlertBook(resolve_after=1)
    step(book, 0, finding(True, model_version="3"))
    assert step(book, 1, finding(False, model_version="4")) == [("resolved", 1.0)]


def test_what_could_not_be_stored_is_proposed_again() -> None:
    book = AlertBook(resolve_after=1)
    assert len(book.judge([finding(True)], NOW)) == 1
    assert len(book.judge([finding(True)], NOW)) == 1
    book.accept(book.judge([finding(True)], NOW))
    assert book.judge([finding(True)], NOW) == []
    assert [c.status for c in book.judge([finding(False)], NOW)] == ["resolved"]
    assert [c.status for c in book.judge([finding(False)], NOW)] == ["resolved"]


def test_an_alert_from_before_the_restart_is_not_raised_again() -> None:
    earlier = NOW - timedelta(hours=1)
    old = Alert(fingerprint("coverage", LABELS), "coverage", "warning", LABELS, 0.5, "firing", earlier, earlier)
    book = AlertBook(1, [old])
    assert step(book, 0, finding(True, 0.6)) == []
    assert book.firing[0].began_at == earlier
    assert step(book, 1, finding(False, 0.8)) == [("resolved", 0.8)]


def test_the_fingerprint_is_of_rule_and_labels_in_any_order() -> None:
    assert fingerprint("a", {"x": "1", "y": "2"}) == fingerprint("a", {"y": "2", "x": "1"})
    assert len({fingerprint("a", {"x": "1"}), fingerprint("b", {"x": "1"}), fingerprint("a", {"x": "2"})}) == 3
