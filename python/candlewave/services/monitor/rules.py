"""The rules: what was read from the views becomes verdicts. No clock, no connection, no state.

Error, skill and coverage are judged per model version and horizon over all markets together, drift over all features,
age per exchange: a thousand markets in trouble are a handful of alerts, and a hundred tests a minute do not raise false
ones. The evidence names the worst markets.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from candlewave.core.config import MonitorConfig
from candlewave.ml.baseline import BASELINE
from candlewave.services.monitor.alerts import Verdict
from candlewave.services.monitor.statistics import coverage_interval

NOMINAL_COVERAGE = 0.8
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_SHOWN = 5


class Subject(NamedTuple):
    """A model version at one horizon."""

    model_name: str
    model_version: str
    horizon_minutes: int

    @property
    def is_trained(self) -> bool:
        """Whether a training could change it: the baseline is the same after each."""
        return self.model_name != BASELINE

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its alerts."""
        return {name: str(value) for name, value in self._asdict().items()}


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A row of ``model_error``; ``skill`` and ``interval_skill`` are None where they are not defined."""

    exchange: str
    symbol: str
    subject: Subject
    span: str
    hour: datetime
    forecasts: int
    mae: float
    bias: float
    coverage: float
    skill: float | None
    interval_skill: float | None

    @property
    def market(self) -> str:
        """The market in text."""
        return f"{self.exchange} {self.symbol}"


@dataclass(frozen=True, slots=True)
class Hits:
    """How often intervals held, minute by minute, over all markets; for one subject.

    Attributes:
        minutes: feature times, as whole minutes since 1970, ascending.
        hits: share of the minute's forecasts whose interval held.
        counts: forecasts of that minute.
    """

    minutes: Sequence[int]
    hits: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class DriftRow:
    """How far a feature is from its training in the day that ends with an hour.

    Attributes:
        psi: mean of all markets.
        worst: largest of all markets.
    """

    model_version: str
    feature: str
    hour: datetime
    psi: float
    worst: float


@dataclass(frozen=True, slots=True)
class MarketAge:
    """How far a market has come.

    Attributes:
        due: open time of its newest candle that its feed has passed by the grace.
        forecast: feature time of its newest forecast, None when there is none.
    """

    exchange: str
    symbol: str
    due: datetime
    forecast: datetime | None


@dataclass(frozen=True)
class Readings:
    """What the views say at one moment.

    Attributes:
        now: wall clock, UTC.
        closed_until: the markets' clock: candles are closed up to there.
        champion: the champion's name and version, None while the baseline alone is served.
        champion_since: when it was promoted.
        served: the subjects that users see, baselines too.
        errors: rows of the hours that the rules look at.
        hits: coverage by subject.
        drift: rows of the champion's last hours.
        judged, amended: forecasts of the last day with an outcome, and those whose inputs were amended.
        markets: those that should be forecast.
    """

    now: datetime
    closed_until: datetime
    champion: tuple[str, str] | None = None
    champion_since: datetime | None = None
    served: frozenset[Subject] = frozenset()
    errors: Sequence[ErrorRow] = ()
    hits: Mapping[Subject, Hits] = field(default_factory=dict)
    drift: Sequence[DriftRow] = ()
    judged: int = 0
    amended: int = 0
    markets: Sequence[MarketAge] = ()


Rule = Callable[[Readings, MonitorConfig], Iterable[Verdict]]


def model_error(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Compare the error of each of the last hours with that of the last seven days, market by market."""
    for subject, rows in _by_subject(readings).items():
        usual = _newest(rows, "7d")
        hours = _last_hours(readings, rows, config.error_windows)
        ratios = [
            _mean((row.mae / usual[row.market].mae, row.forecasts) for row in hour if _has_error(usual, row))
            for hour in hours
        ]
        yield _windows(
            Verdict("model-error", "warning", subject.labels, None, 0.0, training=subject.is_trained),
            [None if ratio is None or n < config.min_forecasts else ratio for ratio, n in ratios],
            lambda ratio: ratio > config.error_ratio,
            {
                "ratio_by_hour": [ratio for ratio, _ in ratios],
                "threshold": config.error_ratio,
                "worst_markets": _worst(
                    (row.market, row.mae / usual[row.market].mae)
                    for row in (hours[-1] if hours else ())
                    if _has_error(usual, row)
                ),
            },
        )


