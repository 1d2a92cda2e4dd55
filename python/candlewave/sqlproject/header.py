"""The comment header of an SQL object: what it is, its keys, and how far a changed input row reaches (footprint).

Example::

    -- candles_1m: closed one-minute candles without gaps.
    -- grain: one row per exchange, symbol, minute
    -- keys: exchange, symbol, open_time
    -- event time: open_time
    -- late data: amends the candle
    -- columns:
    --   feed_state: traded, quiet (heartbeats only) or no_feed
    -- footprint:
    --   candles_1m_live by exchange, symbol: open_time -> open_time [0, +240 minutes]
    -- readers: candles

A line of columns says what a column means whose name does not; ``others`` stands for all that are not named.

A footprint line says which output rows a changed input row can change: those of the same key whose time lies in
``[t + from, t + to]`` (``tumble 5 minutes``: in the aligned interval that contains ``t``; ``all``: the whole key;
``full``: the whole object). An input that has fewer keys says ``by exchange, each symbol of candles_1m``: its rows
change those of every symbol that candles_1m has for their exchange. Read backwards it says which input rows an output
row is made of, and that is how the embedded engine recomputes a range without reading history.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.core.errors import CandlewaveError

_FIELDS = ("grain", "keys", "event time", "late data", "columns", "footprint", "readers")
_OPTIONAL = ("columns", "footprint")
_COLUMNS = re.compile(r"(?P<names>\w+(?:, \w+)*): (?P<meaning>.+)")
_FOOTPRINT = re.compile(
    r"(?P<input>\w+)"
    r"(?: by (?P<keys>\w+(?:, \w+)*?)(?:, each (?P<each>\w+(?:, \w+)*?))?(?: of (?P<source>\w+))?)?"
    r": (?:(?P<whole>all|full)|(?P<input_time>.+?) -> (?P<output_time>\w+) "
    r"(?:\[(?P<lower>[^,\]]+), (?P<upper>[^\]]+)\]|tumble (?P<tumble>.+)))"
)
_BOUND = re.compile(r"(?P<sign>[+-]?)(?P<number>\d+)(?: (?P<unit>second|minute|hour|day|bar)s?)?")
_UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class HeaderError(CandlewaveError, ValueError):
    """A header is missing a field or cannot be read; the text names the object, the line and what was expected."""


class Reach(StrEnum):
    """How a changed input row reaches output rows."""

    RANGE = "range"
    TUMBLE = "tumble"
    ALL = "all"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Bound:
    """A signed distance in time: ``seconds``, or ``bars`` of the row's own timeframe."""

    seconds: int = 0
    bars: int = 0

    def longest_seconds(self, timeframe_seconds: int) -> int:
        """Return the distance in seconds for a row whose bars last ``timeframe_seconds``."""
        return self.seconds + self.bars * timeframe_seconds


