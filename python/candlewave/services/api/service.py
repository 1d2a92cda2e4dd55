"""The service ``predictions-api``: one server process; replicas need nothing from each other but the pepper."""

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from candlewave.bus import open_bus
from candlewave.bus.messages import to_message
from candlewave.contracts.records import TrainingRequest
from candlewave.contracts.topics import TRAINING_REQUESTS
from candlewave.core.config import Config
from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Environment, Settings
from candlewave.engine.connect import engine_url
from candlewave.services.api.app import Application, create_app
from candlewave.services.api.history import History, SearchHistory, SqlHistory
from candlewave.services.api.protocol import Protocol
from candlewave.services.api.reader import Reader
from candlewave.services.api.security.pepper import read_pepper
from candlewave.services.api.settings import ApiSettings
from candlewave.services.frame import Service
from candlewave.sqlproject.served import OwnViews

_BACKLOG = 2_048
_LOOK_SECONDS = 0.5


class ListenError(CandlewaveError):
    """The API cannot listen on its address; the text says why."""


def main(service: Service, config: Config, api_settings: ApiSettings, model_name: str) -> None:
    """Serve until the service stops; the engine may come and go.

    Raises:
        ListenError: the port is taken, or may not be used.
        PepperError: outside development there is no API_KEY_PEPPER.
    """
    app = make_app(service.settings, config, api_settings, model_name)
    service.readiness.add("engine", lambda: app.reader.problem)
    try:
        listener = socket.create_server((api_settings.host, api_settings.port), backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {api_settings.host}:{api_settings.port}: {error.strerror or error}"
        ) from None
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
    thread.start()
    service.log.info(
        "serving",
        address=f"http://{api_settings.host}:{listener.getsockname()[1]}/",
        anonymous=_is_anonymous(service.settings, api_settings),
    )
    try:
        while thread.is_alive() and not service.stop.wait(_LOOK_SECONDS):
            pass
    finally:
        app.hub.close_soon()
        server.should_exit = True
        thread.join()
    if not service.stop.is_set():
        raise RuntimeError("the HTTP server ended by itself")


def make_app(settings: Settings, config: Config, api_settings: ApiSettings, model_name: str) -> Application:
    """Return the application that settings and configuration describe.

    Raises:
        PepperError: outside development there is no API_KEY_PEPPER.
    """

    def ask_training(request: TrainingRequest) -> None:
        with open_bus(settings) as bus:
            bus.ensure_topics([TRAINING_REQUESTS])
            bus.publish(TRAINING_REQUESTS.name, [to_message(request)])

    return create_app(
        lambda: engine_url(settings),
        config,
        api_settings,
        pepper=read_pepper(settings, api_settings),
        anonymous=_is_anonymous(settings, api_settings),
        history=_history(settings),
        model_name=model_name,
        ask_training=ask_training,
        views=OwnViews(config).read,
    )


def make_server(app: ASGIApp) -> uvicorn.Server:
    """Return a server without logs of its own; the service logs and counts requests."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",
        access_log=False,
        loop="uvloop",
        http=Protocol,
        ws="none",
        server_header=False,
        date_header=True,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


def _history(settings: Settings) -> Callable[[Reader], History]:
    if settings.elasticsearch_url is None:
        return SqlHistory
    from candlewave.elastic.client import open_async_client

    return lambda _: SearchHistory(open_async_client(settings))


def _is_anonymous(settings: Settings, api_settings: ApiSettings) -> bool:
    return settings.environment is Environment.DEVELOPMENT if api_settings.anonymous is None else api_settings.anonymous
