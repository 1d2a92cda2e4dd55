"""CSV files of golden cases: an empty cell is NULL, ``""`` is the empty string."""

from dataclasses import dataclass
from pathlib import Path

from candlewave.core.errors import CandlewaveError

Row = dict[str, str | None]


class CaseError(CandlewaveError):
    """A case cannot be used; the text names the file, what was found and what was expected."""


@dataclass(frozen=True)
class Table:
    """A file's header and rows; cells are text as written."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """Read a file.

    Raises:
        CaseError: it has no header, a column twice, a quote without end, or a row of another length.
    """
    records = _records(path)
    if not records:
        raise CaseError(f"{path}: no header line")
    header = [name or "" for name in records[0][1]]
    if len(set(header)) != len(header) or "" in header:
        raise CaseError(f"{path}: the header {','.join(header)!r} names a column twice or leaves one empty")
    rows = []
    for line, cells in records[1:]:
        if len(cells) != len(header):
            raise CaseError(f"{path}:{line}: {len(cells)} cells, the header has {len(header)}")
        rows.append(dict(zip(header, cells, strict=True)))
    return Table(tuple(header), tuple(rows))


def write_table(path: Path, table: Table) -> None:
    """Write a file; the reverse of :func:`read_table`."""
    lines = [",".join(table.columns)]
    lines += [",".join(_quoted(row[column]) for column in table.columns) for row in table.rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(cell: str | None) -> str:
    if cell is None:
        return ""
    if cell == "" or any(sign in cell for sign in ',"\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _records(path: Path) -> list[tuple[int, list[str | None]]]:
    """Return (line number, cells) of each line that is not blank.

    Python's csv module cannot tell an empty cell from a quoted one before Python 3.12.
    """
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            records.append((number, _cells(line, f"{path}:{number}")))
    return records


def _cells(line: str, where: str) -> list[str | None]:
    cells: list[str | None] = []
    at = 0
    while True:
        if line[at : at + 1] == '"':
            end = at + 1
            while (end := line.find('"', end)) >= 0 and line[end + 1 : end + 2] == '"':
                end += 2
            if end < 0 or line[end + 1 : end + 2] not in ("", ","):
                raise CaseError(f"{where}: a cell that begins with a quote must end with one: {line[at:]}")
            cells.append(line[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            cells.append(line[at:end].strip() or None)
            at = end
        if at >= len(line):
            return cells
        at += 1
