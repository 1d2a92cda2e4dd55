"""Alerts as messages."""

from typing import cast

import msgspec

from candlewave.bus.messages import MalformedMessageError, Time, encode
from candlewave.bus.protocol import Message
from candlewave.services.monitor.alerts import Alert, Severity, Status


class AlertRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``alerts``."""

    fingerprint: str
    rule: str
    severity: str
    labels: dict[str, str]
    value: float
    status: str
    occurred_at: Time


_decoder = msgspec.json.Decoder(AlertRecord)


def alert_message(alert: Alert) -> Message:
    """Return the message of topic ``alerts``."""
    record = AlertRecord(
        alert.fingerprint,
        alert.rule,
        alert.severity,
        dict(alert.labels),
        alert.value,
        alert.status,
        alert.occurred_at,
    )
    return Message(encode(record), alert.fingerprint)


def read_alert(value: bytes | None) -> Alert:
    """Read a record of topic ``alerts``.

    Raises:
        MalformedMessageError: it is none.
    """
    try:
        record = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessageError(str(error)) from None
    return Alert(
        record.fingerprint,
        record.rule,
        cast(Severity, record.severity),
        record.labels,
        record.value,
        cast(Status, record.status),
        record.occurred_at,
        record.occurred_at if record.status == "firing" else None,
    )
