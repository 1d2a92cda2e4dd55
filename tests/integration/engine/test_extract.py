"""Rows as Arrow: types, order, selection, labels, and files."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from pyarrow import csv, ipc, parquet
from typer.testing import CliRunner

import candlewave
from candlewave.cli import app
from candlewave.core.settings import get_settings
from candlewave.engine.extract import BATCH_ROWS, ExtractError, Rows, Selection
from candlewave.sqlproject.render import SqlObject, from_text

START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COUNT = 2 * BATCH_ROWS + 1
HEADER = """\
-- {name}: a test.
-- grain: one row per exchange, symbol, minute
-- keys: exchange, symbol, open_time
-- event time: {time}
-- late data: none
-- readers: people
CREATE VIEW {name} AS SELECT exchange, symbol, open_time, value FROM somewhere
"""


def view(name: str, time: str = "open_time") -> SqlObject:
    return from_text(HEADER.format(name=name, time=time))


@pytest.fixture
def filled(conn: psycopg.Connection) -> psycopg.Connection:
    """A relation with three batches of rows in no order, and labels of some."""
    conn.execute(
        "CREATE TABLE features (exchange varchar, symbol varchar, open_time timestamptz, value double precision,"
        " exact numeric, counted bigint, is_whole boolean, said jsonb)"
    )
    conn.execute(
        "INSERT INTO features SELECT 'x', 'A/B', '2024-01-01Z'::timestamptz + n * interval '1 minute',"
        " CASE WHEN n % 2 = 0 THEN n END, n / 4.0, n, n % 3 = 0, '{\"n\": 1}'"
        f" FROM generate_series({COUNT - 1}, 0, -1) AS n"
    )
    conn.execute("INSERT INTO features SELECT 'x', 'C/D', open_time, value FROM features WHERE counted < 2")
    conn.execute(
        "CREATE TABLE labels (exchange varchar, symbol varchar, open_time timestamptz, horizon_minutes integer,"
        " realised_return double precision)"
    )
    conn.execute(
        "INSERT INTO labels SELECT exchange, symbol, open_time, h, h FROM features, unnest(ARRAY[1, 5]) AS h"
        " WHERE counted = 3"
    )
    return conn


def test_every_row_comes_once_in_the_order_of_its_keys_with_arrows_types(filled: psycopg.Connection) -> None:
    rows = Rows(filled, Selection(view("features"), symbol="A/B"))
    assert rows.count == COUNT
    batches = list(rows.batches())
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1]
    table = pa.Table.from_batches(batches)
    assert table["counted"].to_pylist() == list(range(COUNT))
    assert table.slice(4, 2).to_pylist() == [
        {
            "exchange": "x", "symbol": "A/B", "open_time": START + n * MINUTE, "value": value, "exact": n / 4,
            "counted": n, "is_whole": n % 3 == 0, "said": '{"n": 1}',
        }
        for n, value in ((4, 4.0), (5, None))
    ]  # fmt: skip
    assert filled.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_rows_and_columns_are_selected_and_labels_joined(filled: psycopg.Connection) -> None:
    span = {"since": START + 2 * MINUTE, "until": START + 4 * MINUTE}
    wanted = Selection(view("features"), "x", "A/B", **span, columns=("counted",), labels=(5, 60))
    assert Rows(filled, wanted).table().to_pylist() == [
        {"counted": 2, "label_5": None, "label_60": None},
        {"counted": 3, "label_5": 5.0, "label_60": None},
    ]


def test_a_selection_of_nothing_has_columns(filled: psycopg.Connection) -> None:
    table = Rows(filled, Selection(view("features"), symbol="E/F")).table()
    assert (table.num_rows, table.schema.field("open_time").type) == (0, pa.timestamp("us", tz="UTC"))


def test_what_is_not_there_is_named(filled: psycopg.Connection) -> None:
    with pytest.raises(ExtractError, match="features has no column timeframe"):
        Rows(filled, Selection(view("features"), timeframe="1m"))
    with pytest.raises(ExtractError, match="features has no column close; it has exchange"):
        Rows(filled, Selection(view("features"), columns=("close",)))
    with pytest.raises(ExtractError, match="has no later yet"):
        Rows(filled, Selection(view("later")))
    with pytest.raises(ExtractError, match="labels belong to features"):
        Selection(view("later"), labels=(5,))
    with pytest.raises(ExtractError, match="no event time"):
        Selection(view("later", "none"), since=START)


@pytest.fixture
def engine(filled: psycopg.Connection, database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine that commands use."""
    assert not filled.closed
    monkeypatch.setattr("candlewave.engine.connect.engine_url", lambda _: database)
    get_settings.cache_clear()
    return database


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv"])
def test_files_hold_what_the_engine_has(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"features.{suffix}"
    given = ["--symbol", "a-b", "--since", "2024-01-01T00:02:00", "--columns", "open_time,value", "--labels", "5"]
    result = CliRunner().invoke(app, ["export", "features", "--to", str(file), *given])
    assert result.exit_code == 0, result.output
    assert f"{COUNT - 2:,} rows, 3 columns" in result.output
    readers = {"parquet": parquet.read_table, "arrow": lambda f: ipc.open_file(f).read_all(), "csv": csv.read_csv}
    table = readers[suffix](file)
    assert table.column_names == ["open_time", "value", "label_5"]
    assert table["value"].to_pylist() == [n if n % 2 == 0 else None for n in range(2, COUNT)]
    assert table["label_5"].to_pylist()[:3] == [None, 5, None]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.usefixtures("engine")
def test_a_file_stays_as_it_was_when_the_export_fails(tmp_path: Path) -> None:
    file = tmp_path / "features.csv"
    file.write_text("before")
    for arguments, problem in (
        (["features", "--columns", "nothing"], "has no column nothing"),
        (["nothing"], "there is no nothing in sql/"),
        (["features", "--labels", "soon"], "not minutes"),
    ):
        result = CliRunner().invoke(app, ["export", *arguments, "--to", str(file)])
        assert (result.exit_code, problem in result.output) == (1, True), result.output
    assert file.read_text() == "before"
    assert "must end with" in CliRunner().invoke(app, ["export", "features", "--to", "x.xlsx"]).output


def test_a_dataset_is_a_frame(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = candlewave.dataset("features", symbol="C/D", labels=[5])
    assert frame.shape == (2, 9)
    assert str(frame["open_time"].dtype) == "datetime64[us, UTC]"
    table = candlewave.dataset(symbol="A-B", until=START + MINUTE, frame="arrow", url=engine)
    assert table.num_rows == 1
    with pytest.raises(ExtractError, match="has no time zone"):
        candlewave.dataset(since=datetime(2024, 1, 1))
    monkeypatch.setitem(sys.modules, "polars", None)  # as if it was not installed
    with pytest.raises(ExtractError, match="pip install polars"):
        candlewave.dataset(symbol="C/D", frame="polars")
