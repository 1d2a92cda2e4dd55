"""The application: routes behind a gate."""

import functools
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from importlib import import_module
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from candlewave import __version__
from candlewave.bus import BusError
from candlewave.contracts.api import Problem
from candlewave.contracts.records import TrainingRequest
from candlewave.core.config import Config
from candlewave.core.times import utc_now
from candlewave.services.api import problems, routes
from candlewave.services.api.context import Context
from candlewave.services.api.gate import OPEN, Gate
from candlewave.services.api.history import History, SqlHistory
from candlewave.services.api.pages import Pages
from candlewave.services.api.paging import Cursors
from candlewave.services.api.reader import Reader
from candlewave.services.api.security.guard import Guard
from candlewave.services.api.settings import ApiSettings
from candlewave.services.api.stream import endpoint
from candlewave.services.api.stream.feed import Feed
from candlewave.services.api.stream.hub import Hub
from candlewave.sqlproject.served import ServedView

_ABOUT = """Forecasts of crypto prices with honest intervals, and how good they were; candles, indicators, features,
news sentiment and alerts behind them. Times are UTC; prices in the quote currency; returns are natural logarithms."""


def _no_bus(_: TrainingRequest) -> None:
    raise BusError("this application was made without a bus")


def create_app(
    url: Callable[[], str],
    config: Config,
    settings: ApiSettings | None = None,
    *,
    pepper: bytes = b"",
    anonymous: bool = True,
    history: Callable[[Reader], History] = SqlHistory,
    model_name: str = "candlewave",
    ask_training: Callable[[TrainingRequest], None] = _no_bus,
    views: Callable[[], Mapping[str, ServedView]] = dict,
    clock: Callable[[], datetime] = utc_now,
) -> "Application":
    """Return the application.

    Args:
        url: tells where the engine is; asked again for each connection, so an engine may come back on another port.
        config: timeframes, horizons, indicators and markets that are configured.
        settings: limits and times; the defaults if None.
        pepper: goes into hashes of keys and signatures of cursors.
        anonymous: reading needs no key.
        history: where past forecasts are read.
        model_name: the registered model.
        ask_training: stores a wish for a training; it may block, and raises BusError.
        views: returns the views of the project that the API runs in; it may take a moment.
        clock: now, in UTC; tests give their own.
    """
    settings = settings or ApiSettings.load()
    reader = Reader(url, settings.pool_size, settings.timeout_seconds)
    past = history(reader)
    context = Context(
        config,
        settings,
        reader,
        past,
        Cursors(pepper),
        anonymous=anonymous,
        model_name=model_name,
        ask_training=ask_training,
        views=views,
        clock=clock,
    )
    hub = Hub(settings.stream_queue, settings.stream_clients)
    feed = Feed(context, hub)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await reader.open()
        async with feed.running():
            yield
        hub.close()
        await past.close()
        await reader.close()

    framework = FastAPI(
        title="candlewave",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    framework.state.context, framework.state.feed = context, feed
    problems.install(framework)
    for router in (*_routers(), endpoint.routes):
        framework.include_router(router)
    _complete_document(framework, anonymous=anonymous)
    guard = Guard(
        reader,
        pepper,
        anonymous=anonymous,
        rate_limit=settings.rate_limit,
        store=settings.rate_limit_store,
        clock=clock,
    )
    return Application(
        framework, Gate(framework, Pages(), guard, context.memory, settings.timeout_seconds), settings, hub, reader
    )


def _routers() -> Iterator[APIRouter]:
    """Yield the router of each module of the room ``routes`` that has one."""
    for found in pkgutil.iter_modules(routes.__path__):
        router = getattr(import_module(f"{routes.__name__}.{found.name}"), "routes", None)
        if router is not None:
            yield router


class Application:
    """What a server runs.

    Attributes:
        framework: the routes, for their OpenAPI document.
        hub: of live events; closed, its streams end.
        reader: of the engine, for readiness.
    """

    def __init__(self, framework: FastAPI, gate: Gate, settings: ApiSettings, hub: Hub, reader: Reader) -> None:
        self.framework, self.hub, self.reader = framework, hub, reader
        app: ASGIApp = gate
        if settings.cors_origins:
            app = CORSMiddleware(
                app,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "HEAD", "POST"],
                allow_headers=["Authorization", "X-API-Key", "Last-Event-ID", "Idempotency-Key"],
                expose_headers=["ETag", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"],
            )
        if settings.trusted_proxies:
            app = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), trusted_hosts=list(settings.trusted_proxies)))
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)


def _header(description: str) -> dict[str, object]:
    return {"description": description, "schema": {"type": "string"}}


_LIMITS: dict[str, object] = {
    "RateLimit-Limit": _header("Requests in the window"),
    "RateLimit-Remaining": _header("Requests left in it"),
    "RateLimit-Reset": _header("Seconds until it ends"),
}
_RETRY: dict[str, object] = {"Retry-After": _header("Seconds to wait")}
_HEADERS: dict[str, dict[str, object]] = {
    "200": {"ETag": _header("For If-None-Match"), "Cache-Control": _header("How long it may be kept"), **_LIMITS},
    "202": _LIMITS,
    "304": {"ETag": _header("For If-None-Match"), **_LIMITS},
    "429": {**_RETRY, **_LIMITS},
    "503": _RETRY,
}
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer cw_..."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "X-API-Key: cw_..."},
}


def _complete_document(framework: FastAPI, *, anonymous: bool) -> None:
    """Add to the OpenAPI document what the gate does: keys, headers, problems."""
    made = framework.openapi
    with_key: list[dict[str, list[str]]] = [{name: []} for name in _KEYS]

    @functools.cache
    def openapi() -> dict[str, object]:
        document = made()
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, definition in schema.pop("$defs", {}).items():
            schemas.setdefault(name, definition)
        schemas[Problem.__name__] = schema
        document["components"]["securitySchemes"] = _KEYS
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                operation["responses"].pop("422", None)  # parameters that are wrong are 400 here
                is_open = path in OPEN or (anonymous and method == "get")
                operation["security"] = [{}, *with_key] if is_open else with_key
                for status, response in operation["responses"].items():
                    if found := _HEADERS.get(status):
                        response["headers"] = found
        return document

    framework.openapi = openapi  # type: ignore[method-assign]
