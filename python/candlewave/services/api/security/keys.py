"""API keys: 256 random bits behind a public prefix; the engine has only a keyed hash of them.

A key is ``cw_<prefix>_<secret>``: twelve hexadecimal digits that name it in lists and logs, and 32 random bytes.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import dict_row

from candlewave.core.times import utc_now

SCOPES = ("read", "train")
"""What a key may be for: all GET requests; asking for a training."""

_FORM = re.compile(r"cw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """What is known about a key; times in UTC.

    Attributes:
        prefix: public name.
        hash: HMAC-SHA-256 of the whole key under the pepper, hexadecimal.
        name: what people call it.
        scopes: of :data:`SCOPES`.
        expires_at: None for never.
        revoked_at: None while it holds.
    """

    prefix: str
    hash: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def refusal(self, now: datetime) -> str | None:
        """Return why the key does not hold now, None if it does."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return None


def make_key(
    pepper: bytes, name: str, scopes: Iterable[str], lifetime: timedelta | None, now: datetime
) -> tuple[str, ApiKey]:
    """Return a new key, to be shown once, and what is stored of it."""
    prefix = secrets.token_hex(6)
    key = f"cw_{prefix}_{secrets.token_urlsafe(32)}"
    expires = None if lifetime is None else now + lifetime
    return key, ApiKey(prefix, hash_key(pepper, key), name, frozenset(scopes), now, expires, None)


def hash_key(pepper: bytes, key: str) -> str:
    """Return what is stored of a key."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def prefix_of(key: str) -> str | None:
    """Return a key's public prefix, None when the text cannot be a key."""
    match = _FORM.fullmatch(key)
    return None if match is None else match[1]


def is_right(pepper: bytes, key: str, stored: ApiKey) -> bool:
    """Return whether ``key`` is the one that was stored, in a time that does not depend on the difference."""
    return hmac.compare_digest(hash_key(pepper, key), stored.hash)


FIND = "SELECT prefix, hash, name, scopes, created_at, expires_at, revoked_at FROM api_keys WHERE prefix = %s"


def from_row(row: dict[str, object]) -> ApiKey:
    """Return the key of a row of ``api_keys``."""
    return ApiKey(**{**row, "scopes": frozenset(str(row["scopes"]).split())})  # type: ignore[arg-type]


def store(conn: psycopg.Connection, key: ApiKey) -> None:
    """Write a new key to the engine."""
    conn.execute(
        "INSERT INTO api_keys (prefix, hash, name, scopes, created_at, expires_at, revoked_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, NULL)",
        [key.prefix, key.hash, key.name, " ".join(sorted(key.scopes)), key.created_at, key.expires_at],
    )


def stored(conn: psycopg.Connection) -> list[ApiKey]:
    """Return all keys, oldest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT prefix, hash, name, scopes, created_at, expires_at, revoked_at FROM api_keys"
            " ORDER BY created_at, prefix"
        )
        return [from_row(row) for row in cursor]


def revoke(conn: psycopg.Connection, prefix: str) -> bool:
    """Revoke a key; False when no valid key has this prefix."""
    found = conn.execute("SELECT 1 FROM api_keys WHERE prefix = %s AND revoked_at IS NULL", [prefix]).fetchone()
    if found is None:
        return False
    conn.execute("UPDATE api_keys SET revoked_at = %s WHERE prefix = %s AND revoked_at IS NULL", [utc_now(), prefix])
    return True
