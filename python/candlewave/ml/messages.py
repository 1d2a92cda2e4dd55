"""What the trainer publishes: model events, and how features were distributed in training."""

import hashlib
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Message
from candlewave.contracts.records import BaselineSpread, FeatureReference, ModelEvent, ModelEventKind
from candlewave.ml.baseline import DEFAULT_SPREAD, LastPriceBaseline

_POOL = ("", "")

MAX_FEATURES = 20
"""References are published of the most important features only."""

_LEVELS = np.arange(1, 10) / 10


def event_message(name: str, version: str, event: ModelEventKind, reason: str, occurred_at: datetime) -> Message:
    """Return the message of topic ``model_events``; a repetition has the same id."""
    identity = hashlib.sha256(f"{name}|{version}|{event}|{occurred_at.isoformat()}".encode()).hexdigest()[:32]
    return to_message(ModelEvent(identity, name, version, event, reason, occurred_at))


def spread_messages(version: str, baseline: LastPriceBaseline, trained_until: datetime) -> list[Message]:
    """Return the messages of topic ``baseline_spreads``: each market's, and last those of all together.

    Horizons without a fitted spread have the default's, so that what is served is what was judged against.
    """
    by_market = {tuple(market.split("|", 1)): own for market, own in baseline.market_spreads.items()}
    pooled = {h: baseline.spreads.get(h, DEFAULT_SPREAD) for h in baseline.horizons_minutes}
    return [
        to_message(
            BaselineSpread(
                baseline_version(version), exchange, symbol, horizon, baseline.volatility, low, high, trained_until
            )
        )
        for (exchange, symbol), spreads in (*sorted(by_market.items()), (_POOL, pooled))
        for horizon, (low, high) in sorted(spreads.items())
    ]


def baseline_version(model_version: str) -> str:
    """Return the version of the baseline that was fitted with a model; the default's is plain ``1``."""
    return f"training-{model_version}"


def reference_messages(
    version: str, names: tuple[str, ...], values: NDArray[np.float32], importance: dict[str, float]
) -> list[Message]:
    """Return the messages of topic ``feature_reference`` of the most important features."""
    ranked = sorted((n for n in names if importance.get(n, 0) > 0), key=lambda n: -importance[n])[:MAX_FEATURES]
    return [to_message(reference(version, name, values[:, names.index(name)].astype(np.float64))) for name in ranked]


def reference(version: str, feature: str, values: NDArray[np.float64]) -> FeatureReference:
    """Return the distribution of a feature: deciles, and the share of the values in each bucket (ends belong below)."""
    known = values[np.isfinite(values)]
    edges = np.quantile(known, _LEVELS) if len(known) else np.zeros(len(_LEVELS))
    bucket = np.searchsorted(edges, known, side="left")
    counts = np.bincount(bucket, minlength=len(edges) + 1)
    shares = np.concatenate(([len(values) - len(known)], counts)) / max(len(values), 1)
    # Training reads single precision, SQL double. Edges are published just above, so that a value on one, as those of
    # a constant are, lies below it in both.
    above = np.nextafter(edges.astype(np.float32), np.float32(np.inf)).astype(np.float64)
    return FeatureReference(version, feature, above.tolist(), shares.tolist())
