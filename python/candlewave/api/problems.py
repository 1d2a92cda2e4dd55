"""Errors as RFC 9457 problem documents, in words a caller can act on. Nothing of the inside is shown."""

import difflib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from candlewave.telemetry.logs import get_logger

MEDIA_TYPE = "application/problem+json"
_log = get_logger(__name__)


class ProblemError(Exception):
    """An error that becomes a problem document.

    Args:
        status: HTTP status.
        name: last part of ``type``, such as ``unknown-market``.
        title: what kind of problem it is, the same for every occurrence.
        detail: what was found and what was expected.
        headers: further headers of the answer.
        more: further members of the document.
    """

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.document: dict[str, object] = {
            "type": f"urn:candlewave:problem:{name}",
            "title": title,
            "status": status,
            "detail": detail,
            **more,
        }

    def response(self) -> Response:
        """Return the answer."""
        return Response(
            orjson.dumps(self.document, default=str),
            self.status,
            {"Cache-Control": "no-store", **self.headers},
            MEDIA_TYPE,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; for the parts that work below the framework."""
        await self.response()(scope, receive, send)


def engine_away(detail: str = "The SQL engine does not answer; try again.", seconds: int = 2) -> ProblemError:
    """Return the problem of an engine that cannot be used now."""
    return ProblemError(
        503,
        "engine-not-available",
        "Engine not available",
        detail,
        headers={"Retry-After": str(seconds)},
        retry_after_seconds=seconds,
    )


def bad_parameter(parameter: str, message: str, found: object = None, *, nearest: Iterable[str] = ()) -> ProblemError:
    """Return the problem of one parameter that the type alone does not tell."""
    error = {"parameter": parameter, "message": message, "found": found}
    detail = f"{parameter}: {message}"
    return ProblemError(400, "bad-parameter", "Bad parameter", detail, errors=[error], nearest=list(nearest))


def not_found(name: str, title: str, detail: str, wanted: str, known: Iterable[str]) -> ProblemError:
    """Return a 404 that names what exists and is nearest to what was wanted."""
    close = nearest(wanted, known)
    hint = f" Nearest: {', '.join(close)}." if close else ""
    return ProblemError(404, name, title, detail + hint, nearest=close)


def nearest(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the most similar names, best first; letter case does not matter."""
    names = {name.lower(): name for name in known}
    return [names[name] for name in difflib.get_close_matches(wanted.lower()[:64], names, count, 0.5)]


def install(app: FastAPI) -> None:
    """Turn every error of the application into a problem document."""

    @app.exception_handler(ProblemError)
    async def problem(_: Request, error: ProblemError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return _in_words(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _http_problem(request, error).response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        _log.error("request failed", path=request.url.path, exc_info=error)
        return internal_error().response()


def internal_error() -> ProblemError:
    """Return the problem of an error nobody foresaw; the log has it."""
    return ProblemError(500, "internal-error", "Internal error", "The request failed; the service's log says why.")


def _http_problem(request: Request, error: HTTPException) -> ProblemError:
    phrase = HTTPStatus(error.status_code).phrase
    detail = {
        404: f"There is no {request.url.path} here; /openapi.json lists what there is.",
        405: f"{request.url.path} does not answer to {request.method}.",
    }.get(error.status_code, str(error.detail))
    name = phrase.lower().replace(" ", "-")
    return ProblemError(error.status_code, name, phrase, detail, headers=error.headers)


_EXPECTED = {
    "symbol": "BASE-QUOTE, such as BTC-USD",
    "exchange": "the name of an exchange, such as kraken",
    "asset": "the base of a market, such as BTC",
    "names": "names separated by commas; the catalog lists them",
    "kinds": "some of candle, prediction, alert, freshness, separated by commas",
}
"""What a parameter looks like, for those whose pattern says little to people."""


def _in_words(errors: Iterable[Mapping[str, Any]]) -> ProblemError:
    found = []
    for error in errors:
        place, *rest = [str(part) for part in error["loc"]]
        parameter = ".".join(rest) or place
        match error["type"]:
            case "extra_forbidden":
                message = "there is no such parameter"
            case "missing":
                message = "is required"
            case "string_pattern_mismatch" if parameter in _EXPECTED:
                message = f"expected {_EXPECTED[parameter]}"
            case _:
                message = str(error["msg"]).removeprefix("Value error, ")
        value = error.get("input")
        shown = value if isinstance(value, int | float | bool | None) else str(value)[:200]
        found.append(
            {"parameter": parameter, "message": message, "found": None if error["type"] == "missing" else shown}
        )
    detail = "; ".join(f"{entry['parameter']}: {entry['message']}" for entry in found)
    return ProblemError(400, "bad-parameter", "Bad parameter", detail, errors=found)
