"""HTTP for addresses that are not trusted: bounded in time, size and redirects, and never into the private network.

The address is checked after the name was resolved, and the connection goes to the very address that was checked, so
that a name cannot change its meaning in between.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from candlewave import __version__

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_CHUNK = 65_536
_MIN_CONNECT_SECONDS = 0.1
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""The part of IPv6 from which public addresses are given out; what hides an IPv4 address elsewhere is not."""
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
USER_AGENT = f"candlewave/{__version__}"

Resolve = Callable[[str, int], list[str]]


class FetchError(Exception):
    """The source cannot be read now; it may be later.

    Attributes:
        retry_after: seconds the server asked to wait, None if it did not.
        status: HTTP status, None when there was no answer.
    """

    def __init__(self, text: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


class FetchRefusedError(Exception):
    """The answer is refused: it is harmful or exceeds a limit.

    Attributes:
        reason: short code for metrics, such as ``too_large``.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status 200 or 304, lower-case header names, body without transfer and content encoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host name."""
    return list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet, also when it is written inside an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False
    # What is_global knows depends on Python's version.
    return ip.is_global and not ip.is_multicast and ip not in _PROTOCOLS


class Fetcher:
    """Get and post within limits. Safe to share among threads.

    Args:
        timeout: seconds for a whole exchange, redirects included.
        max_bytes: largest body, counted after decompression.
        resolver: how names become addresses; tests give their own.
    """

    def __init__(self, timeout: float, max_bytes: int, resolver: Resolve = resolve) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._resolver = resolver

    def get(self, url: str, headers: Mapping[str, str] | None = None, *, allow_private: bool = False) -> Response:
        """Get a document, following redirects.

        Args:
            url: http or https.
            headers: also secret ones; they are not sent to another origin.
            allow_private: the host of ``url`` itself may have a private address.

        Raises:
            FetchError: no answer, or a status other than 200 and 304.
            FetchRefusedError: a limit is broken, or an address is not public.
        """
        trusted = _origin(_split(url)) if allow_private else None
        first = _origin(_split(url))
        sent = dict(headers or {})
        deadline = time.monotonic() + self._timeout
        for _ in range(_MAX_REDIRECTS + 1):
            parts = _split(url)
            response, location = self._exchange(
                "GET", parts, sent if _origin(parts) == first else {}, None, _origin(parts) == trusted, deadline
            )
            if location is None:
                return response
            url = urljoin(url, location)
        raise FetchRefusedError("redirects", f"more than {_MAX_REDIRECTS} redirects")

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Post to an address that the operator configured, private or not; redirects are failures.

        Raises:
            FetchError, FetchRefusedError: as in :meth:`get`.
        """
        response, location = self._exchange("POST", _split(url), headers, body, True, time.monotonic() + self._timeout)
        if location is not None:
            raise FetchError(f"{_shown(_split(url))} answered a post with a redirect", status=response.status)
        return response

    def _exchange(
        self,
        method: str,
        parts: SplitResult,
        headers: Mapping[str, str],
        body: bytes | None,
        allow_private: bool,
        deadline: float,
    ) -> tuple[Response, str | None]:
        where = _shown(parts)
        connection = self._connect(parts, allow_private)
        # One timer bounds the whole exchange: a server that sends a byte now and then never exceeds a socket timeout.
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), connection.abort)
        timer.daemon = True
        timer.start()
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "Connection": "close", **headers}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            if answer.status in _REDIRECTS and "location" in names:
                return Response(answer.status, names, b""), names["location"]
            content = self._read(answer, names, where) if answer.status != 304 else b""
        except (OSError, http.client.HTTPException, ValueError, FetchError) as error:
            # The clock decides, not the timer: the socket's own timeout may come first.
            if time.monotonic() >= deadline:
                raise FetchError(f"{where} did not answer within {self._timeout:g} s") from None
            if isinstance(error, FetchError):
                raise
            raise FetchError(f"{where}: {type(error).__name__}: {error}") from None
        finally:
            timer.cancel()
            connection.close()
        if answer.status not in {200, 304}:
            raise FetchError(
                f"{where} answered {answer.status}",
                status=answer.status,
                retry_after=_seconds(names.get("retry-after")),
            )
        return Response(answer.status, names, content), None

    def _connect(self, parts: SplitResult, allow_private: bool) -> "_PinnedHttp":
        host = parts.hostname
        if parts.scheme not in {"http", "https"} or not host:
            raise FetchRefusedError("scheme", f"{parts.scheme!r} address is not accepted, only http and https")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            addresses = self._resolver(host, port)
        except (OSError, UnicodeError, ValueError) as error:
            raise FetchError(f"{host}: {error}") from None
        if not addresses:
            raise FetchError(f"{host} has no address")
        if not allow_private and not all(is_public(address) for address in addresses):
            raise FetchRefusedError("private_address", f"{host} leads to a private address")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        return _PinnedHttp(host, port, addresses, self._timeout, tls)

    def _read(self, answer: http.client.HTTPResponse, names: Mapping[str, str], where: str) -> bytes:
        encoding = names.get("content-encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise FetchRefusedError("encoding", f"{where}: content encoding {encoding!r} was not asked for")
        unpack = zlib.decompressobj(31) if encoding.endswith("gzip") else None
        parts: list[bytes] = []
        size = 0
        while chunk := answer.read1(_CHUNK):
            while chunk:
                room = self._max_bytes - size + 1
                data = unpack.decompress(chunk, room) if unpack is not None else chunk
                chunk = unpack.unconsumed_tail if unpack is not None else b""
                size += len(data)
                if size > self._max_bytes:
                    raise FetchRefusedError("too_large", f"{where}: more than {self._max_bytes:,} bytes")
                parts.append(data)
        if unpack is not None and not unpack.eof:
            raise FetchError(f"{where}: the answer ends in the middle")
        if answer.length:
            raise FetchError(f"{where}: the answer ends {answer.length:,} bytes early")
        return b"".join(parts)


class _PinnedHttp(http.client.HTTPConnection):
    """Connects to the first of the given addresses that answers, not to what the host name resolves to by then.

    Certificate and name are the host's.
    """

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], timeout: float, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        if tls is not None:
            self.default_port = 443
        self._addresses = addresses
        self._seconds = timeout
        self._tls = tls
        self._wire: socket.socket | None = None

    def connect(self) -> None:
        self._wire = self.sock = self._reach()
        if self._tls is not None:
            self._wire = self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)

    def _reach(self) -> socket.socket:
        failures: list[str] = []
        deadline = time.monotonic() + self._seconds
        for number, address in enumerate(self._addresses):
            # Those still to come share what is left of the time, so that a dead first one leaves some to the others.
            share = (deadline - time.monotonic()) / (len(self._addresses) - number)
            try:
                wire = socket.create_connection((address, self.port), max(share, _MIN_CONNECT_SECONDS))
            except OSError as error:
                failures.append(f"{address}: {error}")
                continue
            wire.settimeout(self._seconds)
            return wire
        raise OSError("; ".join(failures))

    def abort(self) -> None:
        """Interrupt another thread that waits on this connection."""
        if self._wire is not None:
            try:
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise FetchRefusedError("address", f"not an address: {error}") from None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        return parts.scheme, parts.hostname, parts.port
    except ValueError as error:
        raise FetchRefusedError("address", f"not an address: {error}") from None


def _shown(parts: SplitResult) -> str:
    """Return an address for logs: without query, which may hold a key, and without user and password."""
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _seconds(text: str | None) -> float | None:
    """Read a Retry-After in seconds; its date form is not worth the trouble."""
    if text is None or not text.strip().isdigit():
        return None
    return float(text)
