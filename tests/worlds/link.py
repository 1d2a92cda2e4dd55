"""A link between a client and a server that a test may slow down, cut, or cut in the middle of what it carries."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_CHUNK = 4_096


class Link:
    """Listens on a port of its own and carries bytes to the target and back.

    Args:
        target: port of the server on this machine, or what tells it: servers come back elsewhere.

    Attributes:
        port: where clients connect.
    """

    def __init__(self, target: int | Callable[[], int] = 0) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._seconds = 0.0
        self._left: int | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._listen, name="link", daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port, for clients."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Drop what is connected, and whoever tries to connect."""
        with self._lock:
            self._is_cut = True
            self._drop()

    def cut_after(self, size: int) -> None:
        """Cut it when so many more bytes have passed in either direction."""
        with self._lock:
            self._left = size

    def slow(self, seconds: float) -> None:
        """Hold each piece of up to 4 KiB for so long."""
        self._seconds = seconds

    def mend(self) -> None:
        """Be as good as new; what was dropped stays so."""
        with self._lock:
            self._is_cut, self._left = False, None
        self._seconds = 0.0

    def close(self) -> None:
        """Drop everything for good."""
        self._closed.set()
        self.cut()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            port = self.target if isinstance(self.target, int) else self.target()
            server = socket.create_connection(("127.0.0.1", port), 10)
        except (OSError, RuntimeError):
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
            if self._is_cut:
                self._drop()
                return
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(_CHUNK):
                if self._seconds:
                    self._closed.wait(self._seconds)
                other.sendall(self._allowed(data))
        except OSError:
            pass  # dropped
        finally:
            with self._lock:
                for end in (one, other):
                    self._end(end)

    def _allowed(self, data: bytes) -> bytes:
        """Return the part of a piece that still passes; the link is cut behind it."""
        with self._lock:
            if self._left is None:
                return data
            data, self._left = data[: self._left], max(0, self._left - len(data))
            if not self._left:
                self._is_cut = True
                self._drop()
            return data

    def _drop(self) -> None:
        for end in list(self._open):
            self._end(end)

    def _end(self, end: socket.socket) -> None:
        self._open.discard(end)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
