"""The candidates that there are, and how one is found by its name."""

import importlib
from collections.abc import Sequence

from candlewave.core.errors import CandlewaveError
from candlewave.ml.candidates import boosted, har, ridge
from candlewave.ml.candidates.protocol import Candidate

_SHIPPED: dict[str, Candidate] = {
    candidate.name: candidate for candidate in (boosted.POOLED, boosted.PER_MARKET, har.CANDIDATE, ridge.CANDIDATE)
}
SHIPPED = tuple(_SHIPPED)
"""Names of the candidates that are tried unless TRAIN_CANDIDATES says otherwise; of equals the first is chosen."""


def tried(names: Sequence[str], markets: int) -> list[str]:
    """Return the candidates that are worth a try: trees of one market are those of all its markets together."""
    twice = markets == 1 and boosted.POOLED.name in names
    return [name for name in names if not (twice and name == boosted.PER_MARKET.name)]


def boosters(name: str, markets: int) -> int:
    """Return how many boosters a fit of a shipped candidate has; 0 for one that has none, or is not known."""
    per_market = {boosted.POOLED.name: 1, boosted.PER_MARKET.name: markets}
    return len(boosted.PARTS) * per_market.get(name, 0)


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
