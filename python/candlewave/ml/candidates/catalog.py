"""The candidates that there are, and how one is found by its name."""

import importlib

from candlewave.core.errors import CandlewaveError
from candlewave.ml.candidates import boosted, har, ridge
from candlewave.ml.candidates.protocol import Candidate

_SHIPPED: dict[str, Candidate] = {
    candidate.name: candidate for candidate in (boosted.CANDIDATE, har.CANDIDATE, ridge.CANDIDATE)
}
SHIPPED = tuple(_SHIPPED)
"""Names of the candidates that are tried unless TRAIN_CANDIDATES says otherwise; of equals the first is chosen."""


def boosters(name: str) -> int:
    """Return how many boosters a fit of a shipped candidate has; 0 for one that has none, or is not known."""
    return len(boosted.PARTS) if name == boosted.CANDIDATE.name else 0


class UnknownCandidateError(CandlewaveError):
    """There is no candidate of this name; the text says what was tried."""


def candidate(name: str) -> Candidate:
    """Return a shipped candidate, or the ``CANDIDATE`` of the module of this name.

    Raises:
        UnknownCandidateError: there is no such module, or it has none.
    """
    if name in _SHIPPED:
        return _SHIPPED[name]
    try:
        found: Candidate = importlib.import_module(name).CANDIDATE
    except (ImportError, AttributeError) as error:
        raise UnknownCandidateError(
            f"candidate {name!r} is neither one of {', '.join(SHIPPED)} nor a module with a CANDIDATE: {error}"
        ) from error
    return found
