"""Rows of CSV files: spaces after commas, quoted fields, quoted line ends; one bad row never takes its neighbours."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from candlewave.services.ingest.files import MAX_LINE, Line

_MAX_LINES = 100


class Row(NamedTuple):
    """One row.

    Attributes:
        source: name of the file, or file and member of a zip.
        number: of its first line, from 1.
        raw: its bytes.
        values: its fields without surrounding spaces; empty for a row with a problem.
        problem: why the row cannot be read; None for a good one.
    """

    source: str
    number: int
    raw: bytes
    values: Sequence[str]
    problem: str | None = None


def read_rows(lines: Iterable[Line]) -> Iterator[Row]:
    """Yield the rows of CSV lines in order; blank lines are left out.

    A quoted field may go on over the next lines. When it does not end within 100 lines and 64 KiB, its first line is a
    bad row and the lines behind it are rows of their own.
    """
    waiting: list[Line] = []
    source = iter(lines)
    while True:
        line = waiting.pop(0) if waiting else next(source, None)
        if line is None:
            return
        if not line.raw and not line.problem:
            continue
        text = line.text
        if text is None:
            yield Row(line.source, line.number, line.raw, (), line.problem or "the line is not UTF-8 text")
            continue
        if '"' not in text:
            yield Row(line.source, line.number, line.raw, [value.strip() for value in text.split(",")])
            continue
        taken = [line]
        while (values := _quoted(b"\n".join(part.raw for part in taken))) is None and len(taken) < _MAX_LINES:
            following = waiting.pop(0) if waiting else next(source, None)
            if following is None:
                break
            taken.append(following)
            if following.source != line.source or following.text is None or sum(len(t.raw) for t in taken) > MAX_LINE:
                break
        if values is not None:
            yield Row(line.source, line.number, b"\n".join(part.raw for part in taken), values)
        else:
            waiting[:0] = taken[1:]
            yield Row(line.source, line.number, line.raw, (), "a quoted field does not end")


def _quoted(raw: bytes) -> list[str] | None:
    """Return the fields of a row with quotes, None when a quoted field is still open at its end."""
    text = raw.decode("utf-8-sig")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        # A quote inside a field, as in 5", or a space behind one: a reader that is not strict leaves it there.
        rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
        rows = rows if len(rows) == 1 else [text.split(",")]
    return [value.strip() for value in rows[0]]
