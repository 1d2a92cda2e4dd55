"""Authentication, authorisation and rate limits: decided before anything else is done for a request."""

import ipaddress
import time
from collections.abc import Callable
from datetime import datetime

from limits import RateLimitItem, parse_many
from limits.aio import strategies
from limits.storage import storage_from_string
from starlette.types import Scope

from candlewave.core.times import utc_now
from candlewave.services.api import metrics
from candlewave.services.api.cache import SingleFlight
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.reader import Reader
from candlewave.services.api.security import keys
from candlewave.telemetry.logs import get_logger

Headers = list[tuple[bytes, bytes]]
REVOCATION_SECONDS = 2.0
"""Most seconds for which a key is believed without another look at the engine."""

_HOW = "Send it as `Authorization: Bearer cw_...` or `X-API-Key: cw_...`."
_log = get_logger(__name__)


class Guard:
    """Admit requests.

    Args:
        reader: finds keys.
        pepper: goes into their hashes.
        anonymous: reading needs no key.
        rate_limit: see :class:`candlewave.services.api.settings.ApiSettings`.
        store: where requests are counted.
        clock: now, in UTC.
    """

    def __init__(
        self,
        reader: Reader,
        pepper: bytes,
        *,
        anonymous: bool,
        rate_limit: str,
        store: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._reader, self._pepper, self._anonymous, self._clock = reader, pepper, anonymous, clock
        # The longest window last: its state is what the headers report.
        self._limits: list[RateLimitItem] = sorted(parse_many(rate_limit), key=lambda item: item.get_expiry())
        # The library's default for Redis is a client of its own, which is one dependency more.
        more = {"implementation": "redispy"} if store.startswith("redis") else {}
        self._counter = strategies.FixedWindowRateLimiter(storage_from_string(f"async+{store}", **more))
        self._in_memory = strategies.FixedWindowRateLimiter(storage_from_string("async+memory://"))
        self._told: dict[str, float] = {}
        self._found = SingleFlight(4096)

    async def admit(self, scope: Scope) -> Headers:
        """Return the rate-limit headers of the answer.

        Raises:
            ProblemError: 401, 403, 429; 503 when the engine is needed and away. Its headers also report the limit.
        """
        text = _key_of(scope)
        address = _place(scope)
        if text is None:
            headers = await self._count(f"address:{address}")
            if not self._anonymous:
                raise _no_key("missing", f"This API needs a key. {_HOW}", headers)
            if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                raise _no_key("missing", f"Without a key this API is read-only. {_HOW}", headers)
            return headers
        key = await self._holds(text, address)
        scope["api_key"] = key.prefix
        headers = await self._count(f"key:{key.prefix}")
        scope_needed = "read" if scope["method"] in ("GET", "HEAD", "OPTIONS") else "train"
        if scope_needed not in key.scopes:
            raise ProblemError(
                403,
                "scope-missing",
                "Not permitted",
                f"The key {key.prefix} has not the scope {scope_needed}; it has: {' '.join(sorted(key.scopes))}.",
                headers=_text(headers),
            )
        return headers

    async def count(self, scope: Scope) -> Headers:
        """Count a request that needs no key against its address, and return the rate-limit headers of the answer.

        Raises:
            ProblemError: 429.
        """
        return await self._count(f"address:{_place(scope)}")

    async def _holds(self, text: str, address: str) -> keys.ApiKey:
        prefix = keys.prefix_of(text)
        stored: keys.ApiKey | None = None
        if prefix is not None:
            if prefix not in self._found:
                await self._may_guess(address)
            stored = await self._found.get(prefix, REVOCATION_SECONDS, lambda: self._find(prefix))
        if stored is None or not keys.is_right(self._pepper, text, stored):
            reason, words = "unknown", "The key is not known"
        elif reason := stored.refusal(self._clock()) or "":
            words = f"The key {stored.prefix} is {reason}"
        else:
            return stored
        metrics.REFUSED_KEYS.labels(reason).inc()
        # Guessing counts against the address.
        raise _no_key(reason, f"{words}. {_HOW}", await self._count(f"address:{address}"))

    async def _may_guess(self, address: str) -> None:
        """Refuse an address that has used up its limit, before the engine is asked for a key it may have invented."""
        try:
            tests = [await self._counter.test(limit, f"address:{address}") for limit in self._limits]
        except self._counter.storage.base_exceptions:
            tests = [await self._in_memory.test(limit, f"address:{address}") for limit in self._limits]
        if not all(tests):
            await self._count(f"address:{address}")

    async def _find(self, prefix: str) -> keys.ApiKey | None:
        row = await self._reader.row(keys.FIND, [prefix])
        return None if row is None else keys.from_row(row)

    async def _count(self, who: str) -> Headers:
        """Count a request; while a shared store is down, this process counts for itself."""
        try:
            return await self._count_in(self._counter, who)
        except self._counter.storage.base_exceptions as error:
            _log.warning("rate limits are counted in memory: the store is down", error=str(error))
            return await self._count_in(self._in_memory, who)

    async def _count_in(self, counter: strategies.RateLimiter, who: str) -> Headers:
        allowed, item = True, self._limits[-1]
        for limit in self._limits:
            if not await counter.hit(limit, who):
                allowed, item = False, limit
                break
        state = await counter.get_window_stats(item, who)
        seconds = max(1, round(state.reset_time - time.time()))
        headers = [
            (b"ratelimit-limit", b"%d" % item.amount),
            (b"ratelimit-remaining", b"%d" % max(0, state.remaining)),
            (b"ratelimit-reset", b"%d" % seconds),
        ]
        if not allowed:
            metrics.RATE_LIMITED.inc()
            self._tell(who, str(item), state.reset_time)
            raise ProblemError(
                429,
                "too-many-requests",
                "Too many requests",
                f"More than {item.amount} requests in {item.get_expiry()} s; go on in {seconds} s.",
                headers={"Retry-After": str(seconds), **_text(headers)},
                retry_after_seconds=seconds,
            )
        return headers

    def _tell(self, who: str, limit: str, until: float) -> None:
        """Log once per window: a refused client usually tries many times."""
        now = time.time()
        if self._told.get(who, 0.0) < now:
            self._told = {name: end for name, end in self._told.items() if end >= now}
            self._told[who] = until
            _log.warning("rate limited", who=who, limit=limit)


def _place(scope: Scope) -> str:
    """Return whom a request without a key is counted for: an address; of IPv6 the network that one customer has."""
    client = scope.get("client")
    text = str(client[0]) if client else "unknown"
    if ":" not in text:
        return text
    address = ipaddress.IPv6Address(text)
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def _key_of(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value.decode("latin-1").strip())
        if name == b"authorization":
            kind, _, credentials = value.decode("latin-1").partition(" ")
            # Another scheme is not one of our keys, and must not silently count as anonymous.
            return str(credentials.strip()) if kind.lower() == "bearer" else ""
    return None


def _no_key(reason: str, detail: str, headers: Headers) -> ProblemError:
    return ProblemError(
        401,
        f"key-{reason}",
        "Key needed",
        detail,
        headers={"WWW-Authenticate": 'Bearer realm="candlewave"', **_text(headers)},
    )


def _text(headers: Headers) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}