def point_skill(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice a median that is worse than the last price for hours, and by more than noise."""
    yield from _skill(readings, config, "point-skill", lambda row: row.skill, -config.skill_margin)


def interval_skill(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice quantiles that are worse than the baseline's for hours."""
    yield from _skill(readings, config, "interval-skill", lambda row: row.interval_skill, 0.0)


def coverage(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice an 80 % interval that does not hold 80 %, when chance in dependent data does not explain it."""
    for subject in sorted(readings.served):
        hits = readings.hits.get(subject, Hits((), (), ()))
        batch = max(30, 2 * subject.horizon_minutes)
        found = coverage_interval(hits.minutes, hits.hits, hits.counts, batch)
        blank = Verdict("coverage", "warning", subject.labels, None, 0.0, training=subject.is_trained)
        if found is None or sum(hits.counts) < config.min_forecasts:
            yield blank
            continue
        yield _decided(
            blank,
            not found.low <= NOMINAL_COVERAGE <= found.high,
            found.mean,
            {
                "nominal": NOMINAL_COVERAGE,
                "interval_99": [found.low, found.high],
                "batches": found.batches,
                "batch_minutes": batch,
                "forecasts": sum(hits.counts),
                "worst_markets": _worst(
                    (row.market, abs(row.coverage - NOMINAL_COVERAGE))
                    for row in _newest([row for row in readings.errors if row.subject == subject], "24h").values()
                ),
            },
        )


def feature_drift(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice a market that is unlike the one the champion was trained on: half of its important features, for hours.

    A single one says little: in a day a slow feature, such as the volatility of sixty hours, visits one or two of its
    ten buckets, and its index is above any threshold on most days.
    """
    if readings.champion is None:
        return
    by_hour: dict[datetime, dict[str, float]] = defaultdict(dict)
    for row in readings.drift:
        if row.model_version == readings.champion[1]:
            by_hour[row.hour][row.feature] = row.psi
    last = [by_hour[hour] for hour in sorted(by_hour)][-config.psi_windows :]
    medians = [median(found.values()) for found in last]
    yield _windows(
        Verdict(
            "feature-drift",
            "warning",
            {"model_name": readings.champion[0], "model_version": readings.champion[1]},
            None,
            0.0,
            training=True,
        ),
        medians if len(last) == config.psi_windows else [None, *medians],
        lambda psi: psi > config.psi,
        {
            "median_psi_by_hour": medians,
            "threshold": config.psi,
            "features": len(last[-1]) if last else 0,
            "worst_features": _worst(last[-1].items()) if last else {},
        },
    )


def stale_model(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice a champion that nobody has replaced or confirmed for long."""
    if readings.champion is None:
        return
    blank = Verdict(
        "stale-model",
        "warning",
        {"model_name": readings.champion[0], "model_version": readings.champion[1]},
        None,
        0.0,
        training=True,
    )
    if readings.champion_since is None:
        yield blank
        return
    hours = (readings.now - readings.champion_since) / _HOUR
    yield _decided(
        blank,
        hours > config.max_model_age_hours,
        hours,
        {"promoted_at": readings.champion_since.isoformat(), "threshold_hours": config.max_model_age_hours},
    )


def stale_features(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice markets whose feed brings no new candle."""
    yield from _ages(
        readings,
        config,
        Verdict("stale-features", "critical", {}, None, 0.0),
        lambda market: (readings.now - market.due).total_seconds() - 60,
    )


def stale_forecasts(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice markets that have new candles and no forecasts from them: the predictor's trouble, not the feed's."""
    yield from _ages(
        readings,
        config,
        Verdict("stale-forecasts", "critical", {}, None, 0.0),
        lambda market: None if market.forecast is None else (market.due - market.forecast).total_seconds(),
    )


def amended_inputs(readings: Readings, config: MonitorConfig) -> Iterable[Verdict]:
    """Notice forecasts that rested on data which late trades changed afterwards."""
    blank = Verdict("amended-inputs", "warning", {}, None, 0.0)
    if readings.judged < config.min_forecasts:
        yield blank
        return
    share = readings.amended / readings.judged
    yield _decided(
        blank,
        share > config.amended_share,
        share,
        {"forecasts": readings.judged, "amended": readings.amended, "threshold": config.amended_share},
    )


RULES: tuple[Rule, ...] = (
    model_error,
    point_skill,
    interval_skill,
    coverage,
    feature_drift,
    stale_model,
    stale_features,
    stale_forecasts,
    amended_inputs,
)


def judge(readings: Readings, config: MonitorConfig) -> list[Verdict]:
    """Ask every rule."""
    return [verdict for rule in RULES for verdict in rule(readings, config)]


def _skill(
    readings: Readings,
    config: MonitorConfig,
    rule: str,
    figure: Callable[[ErrorRow], float | None],
    max_average: float,
) -> Iterable[Verdict]:
    for subject, rows in _by_subject(readings).items():
        if readings.champion != (subject.model_name, subject.model_version):
            continue  # a baseline has no skill to lose
        hours = _last_hours(readings, rows, config.skill_windows)
        found = [_mean((figure(row), row.forecasts) for row in hour) for hour in hours]
        means = [None if mean is None or n < config.min_forecasts else mean for mean, n in found]
        average, _ = _mean(found)
        verdict = _windows(
            Verdict(rule, "warning", subject.labels, None, 0.0, training=subject.is_trained),
            means,
            lambda skill: skill < 0,
            {
                "skill_by_hour": means,
                "worst_markets": _worst(
                    (row.market, -skill) for row in (hours[-1] if hours else ()) if (skill := figure(row)) is not None
                ),
            },
        )
        if verdict.holds is None or average is None:
            yield verdict
        else:
            yield _decided(verdict, verdict.holds and average < max_average, average, verdict.evidence)


def _by_subject(readings: Readings) -> dict[Subject, list[ErrorRow]]:
    rows: dict[Subject, list[ErrorRow]] = {subject: [] for subject in sorted(readings.served)}
    for row in readings.errors:
        if row.subject in rows:
            rows[row.subject].append(row)
    return rows


def _last_hours(readings: Readings, rows: Iterable[ErrorRow], windows: int) -> list[list[ErrorRow]]:
    """Return the rows of the last complete hours, oldest hour first; an hour without forecasts is an empty list."""
    by_hour: dict[datetime, list[ErrorRow]] = defaultdict(list)
    for row in rows:
        # Hours are of feature times: the last forecast of an hour is judged a horizon after the hour's end.
        if row.span == "1h" and row.hour + _HOUR + row.subject.horizon_minutes * _MINUTE <= readings.closed_until:
            by_hour[row.hour].append(row)
    if not by_hour:
        return []
    newest = max(by_hour)
    return [by_hour.get(newest - back * _HOUR, []) for back in range(windows - 1, -1, -1)]


def _newest(rows: Iterable[ErrorRow], span: str) -> dict[str, ErrorRow]:
    newest: dict[str, ErrorRow] = {}
    for row in rows:
        if row.span == span and (row.market not in newest or newest[row.market].hour < row.hour):
            newest[row.market] = row
    return newest


def _has_error(usual: Mapping[str, ErrorRow], row: ErrorRow) -> bool:
    return row.market in usual and usual[row.market].mae > 0


def _mean(pairs: Iterable[tuple[float | None, int]]) -> tuple[float | None, int]:
    """Return the weighted mean of what is known, and the weight behind it."""
    total, weight = 0.0, 0
    for value, count in pairs:
        if value is not None:
            total += value * count
            weight += count
    return (total / weight, weight) if weight else (None, 0)


def _windows(
    verdict: Verdict,
    values: Sequence[float | None],
    bad: Callable[[float], bool],
    evidence: Mapping[str, object],
) -> Verdict:
    """Decide by windows in a row: bad when all are, well when one is not, unknown when a window is missing."""
    known = [value for value in values if value is not None]
    if not known:
        return verdict
    if any(not bad(value) for value in known):
        return _decided(verdict, False, known[-1], evidence)
    return _decided(verdict, True if len(known) == len(values) else None, known[-1], evidence)


def _decided(verdict: Verdict, holds: bool | None, value: float, evidence: Mapping[str, object]) -> Verdict:
    return Verdict(verdict.rule, verdict.severity, verdict.labels, holds, value, evidence, verdict.training)


def _ages(
    readings: Readings, config: MonitorConfig, blank: Verdict, age_of: Callable[[MarketAge], float | None]
) -> Iterable[Verdict]:
    """Judge markets by exchange: the oldest counts."""
    by_exchange: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for market in readings.markets:
        age = age_of(market)
        if age is not None:
            by_exchange[market.exchange].append((market.symbol, age))
    for exchange, ages in sorted(by_exchange.items()):
        old = [(symbol, age) for symbol, age in ages if age > config.max_feature_age_seconds]
        yield Verdict(
            blank.rule,
            blank.severity,
            {"exchange": exchange},
            bool(old),
            max(age for _, age in ages),
            {"symbols": _worst(old), "markets": len(ages), "threshold_seconds": config.max_feature_age_seconds},
        )


def _worst(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    return dict(sorted(pairs, key=lambda pair: -pair[1])[:_SHOWN])
