"""Answers that are made once: JSON bytes with their tag, compressed once, sent as often as they are fresh."""

import gzip
import hashlib
import time
from collections import OrderedDict
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_MIN_BYTES_TO_COMPRESS = 1024
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS

Key = tuple[str, bytes]
"""Path and query string."""


class Memory:
    """Finished answers by path and query string, for less than a second: the quick way past the framework.

    Args:
        size: maximum number of kept answers.
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._kept: OrderedDict[Key, tuple[float, str, Answer]] = OrderedDict()

    def find(self, key: Key) -> "tuple[str, Answer] | None":
        """Return the route and the answer, if there is a fresh one."""
        kept = self._kept.get(key)
        if kept is None or kept[0] < time.monotonic():
            return None
        return kept[1], kept[2]

    def keep(self, key: Key, route: str, answer: "Answer", seconds: float) -> None:
        """Keep an answer for so many seconds."""
        self._kept[key] = (time.monotonic() + seconds, route, answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)


class Answer(Response):
    """A JSON answer with ETag that honours ``If-None-Match`` and ``Accept-Encoding: gzip``.

    Args:
        content: what orjson can write; times must be UTC.
        fresh: seconds for which caches of the caller may use it unasked; 0: they ask each time whether it changed.
        tagged: what the tag is made of, when parts of the content, such as ages, change by themselves.
        keep: seconds for which :class:`Memory` may keep it.
        memory: where it is kept.
    """

    media_type = "application/json"

    def __init__(
        self,
        content: Any,
        *,
        fresh: int = 0,
        tagged: Any = None,
        keep: float = 0.0,
        memory: Memory | None = None,
    ) -> None:
        body = orjson.dumps(content, option=_OPTIONS)
        super().__init__(body, 200, None, self.media_type)
        basis = body if tagged is None else orjson.dumps(tagged, option=_OPTIONS)
        self._tag = b'W/"' + hashlib.blake2b(basis, digest_size=12).hexdigest().encode() + b'"'
        control = f"private, max-age={fresh}" if fresh else "private, no-cache"
        common = [
            (b"content-type", b"application/json"),
            (b"etag", self._tag),
            (b"cache-control", control.encode()),
            (b"vary", b"Accept-Encoding, Authorization, X-API-Key"),
        ]
        self._unchanged: dict[str, Any] = {"type": "http.response.start", "status": 304, "headers": common[1:]}
        self._plain = _messages(common, body)
        self._common = common
        self._packed: tuple[dict[str, Any], dict[str, Any]] | None = None
        self._memory, self._keep = memory, keep

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send the answer in the form that the request's headers ask for; the first time, keep it."""
        if self._memory is not None:
            memory, self._memory = self._memory, None
            memory.keep((scope["path"], scope["query_string"]), scope["route"].path, self, self._keep)
        accepts_gzip, known = False, None
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accepts_gzip = _accepts_gzip(value)
            elif name == b"if-none-match":
                known = value
        if known is not None and (known.strip() == b"*" or self._tag[2:] in known):
            await send({**self._unchanged, "headers": [*self._unchanged["headers"]]})
            await send({"type": "http.response.body", "body": b""})
            return
        start, body = self._compressed() if accepts_gzip else self._plain
        # A copy: the sender may add headers for this one request.
        await send({**start, "headers": [*start["headers"]]})
        await send(body)

    def _compressed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if len(self.body) < _MIN_BYTES_TO_COMPRESS:
            return self._plain
        if self._packed is None:
            packed = gzip.compress(self.body, compresslevel=5, mtime=0)
            self._packed = _messages([*self._common, (b"content-encoding", b"gzip")], packed)
        return self._packed


def _messages(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    length = (b"content-length", str(len(body)).encode())
    return (
        {"type": "http.response.start", "status": 200, "headers": [*headers, length]},
        {"type": "http.response.body", "body": body},
    )


def _accepts_gzip(value: bytes) -> bool:
    for part in value.lower().split(b","):
        name, _, weight = part.partition(b";")
        if name.strip() in (b"gzip", b"*"):
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False
