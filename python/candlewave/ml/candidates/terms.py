"""Terms of linear candidates: standardised, clipped, and coefficients of each market beside those of all together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates.protocol import Floats

_CLIP = 8.0
_MIN_SPREAD = 1e-9


@dataclass(frozen=True)
class Standard:
    """Centre and spread of terms; what is missing counts as the centre, what is constant as nothing."""

    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def apply(self, terms: Floats) -> Floats:
        """Return the terms in units of their spread."""
        with np.errstate(invalid="ignore"):
            scaled = (terms - np.array(self.centre)) / np.array(self.spread)
        found: Floats = np.clip(np.nan_to_num(scaled, posinf=0.0, neginf=0.0), -_CLIP, _CLIP)
        return found


def fit_standard(terms: Floats) -> Standard:
    """Return the centre and spread of the terms' known values."""
    known = np.isfinite(terms)
    count = np.maximum(known.sum(axis=0), 1)
    clean = np.where(known, terms, 0.0)
    centre = clean.sum(axis=0) / count
    spread = np.sqrt(np.where(known, (clean - centre) ** 2, 0.0).sum(axis=0) / count)
    spread[spread < _MIN_SPREAD * np.maximum(np.abs(centre), 1.0)] = 1e300
    return Standard(tuple(centre.tolist()), tuple(spread.tolist()))


def linear(x: Floats, markets: NDArray[Any], coefficients: Mapping[str, Sequence[float]]) -> Floats:
    """Return the constant, first of the coefficients, and the terms times the others, each market by its own."""
    pooled = np.array(coefficients[""])
    found: Floats = pooled[0] + x @ pooled[1:]
    for market, own in coefficients.items():
        chosen = markets == market
        if market and chosen.any():
            found[chosen] = own[0] + x[chosen] @ np.array(own[1:])
    return found


def sizes(names: Sequence[str], coefficients: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the mean size of the coefficient of each term; terms of one name together."""
    found: dict[str, float] = {}
    mean = np.mean([np.abs(own) for own in coefficients.values()], axis=0)[1:]
    for name, size in zip(names, mean.tolist(), strict=True):
        found[name] = found.get(name, 0.0) + size
    return found
