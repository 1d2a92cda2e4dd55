"""HTTP requests that carry alerts: Alertmanager's v2 API, a webhook in Alertmanager's form, a Slack-compatible one."""

import html
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from candlewave import __version__
from candlewave.core.errors import CandlewaveError
from candlewave.core.times import format_time
from candlewave.rules import DOCUMENTATION, RUNBOOKS, summary
from candlewave.services.monitor import metrics
from candlewave.services.monitor.alerts import Alert

MISSED_RESENDS = 4
"""An alert that was not repeated for so many intervals ends by itself in Alertmanager."""

_NOT_ENDED = "0001-01-01T00:00:00Z"
"""What Alertmanager itself writes for an end that is not known."""

_ABOUT_ADDRESS = frozenset({401, 403, 404, 405, 407, 410})
"""Refusals of whatever is sent: a wrong address or key, or a hook that was removed."""

_SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
_MAX_LINES = 30


class DeliveryError(CandlewaveError):
    """The receiver did not take the alerts; try again later.

    Attributes:
        outcome: ``unreachable`` without an answer, ``refused`` by one that will not change by itself, else ``failed``.
        about_content: True for a refusal that is about what was sent, not about the address or the key.
    """

    def __init__(
        self, outcome: Literal["unreachable", "refused", "failed"], text: str, *, about_content: bool = False
    ) -> None:
        super().__init__(text)
        self.outcome = outcome
        self.about_content = about_content


class Poster:
    """Post JSON to one address. Addresses never reach logs or errors: they may be secrets.

    Args:
        name: of the receiver, for metrics.
        url: http or https, with user and password if need be.
        timeout: seconds for connecting and for each wait.
    """

    def __init__(self, name: str, url: str, timeout: float) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log whole addresses
        self.name = name
        self._url = url
        self._where = f"{name} at {urlsplit(url).hostname}"
        self._client = httpx.Client(
            timeout=timeout, headers={"User-Agent": f"candlewave/{__version__}"}, follow_redirects=False
        )

    def post(self, body: object) -> None:
        """Post a body; count the outcome.

        Raises:
            DeliveryError: no answer, or one other than 2xx.
        """
        try:
            self._post(body)
        except DeliveryError as error:
            metrics.NOTIFICATIONS.labels(self.name, error.outcome).inc()
            raise
        metrics.NOTIFICATIONS.labels(self.name, "delivered").inc()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, body: object) -> None:
        try:
            with self._client.stream("POST", self._url, json=body) as answer:
                status = answer.status_code
        except httpx.HTTPError as error:
            raise DeliveryError("unreachable", f"{self._where}: {type(error).__name__}") from None
        if not 200 <= status < 300:
            temporary = status >= 500 or status in {408, 425, 429}
            about_content = 400 <= status < 500 and not temporary and status not in _ABOUT_ADDRESS
            text = f"{self._where} answered {status}"
            raise DeliveryError("failed" if temporary else "refused", text, about_content=about_content)


def alertmanager_url(base: str) -> str:
    """Return the address that takes alerts, for the base address of an Alertmanager."""
    return base.rstrip("/") + "/api/v2/alerts"


def alertmanager_body(alerts: Sequence[Alert], now: datetime, resend: timedelta) -> list[dict[str, Any]]:
    """Return what Alertmanager's ``POST /api/v2/alerts`` takes.

    A firing alert ends by itself after :data:`MISSED_RESENDS` intervals without a repetition: if the monitor is gone,
    its alerts expire.
    """
    return [
        {
            **_common(alert),
            "endsAt": format_time(alert.occurred_at if alert.status == "resolved" else now + MISSED_RESENDS * resend),
        }
        for alert in alerts
    ]


def webhook_body(alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the form of Alertmanager's webhooks, version 4, with every field: receivers made for those take it.

    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """
    told = [
        {
            "status": alert.status,
            **_common(alert),
            "endsAt": format_time(alert.occurred_at) if alert.status == "resolved" else _NOT_ENDED,
            "generatorURL": "",
            "fingerprint": alert.fingerprint,
        }
        for alert in alerts
    ]
    return {
        "version": "4",
        "groupKey": "candlewave",
        "truncatedAlerts": 0,
        "status": "firing" if any(alert.status == "firing" for alert in alerts) else "resolved",
        "receiver": "candlewave",
        "groupLabels": {},
        "commonLabels": _shared([alert["labels"] for alert in told]),
        "commonAnnotations": _shared([alert["annotations"] for alert in told]),
        "externalURL": "",
        "alerts": told,
    }


def slack_body(alerts: Sequence[Alert]) -> dict[str, str]:
    """Return what Slack's incoming webhooks take, and those of Mattermost, Rocket.Chat and Discord's ``/slack``."""
    lines = [
        f"*{alert.status.upper()}* [{alert.severity}] `{alert.rule}` "
        + html.escape(summary(alert.rule, alert.labels, alert.value), quote=False)
        for alert in alerts[:_MAX_LINES]
    ]
    if len(alerts) > _MAX_LINES:
        lines.append(f"and {len(alerts) - _MAX_LINES} more")
    return {"text": "\n".join(lines)}


def body_for(form: Literal["auto", "json", "slack"], url: str, alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the body in the form asked for, or in the one that the host of the address suggests."""
    slack = form == "slack" or (form == "auto" and urlsplit(url).hostname in _SLACK_HOSTS)
    return slack_body(alerts) if slack else webhook_body(alerts)


def _shared(parts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what all have alike."""
    return dict(set.intersection(*(set(part.items()) for part in parts))) if parts else {}


def _common(alert: Alert) -> dict[str, Any]:
    return {
        "labels": {
            **alert.labels,
            "alertname": alert.rule,
            "severity": alert.severity,
            "service": "candlewave",
        },
        "annotations": {
            "summary": summary(alert.rule, alert.labels, alert.value),
            "value": f"{alert.value:.6g}",
            "description": f"See {DOCUMENTATION}, section {alert.rule}.",
            "runbook_url": f"{RUNBOOKS}/{alert.rule}.md",
        },
        "startsAt": format_time(alert.began_at or alert.occurred_at),
    }
