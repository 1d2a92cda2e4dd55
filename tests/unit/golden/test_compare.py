"""Comparison of expected rows with an engine's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from candlewave.engine.golden.compare import Answer, differences, updated
from candlewave.engine.golden.table import CaseError, Table

TYPES = {
    "symbol": "character varying",
    "open_time": "timestamp with time zone",
    "close": "double precision",
    "trades": "bigint",
    "total": "numeric",
    "is_filled": "boolean",
    "note": "text",
}
KEYS = ("symbol", "open_time")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def answer(*rows: dict[str, Any]) -> Answer:
    whole = {"symbol": "A", "open_time": NOON, "close": 1.0, "trades": 1, "total": Decimal(1), "is_filled": False}
    return Answer(TYPES, [{**whole, "note": None, **row} for row in rows])


def table(header: str, *rows: str) -> Table:
    columns = header.split(",")
    cells = [[cell or None for cell in row.split(",")] for row in rows]
    return Table(tuple(columns), tuple(dict(zip(columns, row, strict=True)) for row in cells))


HEADER = "symbol,open_time,close,trades,total,is_filled,note"


def compare(expected: Table, found: Answer) -> str | None:
    return differences(expected, found, KEYS, "v/case 01-expected.csv")


def test_equal_rows_in_any_order_are_equal() -> None:
    expected = table(HEADER, "B,2024-01-01T12:00:00Z,2,1,1,false,", "A,2024-01-01T12:00:00Z,1,1,1.0,false,")
    assert compare(expected, answer({}, {"symbol": "B", "close": 2.0})) is None


def test_only_columns_of_the_header_are_compared() -> None:
    assert compare(table("symbol,open_time", "A,2024-01-01T12:00:00Z"), answer({"close": 77.0})) is None


def test_numbers_may_differ_by_a_billionth() -> None:
    expected = table("symbol,open_time,close", "A,2024-01-01T12:00:00Z,100")
    assert compare(expected, answer({"close": 100.00000005})) is None
    assert compare(expected, answer({"close": 100.0000002})) is not None


def test_a_tiny_number_is_not_zero() -> None:
    expected = table("symbol,open_time,close", "A,2024-01-01T12:00:00Z,0")
    assert compare(expected, answer({"close": 4e-15})) is not None


def test_nan_is_nan() -> None:
    expected = table("symbol,open_time,close", "A,2024-01-01T12:00:00Z,NaN")
    assert compare(expected, answer({"close": float("nan")})) is None
    assert compare(expected, answer({"close": 1.0})) is not None


@pytest.mark.parametrize(
    ("column", "cell", "value", "line"),
    [
        ("close", "", 0.0, "differs  A  2024-01-01T12:00:00Z  close  NULL  0"),
        ("close", "0", None, "differs  A  2024-01-01T12:00:00Z  close  0  NULL"),
        ("trades", "2", 3, "differs  A  2024-01-01T12:00:00Z  trades  2  3"),
        ("is_filled", "true", False, "differs  A  2024-01-01T12:00:00Z  is_filled  true  false"),
        ("note", "x", "", 'differs  A  2024-01-01T12:00:00Z  note  x  ""'),
        ("total", "1.5", Decimal("1.6"), "differs  A  2024-01-01T12:00:00Z  total  1.5  1.6"),
    ],
)
def test_a_differing_column_is_shown_with_both_values(column: str, cell: str, value: object, line: str) -> None:
    expected = table(f"symbol,open_time,{column}", f"A,2024-01-01T12:00:00Z,{cell}")
    text = compare(expected, answer({column: value}))
    assert text is not None
    assert text.splitlines()[0] == "v/case 01-expected.csv: 1 row differs"
    assert " ".join(text.splitlines()[2].split()) == " ".join(line.split())


def test_missing_and_unexpected_rows_are_shown() -> None:
    expected = table("symbol,open_time,trades", "A,2024-01-01T12:00:00Z,1", "B,2024-01-01T12:00:00Z,1")
    text = compare(expected, answer({}, {"symbol": "C", "trades": 5}))
    assert text is not None
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "v/case 01-expected.csv: 2 rows differ"
    assert "missing B 2024-01-01T12:00:00Z trades=1" in lines
    assert "unexpected C 2024-01-01T12:00:00Z trades=5" in lines


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (table("symbol,open_time,high", "A,2024-01-01T12:00:00Z,1"), "the view has no column high; it has symbol"),
        (table("symbol,close", "A,1"), "the header lacks the key column open_time"),
        (table("symbol,open_time", "A,yesterday"), "open_time: 'yesterday' is not of type timestamp"),
        (table("symbol,open_time", "A,2024-01-01T12:00:00"), "is not of type timestamp"),
        (table("symbol,open_time,trades", "A,2024-01-01T12:00:00Z,1.5"), "trades: '1.5' is not of type bigint"),
        (table("symbol,open_time,total", "A,2024-01-01T12:00:00Z,x"), "total: 'x' is not of type numeric"),
        (table("symbol,open_time,is_filled", "A,2024-01-01T12:00:00Z,t"), "is_filled: 't' is not of type boolean"),
        (table("symbol,open_time", *["A,2024-01-01T12:00:00Z"] * 2), "the key A, 2024-01-01T12:00:00Z occurs twice"),
    ],
)
def test_an_unusable_expected_file_is_refused(expected: Table, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        compare(expected, answer({}))


def test_a_key_that_the_engine_gives_twice_is_refused() -> None:
    expected = table("symbol,open_time", "A,2024-01-01T12:00:00Z")
    with pytest.raises(CaseError, match="the engine's answer: the key A, 2024-01-01T12:00:00Z occurs twice"):
        compare(expected, answer({}, {}))


def test_an_update_keeps_the_spelling_of_what_is_right() -> None:
    expected = table("symbol,open_time,close,trades", "A,2024-01-01T12:00:00.000Z,100.50,1")
    found = answer({"close": 100.5, "trades": 2}, {"symbol": "B", "close": 3.0})
    assert updated(expected, found, KEYS, "x").rows == (
        {"symbol": "A", "open_time": "2024-01-01T12:00:00.000Z", "close": "100.50", "trades": "2"},
        {"symbol": "B", "open_time": "2024-01-01T12:00:00Z", "close": "3", "trades": "1"},
    )


def test_an_update_of_an_empty_file_writes_all_columns() -> None:
    half = NOON.replace(microsecond=500000)
    table_ = updated(Table((), ()), answer({"open_time": half, "note": ""}), KEYS, "x")
    assert table_.columns == tuple(TYPES)
    assert table_.rows[0] == {
        "symbol": "A",
        "open_time": "2024-01-01T12:00:00.5Z",
        "close": "1",
        "trades": "1",
        "total": "1",
        "is_filled": "false",
        "note": "",
    }
