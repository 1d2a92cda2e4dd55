"""CSV files of golden cases."""

from pathlib import Path

import pytest

from candlewave.engine.golden.table import CaseError, Table, read_table, write_table


def table_of(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "01-trades.csv"
    path.write_text(text)
    return read_table(path)


def test_empty_is_null_and_quoted_empty_is_a_string(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'a,b,c\n,"",x\n')
    assert table.columns == ("a", "b", "c")
    assert table.rows == ({"a": None, "b": "", "c": "x"},)


def test_quotes_keep_commas_and_quotes(tmp_path: Path) -> None:
    assert table_of(tmp_path, 'a,b\n"1,5","say ""hi"""\n').rows == ({"a": "1,5", "b": 'say "hi"'},)


def test_trailing_empty_cell_is_null(tmp_path: Path) -> None:
    assert table_of(tmp_path, "a,b\n1,\n").rows == ({"a": "1", "b": None},)


def test_blank_lines_are_skipped(tmp_path: Path) -> None:
    assert len(table_of(tmp_path, "a\n\n1\n\n2\n").rows) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header line"),
        ("a,a\n1,2\n", "names a column twice"),
        ("a,b\n1\n", ":2: 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", ":2: 3 cells, the header has 2"),
        ('a\n"open\n', ":2: a cell that begins with a quote must end with one"),
        ('a\n"x"y\n', ":2: a cell that begins with a quote must end with one"),
    ],
)
def test_malformed_files_are_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        table_of(tmp_path, text)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    table = Table(("a", "b"), ({"a": None, "b": ""}, {"a": 'x,"y"', "b": "plain"}))
    path = tmp_path / "01-expected.csv"
    write_table(path, table)
    assert path.read_text() == 'a,b\n,""\n"x,""y""",plain\n'
    assert read_table(path) == table
