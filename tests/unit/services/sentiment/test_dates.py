"""Publication times: what can be read with certainty is read, everything else is unknown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.services.sentiment.dates import parse_time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Sun, 29 Nov 2026 08:57:00 GMT", "2026-11-29T08:57Z"),
        ("Sun, 29 Nov 2026 08:57:00 CEST", "2026-11-29T06:57Z"),
        ("Sun, 29 Nov 2026 08:57:00 -07:00", "2026-11-29T15:57Z"),
        ("Sun, 29 Nov 2026 08:57:00 +0530", "2026-11-29T03:27Z"),
        ("Sun, 29 Nov 2026 08:57:00 JST", "2026-11-28T23:57Z"),
        ("Sun, 29 Nov 2026 08:57:00 PDT", "2026-11-29T15:57Z"),
        ("Sun, 29 Nov 2026 08:57:00 GMT+2", "2026-11-29T06:57Z"),
        ("Sun, 29 Nov 2026 08:57:00 UTC-3", "2026-11-29T11:57Z"),
        ("29 Nov 26 08:57 GMT", "2026-11-29T08:57Z"),
        ("2026-11-29T10:00:00Z", "2026-11-29T10:00Z"),
        ("2026-11-29 10:00:00 +0200", "2026-11-29T08:00Z"),
        ("2026-11-29", "2026-11-29T00:00Z"),
        ("2026/11/05 10:00", "2026-11-05T10:00Z"),
        ("20231219", "2023-12-19T00:00Z"),
        ("12/19/2023 05:10", "2023-12-19T05:10Z"),
        ("19.12.2023", "2023-12-19T00:00Z"),
        ("May 4, 2026 at 3:30 PM EST", "2026-05-04T20:30Z"),
        ("1702962600", "2023-12-19T05:10Z"),
        ("1702962600000", "2023-12-19T05:10Z"),
        (1702962600, "2023-12-19T05:10Z"),
        (1702962600.5, "2023-12-19T05:10:00.5Z"),
    ],
)
def test_a_certain_time_is_read(text: object, time: str) -> None:
    assert parse_time(text) == datetime.fromisoformat(time)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        True,
        "yesterday",
        "Sunday",
        "12:30",
        "Nov 2026",
        "2026",
        "10",
        "Bitcoin 12",
        "05/06/2023",
        "05.06.2023",
        "Sun, 29 Nov 2026 08:57:00 IST",  # India, Israel or Ireland
        "Sun, 29 Nov 2026 08:57:00 XYZ",
        "30 Apr 20150430085700123456 08:57 GMT",
        "2026-13-40",
        "99999999999999999999",
        float("nan"),
        "1" * 5_000,
        {"year": 2026},
    ],
)
def test_an_uncertain_time_is_unknown(text: object) -> None:
    assert parse_time(text) is None


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2069, 1, 1)), st.integers(-11, 13))
def test_rfc_2822_is_read_in_every_zone(local: datetime, hours: int) -> None:
    local = local.replace(microsecond=0)
    text = f"{local:%a, %d %b %Y %H:%M:%S} {hours:+03}00"
    assert parse_time(text) == local.replace(tzinfo=UTC) - timedelta(hours=hours)


@given(st.text(max_size=60) | st.from_regex(r"[0-9/.: -]{4,25}", fullmatch=True))
def test_no_text_fails_or_means_now(text: str) -> None:
    when = parse_time(text)
    assert when is None or abs(when - datetime.now(UTC)) > timedelta(seconds=5)
