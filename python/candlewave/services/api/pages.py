"""The dashboard's files; browsers keep them and ask each time whether they changed."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from candlewave.services.api.problems import ProblemError
from candlewave.services.api.security.headers import PAGE_POLICY

_INDEX = "index.html"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
"""Types that must not depend on the machine's own list."""
_MIN_BYTES_TO_COMPRESS = 512


class Pages:
    """ASGI application of ``/`` and ``/static/…``."""

    def __init__(self) -> None:
        self._app = GZipMiddleware(
            _Files(directory=str(files("candlewave.services.api") / "static")), _MIN_BYTES_TO_COMPRESS, compresslevel=6
        )

    def __contains__(self, path: str) -> bool:
        return path == "/" or path.startswith("/static/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD."""
        try:
            await self._app(scope, receive, send)
        except HTTPException as refused:
            if refused.status_code == 405:
                allow = {"Allow": "GET, HEAD"}
                problem = ProblemError(
                    405, "method-not-allowed", "Method not allowed", "Pages are read-only.", headers=allow
                )
            else:
                problem = ProblemError(404, "not-found", "Not found", f"There is no {scope['path'][:200]} here.")
            await problem(scope, receive, send)


class _Files(StaticFiles):
    def get_path(self, scope: Scope) -> str:
        path: str = scope["path"]
        if "\0" in path:
            raise HTTPException(404)
        return _INDEX if path == "/" else os.path.normpath(path.removeprefix("/static/"))

    def file_response(
        self, full_path: Any, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        kind = _TYPES.get(Path(full_path).suffix)
        if kind is not None and "content-type" in response.headers:
            response.headers["Content-Type"] = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
        if Path(full_path).name == _INDEX:
            response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response
