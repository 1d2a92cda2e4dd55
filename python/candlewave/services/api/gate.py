"""What happens to every request before and after the framework: limits, keys, memory, headers, metrics.

It is plain ASGI, because the framework costs more than most answers, which come from memory.
"""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candlewave.services.api import metrics
from candlewave.services.api.answers import Memory
from candlewave.services.api.pages import Pages
from candlewave.services.api.problems import ProblemError, internal_error
from candlewave.services.api.security.guard import Guard, Headers
from candlewave.services.api.security.headers import COMMON, DATA_POLICY
from candlewave.telemetry.logs import get_logger

STREAM = "/v1/stream"
MAX_ADDRESS_BYTES = 8_192
MAX_HEADER_BYTES = 16_384
MAX_BODY_BYTES = 65_536
OPEN = frozenset({"/v1/about"})
"""What needs no key anywhere."""

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_LAST = {"Connection": "close"}
"""Of an answer to a body that is not read to its end: what comes after it would be taken for the next request."""

_log = get_logger(__name__)


class Gate:
    """The outermost application.

    Args:
        app: the framework's.
        pages: the dashboard.
        guard: admits requests to ``/v1``.
        memory: answers that need no framework.
        timeout_seconds: longest time until an answer begins.
    """

    def __init__(self, app: ASGIApp, pages: Pages, guard: Guard, memory: Memory, timeout_seconds: float) -> None:
        self._app, self._pages, self._guard, self._memory = app, pages, guard, memory
        self._timeout = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = time.perf_counter()
        answer = _Answer(send, scope)
        try:
            answer.extra = await self._admit(scope)
            if scope["method"] in ("GET", "HEAD"):
                kept = self._memory.find((scope["path"], scope["query_string"]))
                if kept is not None:
                    answer.route, reply = kept
                    metrics.CACHE.labels("hit").inc()
                    return await reply(scope, receive, answer)
            await self._go(scope, _Body(receive, answer), answer)
        except ProblemError as problem:
            if answer.begun:
                raise
            await problem(scope, receive, answer)
        except Exception:  # noqa: BLE001 (the last place where it can become an answer)
            _log.exception("request failed", path=scope["path"])
            if not answer.begun:
                await internal_error()(scope, receive, answer)
        finally:
            _count(scope, answer, time.perf_counter() - begun)

    async def _admit(self, scope: Scope) -> Headers:
        _check_size(scope)
        path = scope["path"]
        if path in self._pages:
            return []
        if path in OPEN or not path.startswith("/v1/"):
            return await self._guard.count(scope)
        return await self._guard.admit(scope)

    async def _go(self, scope: Scope, receive: "_Body", answer: "_Answer") -> None:
        if scope["path"] in self._pages:
            answer.route = "/" if scope["path"] == "/" else "/static"
            return await self._pages(scope, receive, answer)
        # A stream has no end, so there is no answer to its HEAD.
        is_head = scope["method"] == "HEAD" and scope["path"] != STREAM
        inner = {**scope, "method": "GET"} if is_head else scope
        try:
            async with asyncio.timeout(self._timeout) as answer.limit:
                await self._app(inner, receive, answer)
        except TimeoutError:
            answer.limit = None
            if receive.is_waiting:
                raise ProblemError(
                    408,
                    "body-too-slow",
                    "Body too slow",
                    f"It was not complete after {self._timeout:g} s.",
                    headers=_LAST,
                ) from None
            raise ProblemError(
                503,
                "timeout",
                "Took too long",
                f"There was no answer within {self._timeout:g} s; ask for less, or try again.",
                headers={"Retry-After": "5"},
                retry_after_seconds=5,
            ) from None
        finally:
            route = inner.get("route")
            if route is not None:
                answer.route = route.path


class _Answer:
    """Adds headers on the way out, leaves out bodies that HEAD does not want, remembers the status."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send, self._scope, self._is_head = send, scope, scope["method"] == "HEAD"
        self._is_over = False
        self._policy = [] if scope["path"] == "/" else [DATA_POLICY]
        self.extra: Headers = []
        self.status, self.route, self.begun = 500, "other", False
        self.refusal: ProblemError | None = None
        self.limit: asyncio.Timeout | None = None

    async def __call__(self, message: Message) -> None:
        if self._is_over:
            return
        if self.refusal is not None and not self.begun:
            refusal, self.refusal = self.refusal, None
            await refusal(self._scope, _no_more, self)  # instead of what the framework made of it
            self._is_over = True
            return
        if message["type"] == "http.response.start":
            self.status, self.begun = message["status"], True
            if self.limit is not None and not self.limit.expired():
                self.limit.reschedule(None)  # it is made; how fast the client takes it is the protocol's concern
            message["headers"] = [*message["headers"], *COMMON, *self._policy, *self.extra]
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


async def _no_more() -> Message:
    return {"type": "http.disconnect"}


class _Body:
    """Refuses a body that grows too large, whatever its head said.

    Attributes:
        is_waiting: more of it is expected.
    """

    def __init__(self, receive: Receive, answer: "_Answer") -> None:
        self._receive, self._answer, self._size = receive, answer, 0
        self.is_waiting = False

    async def __call__(self) -> Message:
        self.is_waiting = True
        message = await self._receive()
        self.is_waiting = False
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY_BYTES:
            self._answer.refusal = _too_large()
            raise self._answer.refusal
        return message


def _check_size(scope: Scope) -> None:
    if len(scope["raw_path"] or b"") + len(scope["query_string"]) > MAX_ADDRESS_BYTES:
        raise ProblemError(414, "address-too-long", "Address too long", f"More than {MAX_ADDRESS_BYTES:,} bytes.")
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"content-length" and (not value.isdigit() or int(value) > MAX_BODY_BYTES):
            raise _too_large()
    if size > MAX_HEADER_BYTES:
        raise ProblemError(431, "headers-too-large", "Headers too large", f"More than {MAX_HEADER_BYTES:,} bytes.")


def _too_large() -> ProblemError:
    return ProblemError(413, "body-too-large", "Body too large", f"More than {MAX_BODY_BYTES:,} bytes.", headers=_LAST)


def _count(scope: Scope, answer: _Answer, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.REQUESTS.labels(method, answer.route, str(answer.status)).inc()
    if scope["path"] != STREAM:
        metrics.DURATION.labels(method, answer.route).observe(seconds)
