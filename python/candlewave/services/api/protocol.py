"""HTTP/1.1 on the wire, with the limits that uvicorn leaves to a proxy in front of it.

Of these uvicorn has one setting, the size of a head, for its slower parser alone (``h11_max_incomplete_event_size``);
slow requests, stalled clients and answers in JSON to what is not HTTP have none.
"""

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from candlewave.services.api import metrics
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.security.headers import COMMON, DATA_POLICY

MAX_HEAD_BYTES = 65_536


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on the memory and the idle time of a connection.

    Attributes:
        request_seconds: longest time until a request is complete; for the first one from the connection's begin.
        stall_seconds: longest time for which a client may take nothing of what is sent to it.
    """

    request_seconds = 20.0
    stall_seconds = 30.0

    _is_incomplete = _is_in_head = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.request_seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        for timer in (self._deadline, self._stall):
            if timer is not None:
                timer.cancel()
        self._deadline = self._stall = None
        # uvicorn knows only the newest request; with pipelining another one is being answered, and more wait.
        self.pipeline.clear()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        was_in_head = self._is_in_head
        super().data_received(data)
        if self.transport.is_closing():
            return
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse("head-too-large", 431, "Headers too large", f"More than {MAX_HEAD_BYTES:,} bytes.")
        if self._is_incomplete and self._deadline is None:
            self._deadline = self.loop.call_later(self.request_seconds, self._give_up)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_incomplete = self._is_in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head has come in."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it has come in."""
        self._is_incomplete = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client takes less than is sent."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.stall_seconds, self._let_go)

    def resume_writing(self) -> None:
        """It has taken what waited."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        super().resume_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Reject malformed HTTP with a problem document; uvicorn would answer in plain text."""
        self._refuse("malformed", 400, "Bad request", msg)

    def _give_up(self) -> None:
        self._deadline = None
        if self._is_incomplete:
            self._refuse("too-slow", 408, "Request too slow", f"It was not complete after {self.request_seconds:g} s.")
        else:
            metrics.REFUSED_CONNECTIONS.labels("idle").inc()
            self.transport.close()

    def _let_go(self) -> None:
        """Close the connection: a client that reads nothing cannot receive an answer."""
        self._stall = None
        metrics.REFUSED_CONNECTIONS.labels("stalled").inc()
        self.transport.abort()

    def _refuse(self, reason: str, status: int, title: str, detail: str) -> None:
        metrics.REFUSED_CONNECTIONS.labels(reason).inc()
        if self.cycle is None or self.cycle.response_complete:
            answer = ProblemError(status, reason, title, detail, headers={"Connection": "close"}).response()
            headers = [*answer.raw_headers, *COMMON, DATA_POLICY]
            lines = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
            self.transport.write(b"".join([STATUS_LINE[status], lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()
