"""Times in UTC: now, whole minutes, text, and microseconds since 1970."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def floor_to_minute(moment: datetime) -> datetime:
    """Return the start of the minute that holds ``moment``, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970.

    Raises:
        ValueError: ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_us(microseconds: int) -> datetime:
    """Return the UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def format_time(moment: datetime) -> str:
    """Return ISO-8601 in UTC with six decimals and ``Z``.

    Raises:
        ValueError: ``moment`` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
