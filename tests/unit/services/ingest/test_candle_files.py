"""Every layout of files with candles: what is read, what is refused, and in which words."""

import gzip
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from candlewave.core.times import to_us
from candlewave.services.ingest.candle_files import (
    CandleFile,
    CandleFormat,
    CandleLayout,
    format_of,
    moment_us,
    parse_columns,
)
from candlewave.services.ingest.candles import RawCandle
from candlewave.services.ingest.files import FileFormatError
from candlewave.services.ingest.validate import BadRecord, RejectedTradeError

T0 = datetime(2026, 6, 1, tzinfo=UTC)
S0 = int(T0.timestamp())
NAMES = "open_time=t,open=o,high=h,low=l,close=c,volume=v"


def read(
    path: Path,
    format_: CandleFormat,
    symbol: str = "BTC/USD",
    exchange: str = "kraken",
    columns: str | None = None,
    zone: str | None = None,
) -> list[RawCandle | BadRecord]:
    layout = CandleLayout(format_, parse_columns(columns) if columns else None, ZoneInfo(zone) if zone else None)
    with CandleFile(path, layout, exchange, symbol) as rows:
        return list(rows)


def candles(rows: list[RawCandle | BadRecord]) -> list[tuple[object, ...]]:
    """Return candles as minutes since T0 and their values."""
    assert all(isinstance(row, RawCandle) for row in rows), rows
    return [((row.open_us // 1_000_000 - S0) / 60, *row[1:9]) for row in rows if isinstance(row, RawCandle)]


def problems(rows: list[RawCandle | BadRecord]) -> list[str]:
    return [str(row) for row in rows if isinstance(row, BadRecord)]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


# -- Kraken ------------------------------------------------------------------------------------------------------


def test_kraken(tmp_path: Path) -> None:
    path = write(tmp_path / "XBTUSD_1.csv", f"{S0},100,101,99,100.5,2.5,7", f"{S0 + 120},1,1,1,1,0.1,1")
    assert candles(read(path, CandleFormat.KRAKEN)) == [
        (0, "100", "101", "99", "100.5", "2.5", None, "7", None),
        (2, "1", "1", "1", "1", "0.1", None, "1", None),
    ]


def test_kraken_with_an_average_price(tmp_path: Path) -> None:
    path = write(tmp_path / "XBTUSD_1.csv", f"{S0},100,101,99,100.5,100.2,2.5,7")
    assert candles(read(path, CandleFormat.KRAKEN)) == [(0, "100", "101", "99", "100.5", "2.5", None, "7", None)]


def test_of_krakens_archive_the_market_and_the_minute_are_read(tmp_path: Path) -> None:
    path = tmp_path / "Kraken_OHLCVT.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for pair in ("ETHUSD", "XBTUSD"):
            for minutes in (1, 5):
                archive.writestr(f"Kraken_OHLCVT/{pair}_{minutes}.csv", f"{S0},1,1,1,1,{len(pair) + minutes},1\n")
    layout = CandleLayout(CandleFormat.KRAKEN)
    with CandleFile(path, layout, "kraken", "BTC/USD") as rows:
        assert [row.volume for row in rows if isinstance(row, RawCandle)] == ["7"]
        assert rows.files == ["Kraken_OHLCVT/XBTUSD_1.csv"]
        assert rows.source == "Kraken_OHLCVT.zip/Kraken_OHLCVT/XBTUSD_1.csv"


# -- Binance -----------------------------------------------------------------------------------------------------

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


@pytest.mark.parametrize("unit", [1_000, 1_000_000], ids=["ms", "us"])
@pytest.mark.parametrize("header", [True, False])
def test_binance(tmp_path: Path, unit: int, header: bool) -> None:
    last = (S0 + 60) * unit - 1
    lines = [HEADER] if header else []
    path = write(
        tmp_path / "BTCUSDT-1m-2026-06.csv", *lines, f"{S0 * unit},100.0,101,99,100.5,2.5,{last},250.1,7,1.5,150,0"
    )
    rows = read(path, CandleFormat.BINANCE, "BTC/USDT", "binance")
    assert candles(rows) == [(0, "100.0", "101", "99", "100.5", "2.5", "250.1", "7", "1.5")]


def test_binances_contracts_paid_in_their_base_have_their_volume_elsewhere(tmp_path: Path) -> None:
    path = write(
        tmp_path / "BTCUSD_PERP-1m-2026-06.csv", f"{S0}000,100,101,99,100,4000,{S0 + 59}999,40.5,7,1500,15.5,0"
    )
    rows = read(path, CandleFormat.BINANCE, "BTC/USD:BTC", "binance")
    assert candles(rows) == [(0, "100", "101", "99", "100", "40.5", None, "7", "15.5")]


# -- freqtrade ---------------------------------------------------------------------------------------------------


def table(minutes: int, **more: object) -> pa.Table:
    times = [T0 + timedelta(minutes=m) for m in range(minutes)]
    prices = [100.1 + m for m in range(minutes)]
    columns: dict[str, object] = {
        "date": pa.array(times, pa.timestamp("ms", tz="UTC")),
        "open": prices, "high": prices, "low": prices, "close": prices, "volume": [0.5] * minutes,
    }  # fmt: skip
    return pa.table({**columns, **more})


def feather(path: Path, content: pa.Table) -> None:
    pyarrow.feather.write_feather(content, path, compression="lz4", chunksize=7)


def parquet(path: Path, content: pa.Table) -> None:
    pyarrow.parquet.write_table(content, path, row_group_size=7)


@pytest.mark.parametrize(("suffix", "save"), [("feather", feather), ("parquet", parquet)])
@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_freqtrades_tables(tmp_path: Path, suffix: str, save: Callable[[Path, pa.Table], None], unit: str) -> None:
    path = tmp_path / f"BTC_USDT-1m.{suffix}"
    content = table(20)
    save(path, content.set_column(0, "date", content["date"].cast(pa.timestamp(unit, tz="UTC"))))
    assert format_of(path, "okx") is CandleFormat.FREQTRADE
    rows = candles(read(path, CandleFormat.FREQTRADE, "BTC/USDT"))
    assert [row[0] for row in rows] == list(range(20))
    assert rows[3] == (3, 103.1, 103.1, 103.1, 103.1, 0.5, None, None, None)


@pytest.mark.parametrize("packed", [False, True])
def test_freqtrades_json(tmp_path: Path, packed: bool) -> None:
    text = json.dumps([[(S0 + 60 * m) * 1000, 100.5, 101, 99, 100.25, 3 if m else None] for m in range(3_000)])
    path = tmp_path / ("BTC_USDT-1m.json.gz" if packed else "BTC_USDT-1m.json")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    rows = candles(read(path, CandleFormat.FREQTRADE, "BTC/USDT"))
    assert [row[0] for row in rows] == list(range(3_000))
    assert rows[0] == (0, "100.5", "101", "99", "100.25", None, None, None, None)
    assert rows[-1][5] == "3"


def test_a_broken_row_of_json_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.json"
    path.write_text(f'[[{S0}000,1,1,1,1,1],[{S0}000,1],["x",1,1,1,1,1], oops [{S0 + 60}000,1,1,1,1,1],[{S0 + 120}000,1')
    rows = read(path, CandleFormat.FREQTRADE, "BTC/USDT")
    assert [row.open_us // 1_000_000 - S0 for row in rows if isinstance(row, RawCandle)] == [0]
    assert problems(rows) == [
        "BTC_USDT-1m.json, row 2: 2 values instead of 6: open_time, open, high, low, close, volume",
        "BTC_USDT-1m.json, row 3: time 'x' is neither ISO-8601, such as 2026-01-31T12:00:00Z, nor a number since 1970",
        "BTC_USDT-1m.json, row 4: unexpected b', oops ' before it",
        "BTC_USDT-1m.json, behind row 4: not a list of six numbers",
    ]


# -- columns -----------------------------------------------------------------------------------------------------


def test_columns_of_csv_by_name_in_any_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "btcusd.csv",
        "from a site, with a line about itself",
        "V , c,l,h,o,T,extra,n",
        "2.5,100.5,99,101,100,2026-06-01T00:00:00Z,,7",
        '"1","1","1","1","1","2026-06-01 02:01:00+02:00",x,1',
    )
    rows = read(path, CandleFormat.COLUMNS, columns=f"{NAMES},trades=n")
    assert candles(rows) == [
        (0, "100", "101", "99", "100.5", "2.5", None, "7", None),
        (1, "1", "1", "1", "1", "1", None, "1", None),
    ]


def test_columns_by_number_with_a_header_or_without(tmp_path: Path) -> None:
    numbers = "open_time=1,open=2,high=3,low=4,close=5,volume=6"
    for lines in (["time,a,b,c,d,e"], []):
        path = write(tmp_path / "f.csv", *lines, f"{S0},1,2,0.5,1.5,9")
        assert candles(read(path, CandleFormat.COLUMNS, columns=numbers)) == [
            (0, "1", "2", "0.5", "1.5", "9", None, None, None)
        ]


def test_columns_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    content = {
        "t": [S0 * 1_000, (S0 + 60) * 1_000],
        "o": pa.array([0.1, 0.3], pa.float32()), "h": ["0.10", "0.30"], "l": [0.1, 0.3], "c": [0.1, 0.3],
        "v": [1, 2], "n": [7.0, float("nan")],
    }  # fmt: skip
    pyarrow.parquet.write_table(pa.table(content), path)
    rows = candles(read(path, CandleFormat.COLUMNS, columns=f"{NAMES},trades=n"))
    assert rows[0] == (0, "0.1", "0.10", 0.1, 0.1, 1, None, 7.0, None), "single precision in its own digits"
    assert rows[1][0] == 1


def test_times_without_a_zone_need_one(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "t,o,h,l,c,v", "2026-06-01 02:00:00,1,1,1,1,1")
    assert problems(read(path, CandleFormat.COLUMNS, columns=NAMES)) == [
        "f.csv, line 2: time 2026-06-01T02:00:00 has no time zone: give it by --zone, such as UTC"
    ]
    assert candles(read(path, CandleFormat.COLUMNS, columns=NAMES, zone="Europe/Berlin"))[0][0] == 0
    naive = tmp_path / "f.parquet"
    content = table(2).rename_columns(["t", "o", "h", "l", "c", "v"])
    pyarrow.parquet.write_table(content.set_column(0, "t", content["t"].cast(pa.timestamp("us"))), naive)
    with pytest.raises(FileFormatError, match="times in column t have no time zone: name it with --zone, such as UTC"):
        read(naive, CandleFormat.COLUMNS, columns=NAMES)
    assert [row[0] for row in candles(read(naive, CandleFormat.COLUMNS, columns=NAMES, zone="UTC"))] == [0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("open_time", "'open_time' is not of the form NAME=COLUMN"),
        ("when=t", "'when' is not one of open_time, open"),
        (f"{NAMES},open=x", "open is there twice"),
        ("open_time=t,open=o,high=h", "no column for low, close, volume"),
    ],
)
def test_wrong_columns_are_explained(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_columns(text)


# -- times -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [S0, str(S0), f"{S0}.000", float(S0), S0 * 1_000, f"{S0}000", S0 * 1_000_000, S0 * 10**9, f"{S0}000000000",
     "2026-06-01T00:00:00Z", "2026-06-01 00:00:00 UTC", "2026-06-01T02:00+02:00", T0, "2026-06-01", "20260601"],
)  # fmt: skip
def test_times_in_every_unit(value: object) -> None:
    if value == "20260601":
        assert moment_us(value, UTC) == 20_260_601_000_000, "eight digits are seconds"
    else:
        assert moment_us(value, UTC) == to_us(T0)


@pytest.mark.parametrize("value", [None, "", "soon", "1e9", True, b"x", float("nan"), "9" * 29])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(RejectedTradeError):
        moment_us(value, UTC)


# -- what is refused as a whole ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "format_", "content", "words"),
    [
        ("XBTUSD_1.csv", "kraken", "1767571200,100,1", "line 1: 3 columns as of trades; load them without --candles"),
        ("XBTUSD_1.csv", "kraken", "a,b", "line 1: 2 columns instead of 7: time, open"),
        ("XBTUSD_5.csv", "kraken", "", "candles of 5m, not of 1m"),
        ("ETHUSD_1.csv", "kraken", "", "not named after BTC/USD"),
        ("k.csv", "binance", "1,2,3,4,5,True", "6 columns as of trades; load them without --candles"),
        ("k.csv", "binance", "1,2,3", "3 columns instead of the 12 of klines"),
        ("k.csv", "binance", f"{S0}000,1,1,1,1,1,{S0 + 299}999,1,1,1,1,0", "a candle of 300 seconds by its close time"),
        ("f.csv", "columns", "a,b,c\n" * 6, "no column t, o, h, l, v among a, b, c; name them by --columns"),
        ("f.json", "freqtrade", '{"a": 1}', "not a list of candles"),
        ("f.json", "freqtrade", "[[1,2,3]]", "row 1: 3 values instead of 6"),
        ("f.csv", "freqtrade", "date,open\n", "not a list of candles"),
        ("f.parquet", "columns", "PAR0", "not a Parquet file, it begins with b'PAR0'"),
        ("f.parquet", "columns", "PAR1 and then nothing of it PAR1", "cannot be read as Parquet"),
        ("f.feather", "columns", "ARROW1 and then nothing of it", "cannot be read as Feather"),
        ("f.feather", "columns", "FEA1", "not a Feather file, it begins with b'FEA1'"),
        ("f.csv.gz", "columns", "plain", "not a gzip file"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_one_line(
    tmp_path: Path, name: str, format_: str, content: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(FileFormatError) as refused:
        read(path, CandleFormat(format_), columns=NAMES if format_ == "columns" else None)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_table_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(table(1), path)
    with pytest.raises(FileFormatError, match="no column t, o, h, l, c, v among date, open, high, low, close, volume"):
        read(path, CandleFormat.COLUMNS, columns=NAMES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nothing\.csv: No such file"):
        read(tmp_path / "nothing.csv", CandleFormat.KRAKEN)


def test_a_table_that_is_damaged_inside_is_read_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pyarrow.parquet.write_table(table(30_000), path, row_group_size=10_000, compression="gzip", use_dictionary=False)
    first = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    begin = first.data_page_offset + 60
    content[begin : begin + 200] = bytes(200)
    path.write_bytes(content)
    rows = read(path, CandleFormat.FREQTRADE)
    assert len(rows) >= 8_192
    assert isinstance(rows[-1], BadRecord)
    assert "the Parquet file is damaged or cut off here" in rows[-1].reject.text
    assert all(isinstance(row, RawCandle) for row in rows[:-1])


def test_a_bad_line_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    good = f"{S0},1,1,1,1,1,1"
    path = write(tmp_path / "XBTUSD_1.csv", good, "x,1,1,1,1,1,1", "1,2", '"open', good)
    rows = read(path, CandleFormat.KRAKEN)
    assert sum(isinstance(row, RawCandle) for row in rows) == 2
    assert problems(rows) == [
        "XBTUSD_1.csv, line 2: time 'x' is not a number of seconds, ms or µs since 1970",
        "XBTUSD_1.csv, line 3: 2 columns instead of 7: time, open, high, low, close, volume, trades",
        "XBTUSD_1.csv, line 4: a quoted field does not end",
    ]
