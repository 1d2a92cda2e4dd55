"""Errors as RFC 9457 problem documents, in words a caller can act on. Internals are not shown."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"


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
    """Return the problem of a parameter that its type alone does not reveal."""
    error = {"parameter": parameter, "message": message, "found": found}
    detail = f"{parameter}: {message}"
    return ProblemError(400, "bad-parameter", "Bad parameter", detail, errors=[error], nearest=list(nearest))


def not_found(name: str, title: str, detail: str, wanted: str, known: Iterable[str]) -> ProblemError:
    """Return a 404 that names what exists and is nearest to what was asked for."""
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
    async def unexpected(_: Request, __: Exception) -> Response:
        return internal_error().response()  # it is raised on all the same, to the gate, which logs it


def internal_error() -> ProblemError:
    """Return the problem of an unexpected error; the log has it."""
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
    "reason": "words that tell why",
}
"""What a parameter looks like, for those whose pattern says little to people."""


def _shown(value: object) -> str | int | float | None:
    """Return what was found as JSON can say it, a part of it if it is long."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _printable(value[:200] if isinstance(value, str) else reprlib.repr(value)[:200])


def _printable(text: str) -> str:
    """Return a text that can be sent: JSON may escape half a surrogate pair, which UTF-8 has not."""
    return text.encode(errors="replace").decode()


def _in_words(errors: Iterable[Mapping[str, Any]]) -> ProblemError:
    found = []
    for error in errors:
        place, *rest = [str(part) for part in error["loc"]]
        parameter = ".".join(rest) or place
        value = error.get("input")
        match error["type"]:
            case "json_invalid":
                where, parameter, value = parameter, place, None
                message = f"is not JSON: {error['ctx']['error']} at character {where}"
            case "model_attributes_type":
                message = "expected a JSON object, sent with Content-Type: application/json"
                value = value.decode(errors="replace") if isinstance(value, bytes) else value
            case "extra_forbidden":
                message = "there is no such parameter"
            case "missing":
                message = "is required"
            case "string_pattern_mismatch" if parameter in _EXPECTED:
                message = f"expected {_EXPECTED[parameter]}"
            case _:
                message = str(error["msg"]).removeprefix("Value error, ")
        shown = None if error["type"] == "missing" else _shown(value)
        found.append({"parameter": _printable(parameter[:200]), "message": message, "found": shown})
    detail = "; ".join(f"{entry['parameter']}: {entry['message']}" for entry in found)
    return ProblemError(400, "bad-parameter", "Bad parameter", detail, errors=found)
