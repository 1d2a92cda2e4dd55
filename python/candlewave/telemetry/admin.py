"""The small HTTP server of each service: ``/healthz``, ``/readyz`` and ``/metrics``."""

import errno
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from candlewave.core.errors import CandlewaveError
from candlewave.telemetry.logs import get_logger
from candlewave.telemetry.redact import redact

Check = Callable[[], str | None]
"""Returns None when all is well, otherwise what is wrong. Called on every request: it must be quick."""

_log = get_logger(__name__)


class AdminPortTakenError(CandlewaveError):
    """The admin port is in use; the text says how to choose another."""


@dataclass
class Status:
    """What keeps one part of a process from working; None when nothing does. Any thread may set it."""

    problem: str | None = "starting"


class Readiness:
    """Named checks that decide whether a service wants traffic."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._notes: dict[str, Check] = {}
        self._closed: str | None = None

    def add(self, name: str, check: Check) -> None:
        """Add a check; one of the same name is replaced."""
        self._checks = {**self._checks, name: check}

    def note(self, name: str, check: Check) -> None:
        """Add a check that is shown beside the others and never makes the service unready."""
        self._notes = {**self._notes, name: check}

    def status(self, name: str) -> Status:
        """Add a check whose answer the caller sets: not ready until it says otherwise."""
        status = Status()
        self.add(name, lambda: status.problem)
        return status

    def remove(self, name: str) -> None:
        """Remove a check, if it is there."""
        self._checks = {known: check for known, check in self._checks.items() if known != name}

    def notes(self) -> dict[str, str]:
        """Return what the notes say now, without those that have nothing to say."""
        found = {name: _ask(name, check) for name, check in self._notes.items()}
        return {name: text for name, text in found.items() if text is not None}

    def close(self, reason: str) -> None:
        """Be unready from now on, regardless of the checks."""
        self._closed = reason

    def problems(self) -> dict[str, str | None]:
        """Run all checks and return what is wrong by name, None where nothing is."""
        found = {name: _ask(name, check) for name, check in self._checks.items()}
        return found if self._closed is None else {"service": self._closed, **found}


class AdminServer:
    """Serve health and metrics from a thread, until :meth:`stop`.

    Args:
        host: address to listen on.
        port: TCP port; 0 takes a free one, see :attr:`port`.
        readiness: the checks of ``/readyz``.
        registry: the metrics of ``/metrics``.

    Raises:
        AdminPortTakenError: another process listens there.
    """

    def __init__(self, host: str, port: int, readiness: Readiness, registry: CollectorRegistry = REGISTRY) -> None:
        class Handler(_Handler):
            pass

        Handler.readiness = readiness
        Handler.registry = registry
        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AdminPortTakenError(
                    f"the admin port {port} on {host} is taken; set ADMIN_PORT to another, or to 0 for a free one"
                ) from None
            raise
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="admin", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    readiness: Readiness
    registry: CollectorRegistry
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.split("?", 1)[0]
        if path == "/healthz":
            self._send_json(HTTPStatus.OK, {"status": "ok"})
        elif path == "/readyz":
            problems = self.readiness.problems()
            ready = not any(problems.values())
            checks = {name: {"ok": problem is None, "problem": problem} for name, problem in problems.items()}
            self._send_json(
                HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
                {"ready": ready, "checks": checks, "notes": self.readiness.notes()},
            )
        elif path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._send(HTTPStatus.OK, encode(self.registry), content_type)
        else:
            self._send_json(
                HTTPStatus.NOT_FOUND, {"error": f"no {path} here; there are /healthz, /readyz and /metrics"}
            )

    def _send_json(self, status: HTTPStatus, body: object) -> None:
        self._send(status, json.dumps(body).encode() + b"\n", "application/json")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        _log.debug("admin request", request=format % args)


def _ask(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (any failure of a check is its answer)
        _log.warning("readiness check failed", check=name, exc_info=True)
        return redact(f"{type(error).__name__}: {error}")
