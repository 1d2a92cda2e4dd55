"""A real HTTP server whose answers a test scripts, good and bad ones."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """An answer. ``length`` overrides the Content-Length; ``hang`` waits until the server ends before the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    hang: bool = False
    drip: bool = False


Answer = Callable[[Request], Reply]


class Web:
    """The server: ``answers`` by path without query; every request is kept."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[Request] = []
        self.ended = threading.Event()
        self.base = ""

    def reply(self, path: str, *replies: Reply) -> None:
        """Answer a path with these in turn, the last one from then on."""
        rest = list(replies)

        def answer(_: Request) -> Reply:
            return rest.pop(0) if len(rest) > 1 else rest[0]

        self.answers[path] = answer

    def url(self, path: str) -> str:
        return self.base + path


@contextmanager
def serve() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)
            )
            web.requests.append(request)
            answer = web.answers.get(self.path.split("?")[0])
            reply = answer(request) if answer else Reply(404)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if reply.hang:
                web.ended.wait(30)
            if reply.drip:
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if web.ended.wait(0.02):
                        return
            else:
                self.wfile.write(reply.body)

        do_GET = do_POST = _handle  # noqa: N815 (interface)

        def log_message(self, *_: object) -> None:
            return

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # the client went away, as the tests of limits want

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        web.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
