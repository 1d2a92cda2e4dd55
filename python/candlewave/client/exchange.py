"""What both clients do without waiting: addresses, headers, answers, pauses."""

from collections.abc import Mapping
from contextlib import suppress

import httpx
from pydantic import ValidationError
from tenacity import RetryCallState

from candlewave import __version__
from candlewave.client.calls import Call, P, T
from candlewave.client.errors import ApiError, ApiUnavailableError
from candlewave.contracts.api import Problem

_MAX_PAUSE_SECONDS = 30.0


class RetryError(Exception):
    """Worth another attempt."""

    def __init__(self, error: ApiUnavailableError, pause: float | None) -> None:
        self.error, self.pause = error, pause


def pause_before_retry(state: RetryCallState) -> float:
    """Wait as long as the API asks, else 0.2 s, doubled with each attempt."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, RetryError) else None
    return min(asked if asked is not None else 0.2 * 2.0 ** (state.attempt_number - 1), _MAX_PAUSE_SECONDS)


def checked_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"expected an address such as http://127.0.0.1:8000, found {url!r}")
    return url


def request_headers(key: str | None) -> dict[str, str]:
    headers = {"User-Agent": f"candlewave-client/{__version__}"}
    if key is None:
        return headers
    key = key.strip()
    if not (key.isascii() and key.isprintable()):  # said here: an error of HTTP would show the key
        raise ValueError("the key has characters that are in no key")
    return {**headers, "Authorization": f"Bearer {key}"}


def read_answer(answer: httpx.Response, model: type[T]) -> T:
    """Return the document of an answer.

    Raises:
        RetryError: 429 or 503.
        ApiError: any other refusal, or an answer that does not come from this API.
    """
    if answer.is_success:
        try:
            return model.model_validate_json(answer.content)  # type: ignore[attr-defined,no-any-return]
        except ValidationError as other:
            text = f"{answer.url} does not answer like a candlewave API of version {__version__}"
            raise ApiError(answer.status_code, None, text) from other
    problem = None
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        with suppress(ValidationError):  # the problem document of another server: its status suffices
            problem = Problem.model_validate_json(answer.content)
    text = f"the API answered {answer.status_code}"
    if answer.status_code in (429, 503):
        asked = answer.headers.get("retry-after", "")
        error = ApiUnavailableError(answer.status_code, problem, text)
        raise RetryError(error, float(asked) if asked.isdecimal() else None)
    raise ApiError(answer.status_code, problem, text)


def longer_pause(pause: float, again: RetryError) -> float:
    """Return how long a stream that was refused waits: as long as the API asks, if that is longer."""
    return max(pause, min(again.pause or 0.0, _MAX_PAUSE_SECONDS))


def unreachable(error: httpx.TransportError) -> RetryError:
    return RetryError(ApiUnavailableError(0, None, f"the API cannot be reached: {error}"), None)


def next_page(call: Call[P], cursor: str) -> Call[P]:
    return Call(call.path, call.model, {**call.parameters, "cursor": cursor})


class WantedEvents:
    """The parameters of a stream; ``limit`` counts over reconnections."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = dict(parameters)

    def another(self) -> bool:
        """Count an event; return whether more are wanted."""
        if "limit" not in self.parameters:
            return True
        left = int(self.parameters["limit"]) - 1
        self.parameters["limit"] = str(left)
        return left > 0


def event_headers(last_id: str | None) -> Mapping[str, str]:
    return {} if last_id is None else {"Last-Event-ID": last_id}
