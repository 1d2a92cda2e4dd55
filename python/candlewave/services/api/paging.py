"""Cursors: where in the data a page ended, signed, and bound to the parameters of its list."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

import orjson

from candlewave.services.api.problems import ProblemError, bad_parameter

_SIGNATURE_BYTES = 12


class Cursors:
    """Write and read cursors.

    Args:
        secret: signs them; the same in all replicas, so that a page can come from another one.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"cursor" + secret).digest()

    def write(self, wanted: Sequence[object], position: Sequence[object]) -> str:
        """Return the cursor of a position in the list that the parameters ``wanted`` describe."""
        body = orjson.dumps([str(p) if not isinstance(p, datetime) else p for p in position], option=orjson.OPT_UTC_Z)
        return base64.urlsafe_b64encode(self._sign(wanted, body) + body).rstrip(b"=").decode()

    def read(self, wanted: Sequence[object], cursor: str | None) -> list[str] | None:
        """Return the position, None without a cursor.

        Raises:
            ProblemError: 400, the cursor was changed, or belongs to a list with other parameters.
        """
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        except ValueError:
            raise _refused(cursor) from None
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        # Two texts can mean the same bytes; only the one that was given out holds.
        if not hmac.compare_digest(signature, self._sign(wanted, body)) or (
            base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor
        ):
            raise _refused(cursor)
        position: list[str] = orjson.loads(body)
        return position

    def _sign(self, wanted: Sequence[object], body: bytes) -> bytes:
        text = orjson.dumps([str(part) for part in wanted])
        return hmac.digest(self._secret, len(text).to_bytes(4, "big") + text + body, "sha256")[:_SIGNATURE_BYTES]


def _refused(cursor: str) -> ProblemError:
    return bad_parameter(
        "cursor",
        "is not one that this list gave; use next_cursor unchanged, with the same other parameters,"
        " or leave it out to start again",
        cursor[:80],
    )
