"""The synchronous client, written from asynchronous.py by make client."""

import time
from collections.abc import Iterator
from typing import Any, Self

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from candlewave.client.calls import Call, P, T
from candlewave.client.exchange import (
    RetryError,
    WantedEvents,
    checked_url,
    event_headers,
    longer_pause,
    next_page,
    pause_before_retry,
    read_answer,
    request_headers,
    unreachable,
)
from candlewave.client.stream import Event, Parser
from candlewave.contracts.api import Problem, TrainingRequest

_RECONNECT_SECONDS = 1.0


class Client:
    """Synchronous client.

    Args:
        url: of the API, such as ``http://127.0.0.1:8000``.
        key: API key, where one is needed.
        attempts: maximum attempts of a request that meets 429, 503 or no connection; pauses follow ``Retry-After``.
        timeout: seconds for connecting and for each wait.
        transport: another way to the API, for tests.

    Raises:
        ValueError: the URL is not http(s), or the key contains invalid characters.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        attempts: int = 4,
        timeout: float = 20.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=checked_url(url), headers=request_headers(key), timeout=timeout, transport=transport
        )
        self._attempts = attempts

    def get(self, call: Call[T]) -> T:
        """Return the answer.

        Raises:
            ApiError: it was refused.
            ApiUnavailableError: all attempts failed.
        """
        return self._send("GET", call.path, call.model, params=call.parameters)

    def pages(self, call: Call[P]) -> Iterator[P]:
        """Yield all pages of a list, newest rows first."""
        page = self.get(call)
        yield page
        while page.next_cursor is not None:
            page = self.get(next_page(call, page.next_cursor))
            yield page

    def request_training(self, reason: str, evidence: dict[str, Any] | None = None) -> TrainingRequest:
        """Ask for a training; the key needs the scope ``train``."""
        return self._send(
            "POST", "training-requests", TrainingRequest, json={"reason": reason, "evidence": evidence or {}}
        )

    def stream(self, *, last_id: str | None = None, **parameters: str) -> Iterator[Event]:
        """Yield live events without end: after a break it resumes behind the last one.

        Args:
            last_id: resume behind this event.
            parameters: symbol, exchange, timeframe, kinds, limit.

        Raises:
            ApiError: it was refused, for another reason than 429 or 503.
        """
        wanted = WantedEvents(parameters)
        while True:
            parser, pause = Parser(), _RECONNECT_SECONDS
            headers = event_headers(last_id)
            try:
                with self._http.stream("GET", "/v1/stream", params=wanted.parameters, headers=headers) as answer:
                    if not answer.is_success:
                        answer.read()
                        read_answer(answer, Problem)
                    for line in answer.iter_lines():
                        for event in parser.feed(line):
                            last_id = event.id
                            yield event
                            if not wanted.another():
                                return
            except httpx.TransportError:
                pass  # as when the server ends the stream: again, behind the last event
            except RetryError as again:
                pause = longer_pause(pause, again)
            time.sleep(pause)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, path: str, model: type[T], **more: Any) -> T:
        def once() -> T:
            try:
                answer = self._http.request(method, f"/v1/{path}", **more)
            except httpx.TransportError as error:
                raise unreachable(error) from error
            return read_answer(answer, model)

        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=pause_before_retry,
            retry=retry_if_exception_type(RetryError),
            reraise=True,
        )
        try:
            return retrying(once)
        except RetryError as again:
            raise again.error from None
