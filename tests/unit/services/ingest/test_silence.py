"""Symbols that fall silent: when they are polled, when they are subscribed to again, and what is said about them."""

from datetime import UTC, datetime, timedelta

from candlewave.services.ingest.live.silence import Silence

A, B = "A/USD", "B/USD"
T0 = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def watched() -> Silence:
    silence = Silence(timedelta(seconds=60), timedelta(seconds=5), timedelta(seconds=300))
    for symbol in (A, B):
        silence.connected(symbol, at(0))
    return silence


def test_a_symbol_without_evidence_is_subscribed_to_again_ever_more_rarely() -> None:
    silence = watched()
    tried = []
    for second in range(1_000):
        silence.evidence(B, at(second))
        for symbol in silence.to_subscribe(at(second)):
            silence.subscribed(symbol, at(second))
            tried.append((symbol, second))
    assert tried == [(A, 60), (A, 120), (A, 240), (A, 480), (A, 780)]
    assert silence.silent(at(1_000)) == {A: "nothing heard for 1000 s, subscribed again 5 times"}
    assert silence.unheard(at(1_000)) == {A}


def test_an_answer_to_the_subscription_does_not_make_pauses_short_again() -> None:
    silence = watched()
    silence.to_subscribe(at(60))
    silence.evidence(A, at(61))
    silence.evidence(B, at(400))
    assert silence.silent(at(62)) == {}
    assert silence.to_subscribe(at(121)) == [A]
    silence.evidence(A, at(122))
    assert silence.to_subscribe(at(200)) == [], "120 s after the second time, not 60"
    silence.heard(A, at(245))
    assert silence.to_subscribe(at(305)) == [A]


def test_a_symbol_that_misses_trades_is_silent_though_polls_bring_them() -> None:
    silence = watched()
    silence.polled(A, at(30), missed=True)
    assert silence.silent(at(31)) == {A: "its subscription misses trades, which come over REST"}
    assert silence.missing() == [A]
    assert silence.unheard(at(31)) == set()
    assert silence.to_subscribe(at(31)) == [A]
    assert next(second for second in range(31, 50) if silence.may_poll(A, at(second))) == 35
    silence.polled(A, at(40), missed=False)
    assert silence.silent(at(41)), "one page with nothing new does not show that the subscription works"
    silence.heard(A, at(42))
    assert silence.silent(at(43)) == {}


def test_polls_that_fail_become_rare_and_say_why() -> None:
    silence = watched()
    tried = []
    for second in range(600):
        if silence.may_poll(A, at(second)):
            tried.append(second)
            silence.poll_failed(A, at(second), "RequestTimeout: kraken")
    assert tried == [0, 5, 15, 35, 75, 155, 315]
    assert silence.silent(at(600))[A] == "nothing heard for 600 s, REST: RequestTimeout: kraken"
    silence.polled(A, at(600), missed=False)
    assert silence.may_poll(A, at(600))
    assert A not in silence.silent(at(601))


def test_only_trades_after_the_subscription_should_have_come() -> None:
    silence = watched()
    silence.subscribed(A, at(100))
    assert not silence.should_have_come(A, at(104))
    assert silence.should_have_come(A, at(106))
    silence.remove(A)
    assert not silence.should_have_come(A, at(106))
    assert not silence.may_poll(A, at(200))
