"""Connections to the API."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

import httpx
from pydantic import ValidationError
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from candlewave import __version__
from candlewave.client.calls import Call, P, T
from candlewave.client.errors import ApiError, ApiUnavailableError
from candlewave.client.stream import Event, Parser
from candlewave.contracts.api import Problem, TrainingRequest

_LONGEST_PAUSE = 30.0
_RECONNECT_SECONDS = 1.0


class _RetryError(Exception):
    """Worth another attempt."""

    def __init__(self, error: ApiUnavailableError, pause: float | None) -> None:
        self.error, self.pause = error, pause


def _pause(state: RetryCallState) -> float:
    """Wait as long as the API asks, else 0.2 s, doubled with each attempt."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, _RetryError) else None
    return min(asked if asked is not None else 0.2 * 2.0 ** (state.attempt_number - 1), _LONGEST_PAUSE)


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"expected an address such as http://127.0.0.1:8000, found {url!r}")
    return url


def _options(key: str | None) -> dict[str, str]:
    headers = {"User-Agent": f"candlewave-client/{__version__}"}
    if key is None:
        return headers
    key = key.strip()
    if not (key.isascii() and key.isprintable()):  # said here: an error of HTTP would show the key
        raise ValueError("the key has characters that are in no key")
    return {**headers, "Authorization": f"Bearer {key}"}


def _read(answer: httpx.Response, model: type[T]) -> T:
    """Return the document of an answer.

    Raises:
        _RetryError: 429 or 503.
        ApiError: any other refusal, or something that is no answer of this API.
    """
    if answer.is_success:
        try:
            return model.model_validate_json(answer.content)  # type: ignore[attr-defined,no-any-return]
        except ValidationError as other:
            text = f"{answer.url} does not answer like a candlewave API of version {__version__}"
            raise ApiError(answer.status_code, None, text) from other
    problem = None
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        with suppress(ValidationError):  # another server's problem is none of ours: its status says enough
            problem = Problem.model_validate_json(answer.content)
    text = f"the API answered {answer.status_code}"
    if answer.status_code in (429, 503):
        asked = answer.headers.get("retry-after", "")
        error = ApiUnavailableError(answer.status_code, problem, text)
        raise _RetryError(error, float(asked) if asked.isdecimal() else None)
    raise ApiError(answer.status_code, problem, text)


def _longer(pause: float, again: _RetryError) -> float:
    """Return how long a stream that was refused waits: as long as the API asks, if that is longer."""
    return max(pause, min(again.pause or 0.0, _LONGEST_PAUSE))


def _unreachable(error: httpx.TransportError) -> _RetryError:
    return _RetryError(ApiUnavailableError(0, None, f"the API cannot be reached: {error}"), None)


def _next(call: Call[P], cursor: str) -> Call[P]:
    return Call(call.path, call.model, {**call.parameters, "cursor": cursor})


class _Wanted:
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


def _event_headers(last_id: str | None) -> Mapping[str, str]:
    return {} if last_id is None else {"Last-Event-ID": last_id}


class Client:
    """Synchronous client.

    Args:
        url: of the API, such as ``http://127.0.0.1:8000``.
        key: API key, where one is needed.
        attempts: most attempts of a request that meets 429, 503 or no connection; pauses follow ``Retry-After``.
        timeout: seconds for connecting and for each wait.
        transport: another way to the API, for tests.

    Raises:
        ValueError: the address is none of HTTP, or the key cannot be sent.
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
        self._http = httpx.Client(base_url=_checked(url), headers=_options(key), timeout=timeout, transport=transport)
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
            page = self.get(_next(call, page.next_cursor))
            yield page

    def request_training(self, reason: str, evidence: dict[str, Any] | None = None) -> TrainingRequest:
        """Ask for a training; the key needs the scope ``train``."""
        return self._send(
            "POST", "training-requests", TrainingRequest, json={"reason": reason, "evidence": evidence or {}}
        )

    def stream(self, *, last_id: str | None = None, **parameters: str) -> Iterator[Event]:
        """Yield live events, for ever: after a break it resumes behind the last one.

        Args:
            last_id: resume behind this event.
            parameters: symbol, exchange, timeframe, kinds, limit.

        Raises:
            ApiError: it was refused, for another reason than 429 or 503.
        """
        wanted = _Wanted(parameters)
        while True:
            parser, pause = Parser(), _RECONNECT_SECONDS
            try:
                headers = _event_headers(last_id)
                with self._http.stream("GET", "/v1/stream", params=wanted.parameters, headers=headers) as answer:
                    if not answer.is_success:
                        answer.read()
                        _read(answer, Problem)
                    for line in answer.iter_lines():
                        for event in parser.feed(line):
                            last_id = event.id
                            yield event
                            if not wanted.another():
                                return
            except httpx.TransportError:
                pass  # as when the server ends the stream: again, behind the last event
            except _RetryError as again:
                pause = _longer(pause, again)
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
                raise _unreachable(error) from error
            return _read(answer, model)

        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=_pause,
            retry=retry_if_exception_type(_RetryError),
            reraise=True,
        )
        try:
            return retrying(once)
        except _RetryError as again:
            raise again.error from None


class AsyncClient:
    """As :class:`Client`, for asyncio."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        attempts: int = 4,
        timeout: float = 20.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=_checked(url), headers=_options(key), timeout=timeout, transport=transport
        )
        self._attempts = attempts

    async def get(self, call: Call[T]) -> T:
        """See :meth:`Client.get`."""
        return await self._send("GET", call.path, call.model, params=call.parameters)

    async def pages(self, call: Call[P]) -> AsyncIterator[P]:
        """See :meth:`Client.pages`."""
        page = await self.get(call)
        yield page
        while page.next_cursor is not None:
            page = await self.get(_next(call, page.next_cursor))
            yield page

    async def request_training(self, reason: str, evidence: dict[str, Any] | None = None) -> TrainingRequest:
        """See :meth:`Client.request_training`."""
        return await self._send(
            "POST", "training-requests", TrainingRequest, json={"reason": reason, "evidence": evidence or {}}
        )

    async def stream(self, *, last_id: str | None = None, **parameters: str) -> AsyncIterator[Event]:
        """See :meth:`Client.stream`."""
        wanted = _Wanted(parameters)
        while True:
            parser, pause = Parser(), _RECONNECT_SECONDS
            headers = _event_headers(last_id)
            try:
                async with self._http.stream("GET", "/v1/stream", params=wanted.parameters, headers=headers) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        _read(answer, Problem)
                    async for line in answer.aiter_lines():
                        for event in parser.feed(line):
                            last_id = event.id
                            yield event
                            if not wanted.another():
                                return
            except httpx.TransportError:
                pass  # as in Client.stream
            except _RetryError as again:
                pause = _longer(pause, again)
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, method: str, path: str, model: type[T], **more: Any) -> T:
        async def once() -> T:
            try:
                answer = await self._http.request(method, f"/v1/{path}", **more)
            except httpx.TransportError as error:
                raise _unreachable(error) from error
            return _read(answer, model)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._attempts),
            wait=_pause,
            retry=retry_if_exception_type(_RetryError),
            reraise=True,
        )
        try:
            return await retrying(once)
        except _RetryError as again:
            raise again.error from None
