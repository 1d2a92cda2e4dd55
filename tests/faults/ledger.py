"""What was produced, held against what is there: each record in exactly one of table, rejects and dead letters.

A record is known by its append time, which no other has; a message that was sent twice, since nobody said whether the
first had arrived, is the same record at two places of its topic.
"""

import base64
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from candlewave.bus.protocol import Message
from candlewave.contracts.records import MAX_DEAD_PAYLOAD

MICROSECOND = timedelta(microseconds=1)


@dataclass
class Ledger:
    """The records of one run.

    Attributes:
        begin: append time of the first; all lie in the hour that follows.
        expected: where each belongs, by append time; None where either the table or the rejects will do.
        payloads: of all that were sent.
    """

    begin: datetime
    expected: dict[datetime, str] = field(default_factory=dict)
    payloads: dict[datetime, bytes | None] = field(default_factory=dict)
    same: dict[datetime, datetime] = field(default_factory=dict)
    """Of a record that repeats an earlier one word for word: that one, in whose row it is."""

    def message(self, payload: bytes | None, key: str, belongs: str) -> Message:
        """Return a message that is to be found in ``table``, ``rejects``, ``letters`` or ``any`` one of them."""
        at = self.begin + len(self.expected) * MICROSECOND
        earlier = next((when for when, known in self.payloads.items() if known == payload), None)
        if earlier is not None and belongs != "letters":
            self.same[at] = earlier
        self.expected[at], self.payloads[at] = belongs, payload
        return Message(payload, key, append_ts=at)

    def problems(self, conn: psycopg.Connection) -> list[str]:
        """Return what is wrong: lost, doubled, elsewhere than it belongs, or never produced."""
        places = self._places(conn)
        found = [
            f"{at.time()} {self.payloads[at]!r:.200}: expected in {belongs}, is in {', '.join(where) or 'none'}"
            for at, belongs in self.expected.items()
            if at not in self.same
            for where in [sorted(places.get(at, ()))]
            if len(where) != 1 or (belongs != "any" and where != [belongs])
        ]
        # A record that repeats a row word for word has none of its own; a letter is written for each.
        found += [
            f"{at.time()} is in {where or 'none'}, as {earlier.time()} in {first}"
            for at, earlier in self.same.items()
            for where, first in [(places.get(at, []), places.get(earlier, []))]
            if where != (first if first == ["letters"] else [])
        ]
        found += [f"{at.time()}: nobody produced it" for at in places.keys() - self.expected.keys()]
        return found

    def _places(self, conn: psycopg.Connection) -> dict[datetime, list[str]]:
        span = [self.begin, self.begin + timedelta(hours=1)]
        rejected = {row[0] for row in conn.execute(f"SELECT ingest_ts FROM trades_rejected WHERE {_SPAN}", span)}
        rows = Counter(row[0] for row in conn.execute(f"SELECT ingest_ts FROM trades WHERE {_SPAN}", span))
        places = {at: ["rejects" if at in rejected else "table"] * count for at, count in rows.items()}
        [[relation]] = conn.execute("SELECT relation FROM bus.topics WHERE topic = 'trades'").fetchall()
        letters: set[datetime] = set()
        for at, payload, sent in conn.execute(_LETTERS.format(relation=relation), span):  # type: ignore[arg-type]
            assert base64.b64decode(payload) == bytes(sent or b"")[:MAX_DEAD_PAYLOAD], "a letter with other bytes"
            letters.add(at)  # a record that was sent twice has two places, and a letter for each
        for at in letters:
            places.setdefault(at, []).append("letters")
        return places


_SPAN = "ingest_ts >= %s AND ingest_ts < %s"
_LETTERS = """
SELECT m.append_ts, d.payload_base64, coalesce(m.raw, convert_to(m.value, 'UTF8'))
FROM dead_letters AS d
JOIN {relation} AS m
    ON m.partition = split_part(d.position, ':', 1)::integer AND m."offset" = split_part(d.position, ':', 2)::bigint
WHERE d.topic = 'trades' AND d.source = 'topic trades' AND m.append_ts >= %s AND m.append_ts < %s
"""
