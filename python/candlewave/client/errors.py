"""What goes wrong when the API is asked."""

from candlewave.contracts.api import Problem
from candlewave.core.errors import CandlewaveError


class ApiError(CandlewaveError):
    """The API refused; the text is its own words.

    Attributes:
        status: of HTTP.
        problem: the problem document, None when the answer was none.
    """

    def __init__(self, status: int, problem: Problem | None, text: str) -> None:
        super().__init__(problem.detail if problem is not None else text)
        self.status = status
        self.problem = problem


class ApiUnavailableError(ApiError):
    """The API cannot be reached, is overloaded or limits the caller (429, 503), and all attempts are used up."""