@dataclass(frozen=True, slots=True)
class Footprint:
    """Reach of one input: see the module's description.

    Attributes:
        input: name of the table or view read.
        keys: key columns of the output by which rows are told apart, which the input has too, but for ``each``; empty
            for ``full``.
        each: those of them that the input lacks: its rows change the output for each.
        key_source: relation that has all keys, for an input that lacks some or has values that move (a clock).
        input_time: SQL expression over the input's columns; None for ``all`` and ``full``.
        output_time: the output's time column.
        lower, upper: bounds of ``range``; for ``tumble`` upper is the size and lower is unused.
    """

    input: str
    reach: Reach
    keys: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    key_source: str | None = None
    input_time: str | None = None
    output_time: str | None = None
    lower: Bound = Bound()
    upper: Bound = Bound()

    @property
    def is_clock(self) -> bool:
        """True for an input with a value that moves: the range between its old and its new value is touched.

        It has one row, or one for each value of those keys that it has.
        """
        return self.key_source is not None and not self.each

    @property
    def input_keys(self) -> tuple[str, ...]:
        """Key columns of the output that the rows of the input have too; of no meaning for a clock."""
        return tuple(key for key in self.keys if key not in self.each)


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header.

    Attributes:
        columns: meaning of columns by name; of the rest under ``others``.
    """

    name: str
    purpose: str
    grain: str
    keys: tuple[str, ...]
    event_time: str | None
    late_data: str
    footprints: tuple[Footprint, ...]
    readers: tuple[str, ...]
    columns: Mapping[str, str]


def split_header(text: str) -> tuple[str, str]:
    """Split rendered SQL into its leading comment lines and the statement."""
    lines = text.strip().splitlines()
    count = 0
    while count < len(lines) and (lines[count].startswith("--") or not lines[count].strip()):
        count += 1
    return "\n".join(lines[:count]), "\n".join(lines[count:]).strip()


def parse_header(comment: str, name: str) -> Header:
    """Parse the header of object ``name``.

    Raises:
        HeaderError: a field is missing, unknown or malformed.
    """
    lines = [line.removeprefix("--") for line in comment.splitlines() if line.strip()]
    if not lines or not lines[0].startswith(f" {name}: "):
        found = lines[0].strip() if lines else "nothing"
        raise HeaderError(f"{name}: the first line must be '-- {name}: <purpose>', found {found!r}")
    fields: dict[str, list[str]] = {"purpose": [lines[0].split(": ", 1)[1].strip()]}
    current = "purpose"
    for line in lines[1:]:
        field, colon, value = line.strip().partition(":")
        if colon and not line.startswith("  ") and field in _FIELDS:
            current = field
            fields[current] = [value.strip()] if value.strip() else []
        elif line.startswith("     ") and current == "columns" and fields[current]:
            fields[current][-1] += f" {line.strip()}"
        elif line.startswith("  "):
            fields[current].append(line.strip())
        else:
            known = ", ".join(_FIELDS)
            raise HeaderError(f"{name}: header line {line.strip()!r} is neither indented nor one of {known}")
    missing = [f for f in _FIELDS if f not in fields and f not in _OPTIONAL]
    if missing:
        raise HeaderError(f"{name}: the header has no '{missing[0]}:' line")
    event_time = " ".join(fields["event time"])
    return Header(
        name=name,
        purpose=" ".join(fields["purpose"]),
        grain=" ".join(fields["grain"]),
        keys=_names(fields["keys"]),
        event_time=None if event_time == "none" else event_time,
        late_data=" ".join(fields["late data"]),
        footprints=tuple(_parse_footprint(line, name) for line in fields.get("footprint", [])),
        readers=_names(fields["readers"]),
        columns=dict(_parse_columns(fields.get("columns", []), name)),
    )


def _names(values: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in " ".join(values).split(",") if part.strip())


def _parse_columns(lines: list[str], name: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _COLUMNS.fullmatch(line)
        if match is None:
            raise HeaderError(f"{name}: line of columns {line!r} is not of the form '<column>, …: <meaning>'")
        for column in _names([match["names"]]):
            yield column, match["meaning"]


def _parse_footprint(line: str, name: str) -> Footprint:
    match = _FOOTPRINT.fullmatch(line)
    if match is None:
        raise HeaderError(
            f"{name}: footprint line {line!r} is not of the form "
            "'<input> by <keys>: <time> -> <time> [<from>, <to>]', '… tumble <size>', '…: all' or '<input>: full'"
        )
    each = _names([match["each"] or ""])
    if each and match["source"] is None:
        raise HeaderError(
            f"{name}: footprint {line!r}: 'each {', '.join(each)}' needs 'of <relation>', which lists them"
        )
    keys = (*_names([match["keys"] or ""]), *each)
    if match["whole"]:
        reach = Reach(match["whole"])
        if (reach is Reach.ALL) != bool(keys):
            raise HeaderError(f"{name}: footprint {line!r}: 'all' needs keys, 'full' has none")
        return Footprint(match["input"], reach, keys)
    if not keys:
        raise HeaderError(f"{name}: footprint {line!r} names no keys; for a clock write 'by <keys> of <relation>'")
    footprint = Footprint(
        match["input"],
        Reach.TUMBLE if match["tumble"] else Reach.RANGE,
        keys,
        each,
        key_source=match["source"],
        input_time=match["input_time"],
        output_time=match["output_time"],
    )
    if match["tumble"]:
        return replace(footprint, upper=_bound(match["tumble"], name))
    lower, upper = _bound(match["lower"], name), _bound(match["upper"], name)
    longest = max(TIMEFRAME_SECONDS.values())
    if lower.longest_seconds(longest) > upper.longest_seconds(longest):
        raise HeaderError(f"{name}: footprint {line!r}: the range ends before it begins")
    return replace(footprint, lower=lower, upper=upper)


def _bound(text: str, name: str) -> Bound:
    match = _BOUND.fullmatch(text.strip())
    if match is None or (match["unit"] is None and match["number"] != "0"):
        raise HeaderError(f"{name}: {text!r} is not a distance such as 0, -1 minute, +240 minutes or +255 bars")
    amount = int(match["number"]) * (-1 if match["sign"] == "-" else 1)
    if match["unit"] == "bar":
        return Bound(bars=amount)
    return Bound(seconds=amount * _UNIT_SECONDS[match["unit"]] if match["unit"] else 0)
