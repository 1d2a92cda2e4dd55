"""Alerts reach receivers that fail, refuse and disappear; a restart forgets nothing."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.worlds.clock import Clock
from tests.worlds.web import Reply, Request, Web

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusError, BusUnavailableError, Message, Received
from candlewave.contracts.records import AlertStatus, DeadLetter, decode
from candlewave.contracts.topics import ALERTS
from candlewave.rules.base import fingerprint
from candlewave.services.monitor.alerts import Alert
from candlewave.services.monitor.delivery import AlertmanagerSender, WebhookRelay, pause
from candlewave.services.monitor.receivers import Poster, alertmanager_url, body_for

RESEND = timedelta(seconds=60)


def alert(status: AlertStatus, at: datetime, horizon: int = 5, began: datetime | None = None) -> Alert:
    labels = {"model_name": "candlewave", "model_version": "3", "horizon_minutes": str(horizon)}
    return Alert(fingerprint("coverage", labels), "coverage", "warning", labels, 0.62, status, at, began or at)


def bodies(web: Web) -> list:
    return [json.loads(request.body) for request in web.requests]


def count(receiver: str, outcome: str) -> float:
    labels = {"receiver": receiver, "outcome": outcome}
    return REGISTRY.get_sample_value("candlewave_monitor_notifications_total", labels) or 0.0


class TestAlertmanager:
    @pytest.fixture
    def sender(self, web: Web, clock: Clock) -> Iterator[AlertmanagerSender]:
        web.reply("/am/api/v2/alerts", Reply())
        poster = Poster("alertmanager", alertmanager_url(web.url("/am/")), 5.0)
        yield AlertmanagerSender(poster, RESEND, clock)
        poster.close()

    def test_an_alert_is_sent_at_once_again_at_each_interval_and_its_end_once(
        self, web: Web, clock: Clock, sender: AlertmanagerSender
    ) -> None:
        begun = clock.now
        sender.step()
        assert web.requests == []
        firing = alert("firing", begun)
        sender.update([firing], [firing])
        sender.step()
        sender.step()
        clock.advance(seconds=60)
        sender.step()
        assert [[a["endsAt"] for a in body] for body in bodies(web)] == [
            ["2026-05-04T12:04:00.000000Z"],
            ["2026-05-04T12:05:00.000000Z"],
        ]
        clock.advance(seconds=1)
        sender.update([], [alert("resolved", clock.now, began=begun)])
        sender.step()
        clock.advance(seconds=60)
        sender.step()
        assert len(web.requests) == 3
        (last,) = bodies(web)[-1]
        assert last == {
            "labels": {
                "alertname": "coverage",
                "severity": "warning",
                "service": "candlewave",
                "model_name": "candlewave",
                "model_version": "3",
                "horizon_minutes": "5",
            },
            "annotations": {
                "summary": "candlewave 3, 5 min ahead: the 80 % interval held 62.0% of the outcomes",
                "value": "0.62",
                "description": "See docs/monitoring.md, section coverage.",
                "runbook_url": "docs/runbooks/coverage.md",
            },
            "startsAt": "2026-05-04T12:00:00.000000Z",
            "endsAt": "2026-05-04T12:01:01.000000Z",
        }

    def test_failures_are_counted_and_retried_with_growing_pauses_until_all_is_told(
        self, web: Web, clock: Clock, sender: AlertmanagerSender
    ) -> None:
        failed, delivered = count("alertmanager", "failed"), count("alertmanager", "delivered")
        web.reply("/am/api/v2/alerts", Reply(503), Reply(503), Reply(503), Reply())
        ended = alert("resolved", clock.now)
        other = alert("firing", clock.now, horizon=15)
        sender.update([other], [other, ended])
        attempts = []
        for _ in range(10):
            sender.step()
            attempts.append(len(web.requests))
            clock.advance(seconds=1)
        assert attempts == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4]  # at 0, 1, 3 and 7 s
        assert {a["labels"]["horizon_minutes"] for a in bodies(web)[-1]} == {"5", "15"}
        assert count("alertmanager", "failed") - failed == 3
        assert count("alertmanager", "delivered") - delivered == 1

    def test_an_alert_that_begins_again_before_its_end_was_told_is_told_as_firing(
        self, web: Web, clock: Clock, sender: AlertmanagerSender
    ) -> None:
        web.reply("/am/api/v2/alerts", Reply(500), Reply())
        sender.update([], [alert("resolved", clock.now)])
        sender.step()
        clock.advance(seconds=1)
        again = alert("firing", clock.now)
        sender.update([again], [again])
        sender.step()
        (only,) = bodies(web)[-1]
        assert only["endsAt"] > only["startsAt"]

    def test_an_alert_that_is_refused_for_good_does_not_hinder_the_others(
        self, web: Web, clock: Clock, sender: AlertmanagerSender
    ) -> None:
        web.answers["/am/api/v2/alerts"] = _refusing("15", Reply(400))
        changes = [alert("firing", clock.now), alert("resolved", clock.now, horizon=15)]
        sender.update(changes[:1], changes)
        assert sender.step() is True
        clock.advance(seconds=60)
        assert sender.step() is True
        told = [[a["labels"]["horizon_minutes"] for a in body] for body in bodies(web)]
        assert told == [["5", "15"], ["5"], ["15"], ["5"]]

    def test_no_receiver_and_refusals_are_failures_too_and_say_nothing_secret(
        self, web: Web, clock: Clock, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        unreachable, refused = count("gone", "unreachable"), count("strict", "refused")
        web.reply("/hooks/s3cret", Reply(404))
        for name, url in (("gone", "http://127.0.0.1:1/s3cret"), ("strict", web.url("/hooks/s3cret"))):
            sender = AlertmanagerSender(Poster(name, url, 5.0), RESEND, clock)
            sender.update([alert("firing", clock.now)], [])
            assert sender.step() is False
        assert count("gone", "unreachable") - unreachable == 1
        assert count("strict", "refused") - refused == 1
        assert "s3cret" not in capsys.readouterr().out + caplog.text


def _refusing(horizon: str, refusal: Reply) -> Callable[[Request], Reply]:
    return lambda request: refusal if f'"horizon_minutes":"{horizon}"'.encode() in request.body else Reply()


def _told(body: dict[str, Any]) -> list[str]:
    return [a["labels"]["horizon_minutes"] for a in body["alerts"]]


def _letters(bus: PostgresBus, group: str) -> list[DeadLetter]:
    with bus.subscribe(group, ["alerts.dlq"]) as subscription:
        return [decode(DeadLetter, message.value) for message in subscription.poll(timeout=5)]


class TestWebhook:
    def relay(self, bus: PostgresBus, web: Web, clock: Clock, form: str = "json") -> WebhookRelay:
        url = web.url("/hook")
        return WebhookRelay(
            bus,
            Poster("webhook", url, 5.0),
            lambda alerts: body_for(form, url, alerts),  # type: ignore[arg-type]
            timedelta(hours=24),
            clock,
        )

    def test_each_change_is_posted_once_in_order_across_a_restart(
        self, bus: PostgresBus, web: Web, clock: Clock
    ) -> None:
        web.reply("/hook", Reply(204))
        bus.publish("alerts", [to_message(alert("firing", clock.now).record())])
        first = self.relay(bus, web, clock)
        first.step()
        first.close()
        bus.publish("alerts", [to_message(alert("resolved", clock.now).record())])
        second = self.relay(bus, web, clock)
        second.step()
        second.step(0.0)
        second.close()
        assert [(b["version"], b["status"], [a["status"] for a in b["alerts"]]) for b in bodies(web)] == [
            ("4", "firing", ["firing"]),
            ("4", "resolved", ["resolved"]),
        ]

    def test_the_form_is_that_of_alertmanagers_own_webhooks(self, bus: PostgresBus, web: Web, clock: Clock) -> None:
        """Field by field as Alertmanager 0.25 sent an alert of ours, but for its addresses and keys of groups."""
        web.reply("/hook", Reply())
        ended = alert("resolved", clock.now, horizon=60, began=clock.now - timedelta(minutes=1))
        bus.publish("alerts", [to_message(alert("firing", clock.now).record()), to_message(ended.record())])
        relay = self.relay(bus, web, clock)
        relay.step()
        relay.close()
        (body,) = bodies(web)
        told = {a["labels"]["horizon_minutes"]: a for a in body.pop("alerts")}
        assert body == {
            "version": "4",
            "groupKey": "candlewave",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "candlewave",
            "groupLabels": {},
            "commonLabels": {
                "alertname": "coverage",
                "severity": "warning",
                "service": "candlewave",
                "model_name": "candlewave",
                "model_version": "3",
            },
            "commonAnnotations": {
                "value": "0.62",
                "description": "See docs/monitoring.md, section coverage.",
                "runbook_url": "docs/runbooks/coverage.md",
            },
            "externalURL": "",
        }
        assert {h: (a["status"], a["endsAt"], a["generatorURL"]) for h, a in told.items()} == {
            "5": ("firing", "0001-01-01T00:00:00Z", ""),
            "60": ("resolved", "2026-05-04T12:00:00.000000Z", ""),
        }

    def test_what_was_not_taken_is_offered_again_also_after_a_restart(
        self, bus: PostgresBus, web: Web, clock: Clock
    ) -> None:
        web.reply("/hook", Reply(500), Reply(500), Reply(500), Reply())
        bus.publish("alerts", [to_message(alert("firing", clock.now).record())])
        relay = self.relay(bus, web, clock)
        assert [relay.step(), relay.step()] == [pause(1), pause(2)]
        relay.close()
        bus.publish("alerts", [to_message(alert("resolved", clock.now).record())])
        relay = self.relay(bus, web, clock)
        assert relay.step() == pause(1)
        assert relay.step() == 0.0
        assert relay.step(0.0) == 0.0
        relay.close()
        assert len(web.requests) == 4
        assert [a["status"] for a in bodies(web)[-1]["alerts"]] == ["firing", "resolved"]

    def test_old_and_malformed_messages_are_counted_and_passed_over(
        self, bus: PostgresBus, web: Web, clock: Clock
    ) -> None:
        web.reply("/hook", Reply())
        before = count("webhook", "expired"), count("webhook", "malformed")
        bus.publish(
            "alerts",
            [
                to_message(alert("firing", clock.now - timedelta(hours=25)).record()),
                Message(b"{}", "x"),
                to_message(alert("firing", clock.now, horizon=60).record()),
            ],
        )
        relay = self.relay(bus, web, clock)
        relay.step()
        relay.close()
        assert [a["labels"]["horizon_minutes"] for a in bodies(web)[0]["alerts"]] == ["60"]
        assert count("webhook", "expired") - before[0] == 1
        assert count("webhook", "malformed") - before[1] == 1
        assert sum(bus.lag("model-error-monitor.webhook", [ALERTS.name]).values()) == 0

    def test_an_alert_that_is_refused_for_good_does_not_block_those_behind_it(
        self, bus: PostgresBus, web: Web, clock: Clock
    ) -> None:
        """Whatever the refusal is called: the webhook takes others."""
        for status in (400, 403, 413):
            web.requests.clear()
            dropped = count("webhook", "dropped")
            web.answers["/hook"] = _refusing("15", Reply(status))
            bus.publish("alerts", [to_message(alert("firing", clock.now, horizon=h).record()) for h in (5, 15, 60)])
            relay = self.relay(bus, web, clock)
            assert relay.step() == 0.0
            assert relay.step(0.0) == 0.0
            relay.close()
            assert [_told(body) for body in bodies(web)] == [["5", "15", "60"], ["5"], ["15"], ["60"]]
            assert count("webhook", "dropped") - dropped == 1
            (letter,) = _letters(bus, f"test-{status}")[-1:]
            assert letter.reason == f"webhook at 127.0.0.1 answered {status}"
            assert b'"horizon_minutes":"15"' in base64.b64decode(letter.payload_base64)

    def test_a_single_alert_that_is_refused_for_its_content_is_dropped_at_once(
        self, bus: PostgresBus, web: Web, clock: Clock
    ) -> None:
        web.reply("/hook", Reply(422), Reply())
        bus.publish("alerts", [to_message(alert("firing", clock.now).record())])
        relay = self.relay(bus, web, clock)
        assert relay.step() == 0.0
        bus.publish("alerts", [to_message(alert("resolved", clock.now).record())])
        assert relay.step() == 0.0
        relay.close()
        assert [body["status"] for body in bodies(web)] == ["firing", "resolved"]

    def test_a_webhook_that_refuses_everything_loses_nothing(self, bus: PostgresBus, web: Web, clock: Clock) -> None:
        web.reply("/hook", *[Reply(404)] * 3, Reply())
        bus.publish("alerts", [to_message(alert("firing", clock.now, horizon=h).record()) for h in (5, 15)])
        relay = self.relay(bus, web, clock)
        assert relay.step() == pause(1)
        assert relay.step() == 0.0
        relay.close()
        assert [_told(body) for body in bodies(web)] == [["5", "15"], ["5"], ["15"], ["5", "15"]]

    def test_an_outage_while_alerts_are_posted_singly_repeats_none_of_them(
        self, bus: PostgresBus, web: Web, clock: Clock
    ) -> None:
        web.reply("/hook", Reply(400), Reply(), Reply(503), Reply(400), Reply(400), Reply())
        bus.publish("alerts", [to_message(alert("firing", clock.now, horizon=h).record()) for h in (5, 15, 60)])
        relay = self.relay(bus, web, clock)
        assert relay.step() == pause(1)
        assert relay.step() == 0.0
        relay.close()
        assert [_told(body) for body in bodies(web)] == [["5", "15", "60"], ["5"], ["15"], ["15", "60"], ["15"], ["60"]]

    @pytest.mark.parametrize(
        "broken",
        [
            {"occurred_at": "9999-12-31T23:59:59-23:00"},
            {"occurred_at": "0000-01-01T00:00:00Z"},
            {"value": "much"},
            {"labels": {"a": 1}},
            {"status": "over"},
        ],
    )
    def test_what_is_no_alert_is_rejected_and_its_neighbours_go_on(
        self, bus: PostgresBus, web: Web, clock: Clock, broken: dict[str, Any]
    ) -> None:
        web.reply("/hook", Reply())
        good = to_message(alert("firing", clock.now, horizon=60).record())
        record = json.loads(good.value or b"")
        bus.publish("alerts", [Message(json.dumps(record | broken).encode(), "x"), good])
        relay = self.relay(bus, web, clock)
        assert relay.step() == 0.0
        relay.close()
        assert [_told(body) for body in bodies(web)] == [["60"]]
        (letter,) = _letters(bus, "test")
        assert letter.reason.startswith("not a valid alert")

    def test_the_relay_goes_on_after_any_error_of_the_bus(
        self, bus: PostgresBus, web: Web, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("candlewave.services.monitor.delivery._FIRST_PAUSE", 0.0)
        stop = threading.Event()

        def answer(_: Request) -> Reply:
            stop.set()
            return Reply()

        web.answers["/hook"] = answer
        bus.publish("alerts", [to_message(alert("firing", clock.now).record())])
        relay = self.relay(bus, web, clock)
        troubles: list[BusError] = [BusUnavailableError("gone"), BusError("the topic was deleted")]
        poll = relay._subscription.poll

        def failing(*arguments: Any) -> list[Received]:
            if troubles:
                raise troubles.pop(0)
            return poll(*arguments)

        monkeypatch.setattr(relay._subscription, "poll", failing)
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        thread.join(10)
        stop.set()
        assert [[a["status"] for a in body["alerts"]] for body in bodies(web)] == [["firing"]]

    def test_slack_gets_a_text(self, bus: PostgresBus, web: Web, clock: Clock) -> None:
        web.reply("/hook", Reply(body=b"ok"))
        bus.publish("alerts", [to_message(alert("firing", clock.now).record())])
        relay = self.relay(bus, web, clock, "slack")
        relay.step()
        relay.close()
        assert bodies(web) == [
            {
                "text": "*FIRING* [warning] `coverage` candlewave 3, 5 min ahead: the 80 % interval held 62.0% of the"
                " outcomes"
            }
        ]


def test_the_form_follows_the_host_and_text_is_escaped() -> None:
    now = datetime.fromisoformat("2026-05-04T12:00:00Z")
    strange = Alert("x", "odd<rule", "info", {"exchange": "<!channel>"}, 1.0, "firing", now, now)
    slack = body_for("auto", "https://hooks.slack.com/services/T/B/X", [strange] * 40)
    assert "<!channel>" not in slack["text"]
    assert slack["text"].endswith("and 10 more")
    assert body_for("auto", "https://example.com/hooks.slack.com", [strange])["version"] == "4"
