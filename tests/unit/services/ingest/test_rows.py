"""Rows of CSV: quotes, spaces and line ends in fields; one bad row never takes its neighbours."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.services.ingest.files import Lines
from candlewave.services.ingest.rows import Row, read_rows


def rows(tmp_path: Path, text: str) -> list[Row]:
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode())
    with Lines(path) as lines:
        return list(read_rows(lines))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b\n", [["a", "b"]]),
        ("a, b ,c\r\n", [["a", "b", "c"]]),
        ('a, "b, c",d\n', [["a", "b, c", "d"]]),
        ('"a\nb",c\nd,e\n', [["a\nb", "c"], ["d", "e"]]),
        ('"a, b" , c\n', [["a, b", "c"]]),
        ('5",a\nb,c\n', [['5"', "a"], ["b", "c"]]),
        ("a,b\n\n\nc,d", [["a", "b"], ["c", "d"]]),
        ('"say ""hi""",b\n', [['say "hi"', "b"]]),
    ],
)
def test_fields(tmp_path: Path, text: str, values: list[list[str]]) -> None:
    assert [list(row.values) for row in rows(tmp_path, text)] == values


def test_a_quote_that_never_ends_costs_one_row(tmp_path: Path) -> None:
    first, *others = rows(tmp_path, 'a,"b\n' + "c,d\n" * 150)
    assert (first.number, first.problem) == (1, "a quoted field does not end")
    assert [list(row.values) for row in others] == [["c", "d"]] * 150
    assert [row.number for row in others] == list(range(2, 152))


_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\r\x00")
_FIELD = st.text(_CHARACTERS, max_size=12).map(str.strip)


@given(st.lists(st.lists(_FIELD, min_size=2, max_size=4), max_size=8))
def test_what_a_csv_writer_wrote_is_read(tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    read = [list(row.values) for row in rows(tmp_path_factory.mktemp("csv"), text.getvalue())]
    assert read == table
