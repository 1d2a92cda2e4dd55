"""What the trainer publishes: model events, and how features were distributed in training."""

import hashlib
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from candlewave.bus.messages import Time, encode
from candlewave.bus.protocol import Message

Event = Literal["registered", "promoted", "rejected", "rolled_back"]

MOST_FEATURES = 20
"""References are published of the most important features only."""

_LEVELS = np.arange(1, 10) / 10


class ModelEvent(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``model_events``."""

    event_id: str
    model_name: str
    model_version: str
    event: Event
    reason: str
    occurred_at: Time


class FeatureReference(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``feature_reference``: nine inner edges of ten buckets; shares, the first of missing values."""

    model_version: str
    feature: str
    edges: list[float]
    shares: list[float]


def event_message(name: str, version: str, event: Event, reason: str, occurred_at: datetime) -> Message:
    """Return the message of topic ``model_events``; a repetition has the same id."""
    identity = hashlib.sha256(f"{name}|{version}|{event}|{occurred_at.isoformat()}".encode()).hexdigest()[:32]
    return Message(encode(ModelEvent(identity, name, version, event, reason, occurred_at)), name)


def reference_messages(
    version: str, names: tuple[str, ...], values: NDArray[np.float32], importance: dict[str, float]
) -> list[Message]:
    """Return the messages of topic ``feature_reference`` of the most important features."""
    ranked = sorted((n for n in names if importance.get(n, 0) > 0), key=lambda n: -importance[n])[:MOST_FEATURES]
    return [
        Message(encode(reference(version, name, values[:, names.index(name)].astype(np.float64))), version)
        for name in ranked
    ]


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
