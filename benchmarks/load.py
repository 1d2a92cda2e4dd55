"""Load on the API from a process of its own: ``python -m benchmarks.load peak|paced|streams …``, one line of JSON.

It speaks HTTP over asyncio's protocols: a client library would cost more than the server that it measures.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import uvloop

_CLOSE = re.compile(rb'"close":([0-9.]+),')
_LENGTH = b"content-length:"
_PATIENCE = 10.0
"""Seconds for the last answers; what has none then counts as failed."""


class _Connection(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, request: bytes, done: "Callable[[_Connection, float, int], None]") -> None:
        self._request, self._done = request, done
        self._received = b""
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self, at: float) -> None:
        self._asked_at = at
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].lower()
        place = head.find(_LENGTH)
        length = int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._received) >= end + 4 + length:
            self._received = b""
            self._done(self, time.perf_counter() - self._asked_at, int(head[9:12]))


async def requests(port: int, path: str, seconds: float, connections: int, rate: float | None) -> dict[str, Any]:
    """Ask as fast as the connections allow, or at a rate; times are from when a request was due, sent or not."""
    loop = asyncio.get_running_loop()
    took: list[float] = []
    failed = 0
    free: list[_Connection] = []
    waiting: deque[float] = deque()
    """When the requests were due for which no connection was free."""
    stop = time.perf_counter() + seconds

    def done(connection: _Connection, duration: float, status: int) -> None:
        nonlocal failed
        took.append(duration)
        failed += status != 200
        now = time.perf_counter()
        if waiting:
            connection.ask(waiting.popleft())
        elif rate is not None:
            free.append(connection)
        elif now < stop:
            connection.ask(now)

    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
    made = [
        (await loop.create_connection(lambda: _Connection(request, done), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    begun = time.perf_counter()
    if rate is None:
        for connection in made:
            connection.ask(time.perf_counter())
        await asyncio.sleep(seconds + 0.2)
    else:
        free.extend(made)
        number = 0
        while (due := begun + number / rate) < stop:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if free:
                free.pop().ask(due)
            else:
                waiting.append(due)
            number += 1
        end = stop + _PATIENCE
        while len(free) < len(made) and time.perf_counter() < end:
            await asyncio.sleep(0.05)
        failed += len(waiting) + len(made) - len(free)
    took.sort()
    return {
        "per_second": len(took) / seconds,
        "failed": failed,
        "p50": took[len(took) // 2],
        "p99": took[int(len(took) * 0.99)],
    }


class _Stream(asyncio.Protocol):
    """Notes when each close price arrives."""

    def __init__(self, path: str, seen: dict[str, list[float]]) -> None:
        self._path, self._seen, self._tail = path, seen, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.time()
        data = self._tail + data
        cut = data.rfind(b"\n\n") + 2
        self._tail = data[cut:] if cut >= 2 else data
        for found in _CLOSE.finditer(data[: max(cut, 0)]):
            self._seen.setdefault(found[1].decode(), []).append(now)

    def connection_lost(self, _: Exception | None) -> None:
        self._seen.setdefault("lost", []).append(time.time())


async def streams(port: int, path: str, seconds: float, clients: int) -> dict[str, Any]:
    """Open live streams; say ``ready``, listen, return when each close price came to each."""
    seen: dict[str, list[float]] = {}
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(lambda: _Stream(path, seen), "127.0.0.1", port)
    await asyncio.sleep(2)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.sleep(seconds)
    return dict(seen)


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["peak", "paced", "streams"])
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("seconds", type=float)
    parser.add_argument("connections", type=int)
    parser.add_argument("--rate", type=float, default=500.0)
    asked = parser.parse_args()
    if asked.mode == "streams":
        work = streams(asked.port, asked.path, asked.seconds, asked.connections)
    else:
        rate = asked.rate if asked.mode == "paced" else None
        work = requests(asked.port, asked.path, asked.seconds, asked.connections, rate)
    sys.stdout.write(json.dumps(uvloop.run(work)) + "\n")


if __name__ == "__main__":
    main()
