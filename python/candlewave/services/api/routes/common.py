"""What every route declares."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from candlewave.contracts.api import Problem
from candlewave.services.api.problems import MEDIA_TYPE, bad_parameter

_WHEN = {
    400: "A parameter is wrong, unknown or missing",
    401: "No key, or one that does not hold",
    403: "The key lacks the scope",
    404: "There is no such thing",
    408: "The request is too slow",
    413: "The body is too large",
    414: "The address is too long",
    429: "Too many requests",
    431: "The headers are too large",
    503: "The engine does not answer",
}

_PROBLEM = {"$ref": f"#/components/schemas/{Problem.__name__}"}


def answers(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of what a route may answer."""
    found: dict[int | str, dict[str, Any]] = {status: {"model": model}}
    if status == 200:
        found[304] = {"description": "Unchanged since the ETag of If-None-Match"}
    for code, words in _WHEN.items():
        found[code] = {"description": words, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    return found


def router(tag: str) -> APIRouter:
    """Return an empty router of a subject."""
    return APIRouter(prefix="/v1", tags=[tag], dependencies=[Depends(_each_once)])


def _each_once(request: Request) -> None:
    """Refuse a parameter that is given twice: one of the two would be ignored silently."""
    seen = set()
    for name, value in request.query_params.multi_items():
        if name in seen:
            raise bad_parameter(name[:100], "is given more than once", value[:200])
        seen.add(name)
