"""The dashboard's files: read once, compressed once, found by exact name."""

import gzip
import hashlib
import mimetypes
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from candlewave.services.api.problems import ProblemError
from candlewave.services.api.security.headers import PAGE_POLICY

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_MIN_BYTES_TO_COMPRESS = 512


class Pages:
    """ASGI application of ``/`` and ``/static/…``; browsers keep files and ask each time whether they changed."""

    def __init__(self) -> None:
        static = files("candlewave.services.api") / "static"
        self._files = {f"/static/{name}": _file(name, found) for name, found in _walk(static)}
        self._files["/"] = self._files["/static/index.html"]

    def __contains__(self, path: str) -> bool:
        return path == "/" or path.startswith("/static/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD."""
        if scope["method"] not in ("GET", "HEAD"):
            allow = {"Allow": "GET, HEAD"}
            problem = ProblemError(
                405, "method-not-allowed", "Method not allowed", "Pages are read-only.", headers=allow
            )
            await problem(scope, receive, send)
            return
        found = self._files.get(scope["path"])
        if found is None:
            detail = f"There is no {scope['path'][:200]} here."
            await ProblemError(404, "not-found", "Not found", detail)(scope, receive, send)
            return
        await found.answer(dict(scope["headers"]))(scope, receive, send)


class _File:
    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        self._tag = tag.encode()
        self._headers = {**headers, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        self._plain = body
        packed = gzip.compress(body, 9, mtime=0) if len(body) >= _MIN_BYTES_TO_COMPRESS else body
        self._packed = packed if len(packed) < len(body) else None

    def answer(self, asked: dict[bytes, bytes]) -> Response:
        if self._tag in asked.get(b"if-none-match", b""):
            return Response(None, 304, self._headers)
        if self._packed is not None and b"gzip" in asked.get(b"accept-encoding", b""):
            return Response(self._packed, 200, {**self._headers, "Content-Encoding": "gzip"})
        return Response(self._plain, 200, self._headers)


def _file(name: str, found: Traversable) -> _File:
    suffix = f".{name.rpartition('.')[2]}"
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind}
    if name == "index.html":
        headers["Content-Security-Policy"] = PAGE_POLICY
    return _File(found.read_bytes(), headers)


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        found += _walk(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found
