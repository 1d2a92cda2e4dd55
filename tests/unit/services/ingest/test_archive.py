"""Archive files: ids are made the same each time, whatever packing, and bad lines cost only themselves."""

import contextlib
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from candlewave.contracts.records import Trade
from candlewave.core.times import from_us
from candlewave.services.ingest.archive import ArchiveReader, Format, KrakenLayout, layout_of
from candlewave.services.ingest.files import FileFormatError, Lines
from candlewave.services.ingest.validate import BadRecord, RejectedTradeError, epoch_us

BTC = "BTC/USD"


def read(path: Path, format_: Format, exchange: str = "testex") -> list[Trade | BadRecord]:
    with Lines(path) as lines:
        return list(ArchiveReader(lines, layout_of(format_), exchange, BTC))


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_kraken_lines_get_ids_of_time_and_running_number(tmp_path: Path) -> None:
    path = write(
        tmp_path / "XBTUSD.csv",
        "1561939203.1726,10749.4,0.004",
        "1561939204,10750,1.5",
        "1561939204,10751,0.5",
        "1561939204.0,10752,0.25",
        "1561939205,10753,2",
    )
    trades = read(path, Format.KRAKEN)
    assert [(t.trade_id, t.seq) for t in trades if isinstance(t, Trade)] == [
        ("a:2019-07-01T00:00:03.172600Z:1", 1),
        ("a:2019-07-01T00:00:04.000000Z:1", 1),
        ("a:2019-07-01T00:00:04.000000Z:2", 2),
        ("a:2019-07-01T00:00:04.000000Z:3", 3),
        ("a:2019-07-01T00:00:05.000000Z:1", 1),
    ]
    first = trades[0]
    assert isinstance(first, Trade)
    assert (first.price, first.quantity, first.side, first.origin) == ("10749.4", "0.004", None, "backfill")


def test_a_bad_kraken_line_keeps_its_number(tmp_path: Path) -> None:
    """Otherwise mending one line would change the ids of those after it."""
    path = write(tmp_path / "f.csv", "100,5,1", "100,-5,1", "100,6,1")
    good = [r.trade_id for r in read(path, Format.KRAKEN) if isinstance(r, Trade)]
    assert good == ["a:1970-01-01T00:01:40.000000Z:1", "a:1970-01-01T00:01:40.000000Z:3"]


def test_a_kraken_line_far_out_of_order_is_refused_because_its_number_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", *(f"{1000 + i},5,1" for i in range(10_002)), "1000,5,1", "11000,5,1")
    *_, late, last = read(path, Format.KRAKEN)
    assert isinstance(late, BadRecord)
    assert late.reject.code == "out_of_order"
    assert isinstance(last, Trade)
    assert last.seq == 2, "but not one among the last ten thousand times"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("unit", [1_000, 1])
@pytest.mark.parametrize("best_match", [True, False])
def test_binance_files_of_every_age_are_read(tmp_path: Path, header: bool, unit: int, best_match: bool) -> None:
    moment = datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    time = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=unit)
    tail = ",True" if best_match else ""
    rows = [f"17,84000.10,0.5,42000.05,{time},True{tail}", f"18,84000.20,0.25,21000.05,{time},false{tail}"]
    if header:
        rows.insert(0, "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch")
    path = tmp_path / "BTCUSDT-trades-2025-03-01.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BTCUSDT-trades-2025-03-01.csv", "\n".join(rows))
    seller, buyer = read(path, Format.BINANCE)
    assert isinstance(seller, Trade)
    assert isinstance(buyer, Trade)
    assert (seller.trade_id, seller.seq, seller.ts, seller.side) == ("t:17", 17, moment, "sell")
    assert (buyer.price, buyer.quantity, buyer.side) == ("84000.20", "0.25", "buy")


