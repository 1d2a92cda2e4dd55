"""Whether a challenger replaces the champion: by forecasts that both have made since the challenger's birth.

View ``challenger_hours`` has the evidence: what users would have gained by the challenger's forecasts over those that
they got. On each market, horizon and part (median, interval) a bettor bets that there is a gain; the mean of their
wealth cannot be expected to grow while there is none, so that of a challenger that is better nowhere it ever reaches
twenty with a probability of one in twenty at most, however often one looks (an e-process, see
:mod:`candlewave.rules.evidence`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import psycopg
from psycopg.rows import tuple_row

from candlewave.bus.protocol import Bus, Message
from candlewave.contracts.records import BASELINE
from candlewave.contracts.topics import MODEL_EVENTS
from candlewave.ml.forecaster import Part
from candlewave.ml.messages import event_message
from candlewave.ml.registry import CHALLENGER, CHAMPION, PREVIOUS, ModelVersion, Registry
from candlewave.rules.evidence import loss_bets, mean_of
from candlewave.telemetry import get_logger

_log = get_logger(__name__)

ENOUGH = math.log(20)
"""Logarithm of the wealth that decides."""

PATIENCE = timedelta(days=14)
"""How long an undecided challenger keeps its place when trainings bring others."""

_PARTS: tuple[Part, Part] = ("median", "interval")
_BETS = (0.02, 0.05, 0.15, 0.4)
"""Shares of the wealth: the smallest finds a gain of a hundredth of what two forecasts differ by."""


@dataclass(frozen=True)
class Pair:
    """Evidence for one model against what was served, on one market and horizon, since a challenger's birth.

    Attributes:
        model_name: of the model that was not served.
        units: forecasts that do not overlap.
        sums: by part, the sum of their evidence, and that of its squares; see ``challenger_hours``.
    """

    market: str
    horizon_minutes: int
    model_name: str
    units: int
    sums: Mapping[Part, tuple[float, float]]


@dataclass(frozen=True)
class Weighed:
    """The evidence on a challenger; logarithms of the bettors' wealth.

    Attributes:
        better: that it is better somewhere, in median or interval.
        worse: by part, that it is worse somewhere.
        units: forecasts that do not overlap behind it.
    """

    better: float
    worse: Mapping[Part, float]
    units: int

    @property
    def verdict(self) -> Literal["better", "worse"] | None:
        """Better when the evidence for that suffices, worse when it does for a part; None while undecided."""
        if any(log >= ENOUGH for log in self.worse.values()):
            return "worse"
        return "better" if self.better >= ENOUGH else None

    @property
    def text(self) -> str:
        """The figures in words."""
        worse = max(self.worse.values(), default=-math.inf)
        return (
            f"evidence of {_odds(self.better)} to 1 that it is better and of {_odds(worse)} to 1 that it is worse,"
            f" 20 are needed, from {self.units:,} forecasts that do not overlap"
        )


def weigh(pairs: Iterable[Pair], challenger: ModelVersion, champion: ModelVersion) -> Weighed:
    """Weigh what users would get of a challenger against what they get of the champion.

    What a challenger would not serve, the baseline would: it is compared where the champion serves.
    """
    gains: dict[Part, list[tuple[float, float]]] = {part: [] for part in _PARTS}
    units = 0
    for pair in pairs:
        horizon = pair.horizon_minutes
        for part in _PARTS:
            instead = challenger if serves(challenger, horizon, part) else None
            if instead is None and not serves(champion, horizon, part):
                continue
            if (pair.model_name == BASELINE) == (instead is None):
                gains[part].append(pair.sums[part])
                units += pair.units if part == _PARTS[0] else 0
    both = [sums for part in _PARTS for sums in gains[part]]
    return Weighed(_wealth(both, 1), {part: _wealth(gains[part], -1) for part in _PARTS}, units)


def serves(version: ModelVersion, horizon: int, part: Part) -> bool:
    """Return whether users get a part of a version's forecasts at a horizon, or would if it were champion."""
    return horizon in version.served_horizons and version.served_parts.get(horizon, part) == part


