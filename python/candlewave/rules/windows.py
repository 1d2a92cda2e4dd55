"""Judging hours in a row of the errors of a model version at a horizon, over all markets together."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from candlewave.core.times import MINUTE
from candlewave.rules.base import Finding
from candlewave.rules.readings import ErrorRow, Readings, Subject

_HOUR = timedelta(hours=1)


def by_subject(readings: Readings) -> dict[Subject, list[ErrorRow]]:
    """Return the rows of each subject that is served; none for one without errors."""
    rows: dict[Subject, list[ErrorRow]] = {subject: [] for subject in sorted(readings.served)}
    for row in readings.errors:
        if row.subject in rows:
            rows[row.subject].append(row)
    return rows


def last_hours(readings: Readings, rows: Iterable[ErrorRow], windows: int) -> list[list[ErrorRow]]:
    """Return the rows of the last complete hours, oldest hour first; an hour without forecasts is an empty list."""
    by_hour: dict[datetime, list[ErrorRow]] = defaultdict(list)
    for row in rows:
        # Hours are of feature times: the last forecast of an hour is judged a horizon after the hour's end.
        if row.span == "1h" and row.hour + _HOUR + row.subject.horizon_minutes * MINUTE <= readings.closed_until:
            by_hour[row.hour].append(row)
    if not by_hour:
        return []
    last = max(by_hour)
    return [by_hour.get(last - back * _HOUR, []) for back in range(windows - 1, -1, -1)]


def newest(rows: Iterable[ErrorRow], span: str) -> dict[str, ErrorRow]:
    """Return the newest row of each market over a span."""
    found: dict[str, ErrorRow] = {}
    for row in rows:
        if row.span == span and (row.market not in found or found[row.market].hour < row.hour):
            found[row.market] = row
    return found


def mean(pairs: Iterable[tuple[float | None, int]]) -> tuple[float | None, int]:
    """Return the weighted mean of what is known, and the weight behind it."""
    total, weight = 0.0, 0
    for value, count in pairs:
        if value is not None:
            total += value * count
            weight += count
    return (total / weight, weight) if weight else (None, 0)


def in_a_row(
    finding: Finding,
    values: Sequence[float | None],
    bad: Callable[[float], bool],
    evidence: Mapping[str, object],
) -> Finding:
    """Decide by windows in a row: bad when all are, well when one is not, unknown when a window is missing."""
    known = [value for value in values if value is not None]
    if not known:
        return finding
    if any(not bad(value) for value in known):
        return finding.decided(False, known[-1], evidence)
    return finding.decided(True if len(known) == len(values) else None, known[-1], evidence)