@pytest.mark.parametrize(
    ("format_", "first"),
    [(Format.BINANCE, "1561939203.1726,10749.4,0.004"), (Format.KRAKEN, "17,84000.10,0.5,42000.05,1740830400000,True")],
)
def test_a_file_of_the_other_layout_is_refused_at_once(tmp_path: Path, format_: Format, first: str) -> None:
    with pytest.raises(FileFormatError, match=r"f\.csv, line 1: \d columns instead of"):
        read(write(tmp_path / "f.csv", first), format_)


def test_bad_lines_are_told_with_their_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "100,5,1", "x,5,1", "100,5", "100,0,1", "99999999999,5,1", "999999999999999,5,1")
    bad = [r for r in read(path, Format.KRAKEN) if isinstance(r, BadRecord)]
    assert [(b.position, b.reject.code) for b in bad] == [
        ("line 2", "bad_time"),
        ("line 3", "wrong_columns"),
        ("line 4", "price_not_positive"),
        ("line 5", "future_time"),
        ("line 6", "bad_time"),
    ]


@given(st.integers(0, 4_000_000_000_000_000))
@example(0)
def test_times_are_read_exactly_in_any_unit(microseconds: int) -> None:
    whole, fraction = divmod(microseconds, 1_000_000)
    assert epoch_us(f"{whole}.{fraction:06d}", 1_000_000) == microseconds
    assert epoch_us(f"{whole}.{fraction:06d}999", 1_000_000) == microseconds
    assert epoch_us(str(microseconds), 1) == microseconds
    assert epoch_us(str(microseconds // 1000), 1_000) == microseconds // 1000 * 1000


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        moment = epoch_us(text, 1_000_000)
    except RejectedTradeError:
        return
    assert from_us(moment).year < 10_000


@given(st.lists(st.integers(0, 30), max_size=60).map(sorted))
def test_kraken_ids_are_unique_and_the_same_each_time(seconds: list[int]) -> None:
    def ids() -> list[object]:
        layout = KrakenLayout()
        return [layout.fields([str(s), "1", "1"])["trade_id"] for s in seconds]

    assert len(set(ids())) == len(seconds)
    assert ids() == ids()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(content=st.binary(max_size=300), format_=st.sampled_from(Format))
@example(content=b"1,2,3\n\x00\xff,,\n", format_=Format.KRAKEN)
def test_no_content_makes_a_reader_fail_other_than_by_saying_so(
    tmp_path: Path, content: bytes, format_: Format
) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    with contextlib.suppress(FileFormatError):
        assert all(isinstance(r, Trade | BadRecord) for r in read(path, format_))


@pytest.mark.parametrize(
    "rows",
    [
        ["17,84000.10,0.5,90,92,1740830400250,True,True"],
        ["17,84000.10,0.5,90,92,1740830400250000,True,True"],
        [
            "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
            "17,84000.10,0.5,90,92,1740830400250,true",
        ],
        ["17, 84000.10, 0.5, 90, 92, 1740830400250, True, True"],
    ],
    ids=["spot", "microseconds", "futures", "spaces"],
)
def test_aggregate_trades_keep_the_ids_of_the_api(tmp_path: Path, rows: list[str]) -> None:
    [trade] = read(write(tmp_path / "BTCUSD-aggTrades-2025-03-01.csv", *rows), Format.BINANCE, "binance")
    assert isinstance(trade, Trade)
    moment = datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert (trade.trade_id, trade.seq, trade.ts, trade.side) == ("17", 17, moment, "sell")


@pytest.mark.parametrize(
    ("format_", "row"),
    [
        (Format.BINANCE, "1740830400000,1,2,0.5,1.5,10,1740830459999,15,7,5,7.5,0"),
        (Format.KRAKEN, "1561939200,1,2,0.5,1.5,10,7"),
    ],
)
def test_candles_are_not_trades(tmp_path: Path, format_: Format, row: str) -> None:
    with pytest.raises(FileFormatError, match=r"f\.csv, line 1: .* these are candles, not trades"):
        read(write(tmp_path / "f.csv", row), format_)