def _wealth(sums: Sequence[tuple[float, float]], sign: int) -> float:
    """Return the logarithm of the mean wealth of all bettors; one who bets on nothing keeps what there is."""
    if not sums:
        return 0.0
    evidence, squares = np.array(sums, np.float64).T
    return float(mean_of(mean_of(loss_bets(sign * evidence, squares, _BETS), axis=0), axis=0))


def _odds(log: float) -> str:
    return f"{math.exp(min(log, 20)):.3g}"


def read_pairs(
    conn: psycopg.Connection, challenger: ModelVersion, champion: ModelVersion, name: str, since: datetime
) -> list[Pair]:
    """Read the evidence of whole hours since the end of the challenger's training data, which may be those of long ago.

    Raises:
        psycopg.Error: the engine is down, or not migrated.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(
            "SELECT exchange, symbol, horizon_minutes, model_name, sum(units)::bigint,"
            " sum(point_evidence), sum(point_evidence_squares), sum(interval_evidence), sum(interval_evidence_squares)"
            " FROM challenger_hours WHERE hour >= %s"
            " AND ((model_name = %s AND model_version = %s) OR model_name = %s)"
            " AND ((served_name = %s AND served_version = %s) OR served_name = %s)"
            " GROUP BY exchange, symbol, horizon_minutes, model_name"
            " ORDER BY exchange, symbol, horizon_minutes, model_name",
            [since, name, challenger.version, BASELINE, name, champion.version, BASELINE],
        ).fetchall()
    return [
        Pair(f"{exchange} {symbol}", horizon, model, units, {"median": (point, points), "interval": (other, others)})
        for exchange, symbol, horizon, model, units, point, points, other, others in rows
    ]


def waits(challenger: ModelVersion | None, champion: ModelVersion | None, feature_set: str, now: datetime) -> bool:
    """Return whether a challenger keeps its place: it would serve, can forecast, and is neither decided nor old."""
    return (
        champion is not None
        and challenger is not None
        and bool(challenger.served_horizons)
        and (challenger.feature_set or "") == feature_set
        and challenger.trained_at is not None
        and now - challenger.trained_at < PATIENCE
    )


def settle(conn: psycopg.Connection, bus: Bus, registry: Registry, now: datetime) -> Weighed | None:
    """Promote the challenger when the evidence says so, or take its place from it; return the evidence.

    Returns:
        None when there is no champion, or no challenger that would serve.

    Raises:
        psycopg.Error: the engine is down, or not migrated.
        RegistryError: the registry is down.
        BusError: the bus is down; nothing has changed.
    """
    before = {alias: registry.metadata(alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)}
    champion, challenger = before[CHAMPION], before[CHALLENGER]
    if champion is None or challenger is None or not challenger.served_horizons or challenger.train_end is None:
        return None
    found = weigh(read_pairs(conn, challenger, champion, registry.name, challenger.train_end), challenger, champion)
    if found.verdict is None:
        return found
    try:
        if found.verdict == "better":
            registry.promote(challenger.version, challenger.served_horizons, challenger.served_parts)
        else:
            registry.set_alias(CHALLENGER, None)
        bus.publish(MODEL_EVENTS.name, list(_events(registry.name, found, challenger, champion, now)))
    except BaseException:
        registry.restore(before)
        raise
    _log.info("challenge decided", challenger=challenger.version, champion=champion.version, why=found.text)
    return found


def _events(
    name: str, found: Weighed, challenger: ModelVersion, champion: ModelVersion, now: datetime
) -> Iterator[Message]:
    if found.verdict == "better":
        why = f"better than version {champion.version} beside which it has forecast: {found.text}"
        yield event_message(name, challenger.version, "promoted", why, now)
        return
    why = f"worse than version {champion.version} beside which it has forecast: {found.text}"
    yield event_message(name, challenger.version, "rejected", why, now)
    yield event_message(name, champion.version, "confirmed", f"version {challenger.version} is {why}", now)
