"""What rules judge: rows of the evaluation views and ages of markets, as they were at one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from candlewave.contracts.records import BASELINE


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
    scaled_error: float | None
    bias: float
    coverage: float
    skill: float | None
    interval_skill: float | None

    @property
    def market(self) -> str:
        """The market in text."""
        return f"{self.exchange} {self.symbol}"


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """Sums over forecasts that do not overlap, of one hour; see ``outcome_hours``."""

    exchange: str
    symbol: str
    subject: Subject
    hour: datetime
    units: int
    units_covered: int
    point_units: int
    point: float
    point_squares: float
    interval_units: int
    interval: float
    interval_squares: float

    @property
    def market(self) -> str:
        """The market in text."""
        return f"{self.exchange} {self.symbol}"


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


@dataclass(frozen=True, slots=True)
class Standing:
    """The champion by the decisions that were noted, whether or not it forecasts.

    Attributes:
        since: when it was promoted, or put back.
        forecast: feature time of its newest forecast, None when there is none.
        baseline: the same of the baseline.
    """

    model_name: str
    model_version: str
    since: datetime
    forecast: datetime | None
    baseline: datetime | None


@dataclass(frozen=True, slots=True)
class MarketPace:
    """How a market usually trades, and since when it has not.

    Attributes:
        last_trade: time of its newest trade.
        usual_pause: 95 % quantile of its pauses in seconds, None when none is known.
        pauses: how many pauses that is of.
    """

    exchange: str
    symbol: str
    last_trade: datetime
    usual_pause: float | None
    pauses: int


@dataclass(frozen=True)
class Readings:
    """What the views say at one moment.

    Attributes:
        now: wall clock, UTC.
        closed_until: up to there candles are closed on every exchange.
        champion: the champion's name and version, None while the baseline alone is served.
        champion_since: when it was promoted or confirmed.
        served: the subjects that users see, baselines too.
        errors: rows of the hours that the rules look at.
        evidence: rows of the hours that bets are made on.
        drift: rows of the champion's last hours.
        judged, amended: forecasts of the last day with an outcome, and those whose inputs were amended.
        markets: those that should be forecast.
        standing: the champion by the decisions, None before the first promotion.
        paces: the configured markets that have traded.
    """

    now: datetime
    closed_until: datetime
    champion: tuple[str, str] | None = None
    champion_since: datetime | None = None
    served: frozenset[Subject] = frozenset()
    errors: Sequence[ErrorRow] = ()
    evidence: Sequence[EvidenceRow] = ()
    drift: Sequence[DriftRow] = ()
    judged: int = 0
    amended: int = 0
    markets: Sequence[MarketAge] = ()
    standing: Standing | None = None
    paces: Sequence[MarketPace] = ()
