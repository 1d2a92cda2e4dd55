"""Replay of trade files: every good line is published once, every bad one is reported, nothing stops it."""

import base64
import gzip
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes.memory_bus import MemoryBus

from candlewave.services.ingest.files import FileFormatError, Lines
from candlewave.services.ingest.replay import Pacer, Replayed, replay
from candlewave.services.ingest.validate import BadRecord

HEADER = "product_id,trade_id,ts,side,price,quantity"
GRACE = timedelta(seconds=2)
DAY = datetime(2026, 2, 1, tzinfo=UTC)


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def run(path: Path, bus: MemoryBus, **options: object) -> Replayed:
    with Lines(path) as lines:
        return replay(lines, bus, "testex", grace=GRACE, **options)  # type: ignore[arg-type]


def test_trades_come_out_with_heartbeats_for_empty_minutes_and_past_the_last(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "BTC-USD,1,2026-02-01T00:00:10Z,buy,100.5,1",
        "BTC-USD,2,2026-02-01T00:03:10.25Z,sell,101,0.25",
    )
    bus = MemoryBus()
    done = run(path, bus)
    assert [(t.symbol, t.trade_id, t.seq, t.price, t.side, t.origin) for t in bus.trades] == [
        ("BTC/USD", "1", 1, "100.5", "buy", "replay"),
        ("BTC/USD", "2", 2, "101", "sell", "replay"),
    ]
    minutes = [DAY + timedelta(minutes=m) for m in (1, 2)]
    last = DAY + timedelta(minutes=4, seconds=2)
    assert [h.ts for h in bus.heartbeats] == [*minutes, last]
    assert [r.trade_id for r in bus.records][-1] == "hb:2026-02-01T00:04:02.000000Z"
    (market,) = done.markets
    assert (market.symbol, market.last_minute, market.closed_by) == (
        "BTC/USD",
        DAY + timedelta(minutes=3),
        last,
    )
    assert (done.trades, done.heartbeats, done.rejected) == (2, 3, {})


def test_bad_lines_are_reported_with_file_line_and_reason_and_stop_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "bad.csv",
        "BTC-USD,1,2026-02-01T00:00:10Z,buy,100,1",
        "BTC-USD,2,2026-02-01T00:00:11Z,buy,-5,1",
        "BTC-USD,3,2026-02-01T00:00:12Z,buy,100",
        "BTC-USD,4,yesterday,buy,100,1",
        "",
        "BTC-USD,5,2999-01-01T00:00:00Z,buy,100,1",
        "BTCUSD,6,2026-02-01T00:00:13Z,buy,100,1",
        "BTC-USD,7,2026-02-01T00:00:14Z,buy,100,1",
    )
    bus = MemoryBus()
    reported: list[str] = []
    done = run(path, bus, on_reject=lambda bad: reported.append(str(bad)))
    assert [t.trade_id for t in bus.trades] == ["1", "7"]
    assert done.rejected == {
        "price_not_positive": 1,
        "wrong_columns": 1,
        "bad_time": 1,
        "future_time": 1,
        "bad_symbol": 1,
    }
    assert reported[0] == "bad.csv, line 3: price '-5' is not positive"
    assert reported[1] == "bad.csv, line 4: 5 columns instead of 6"
    letters = bus.dead_letters
    assert [letter.position for letter in letters] == ["line 3", "line 4", "line 5", "line 7", "line 8"]
    assert {letter.source for letter in letters} == {"bad.csv"}
    assert base64.b64decode(letters[0].payload_base64) == b"BTC-USD,2,2026-02-01T00:00:11Z,buy,-5,1"
    again = MemoryBus()
    run(path, again)
    assert [x.id for x in again.dead_letters] == [x.id for x in letters]


def test_a_cut_off_file_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    rows = [f"BTC-USD,{i},2026-02-01T00:{i // 60 % 60:02}:{i % 60:02}Z,buy,{100 + i},1" for i in range(1, 3000)]
    packed = gzip.compress("\n".join([HEADER, *rows]).encode())
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    bus = MemoryBus()
    done = run(path, bus)
    assert len(bus.trades) > 100
    assert done.rejected["unreadable"] == 1
    assert "cut off" in bus.dead_letters[-1].reason


@pytest.mark.parametrize(
    "header", ["", "symbol,price", HEADER.replace("ts", "time"), HEADER + ",symbol", "\x00\x01binary"]
)
def test_a_file_with_another_header_is_refused_by_name(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "other.csv", "a,b,c,d,e,f", header=header)
    with pytest.raises(FileFormatError, match=r"other\.csv: the first line must name the columns symbol"):
        run(path, MemoryBus())


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_bytes(b"")
    bus = MemoryBus()
    assert run(path, bus).markets == ()
    assert bus.publishes == []


def test_columns_may_come_in_any_order_with_others(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        '5,"2026-02-01T00:00:10Z",x,sell,7,ETH/USD,note',
        header="quantity,ts,extra,side,trade_id,symbol,price".replace("price", "note").replace("extra", "price"),
    )
    bus = MemoryBus()
    assert run(path, bus).rejected == {"bad_price": 1}
    path = write(
        tmp_path / "u.csv",
        '5,"2026-02-01T00:00:10Z",9.5,sell,7,ETH/USD,note',
        header="Quantity,ts,price,side,trade_id,symbol,note",
    )
    run(path, bus)
    (trade,) = bus.trades
    assert (trade.symbol, trade.price, trade.quantity, trade.seq) == ("ETH/USD", "9.5", "5", 7)


def test_ids_that_are_no_numbers_get_running_numbers_per_symbol(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "BTC-USD,aa,2026-02-01T00:00:10Z,buy,100,1",
        "ETH-USD,bb,2026-02-01T00:00:10Z,buy,100,1",
        "BTC-USD,cc,2026-02-01T00:00:10Z,buy,100,1",
    )
    bus = MemoryBus()
    run(path, bus)
    assert [(t.symbol, t.seq) for t in bus.trades] == [("BTC/USD", 1), ("ETH/USD", 1), ("BTC/USD", 2)]


def test_only_known_symbols_pass_when_they_are_given(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "BTC-USD,1,2026-02-01T00:00:10Z,buy,100,1",
        "DOGE-USD,1,2026-02-01T00:00:10Z,buy,100,1",
    )
    bus = MemoryBus()
    seen: list[str] = []
    done = run(path, bus, symbols={"BTC/USD"}, on_symbol=seen.append)
    assert done.rejected == {"unknown_symbol": 1}
    assert seen == ["BTC/USD"]


def test_a_file_that_ends_now_waits_for_its_last_minute(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "BTC-USD,1,2026-02-01T00:00:59Z,buy,100,1")
    now = [DAY + timedelta(seconds=59.5)]

    def sleep(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    bus = MemoryBus()
    run(path, bus, clock=lambda: now[0], sleep=sleep)
    assert now[0] >= DAY + timedelta(seconds=62)
    assert bus.heartbeats[-1].ts == DAY + timedelta(seconds=62)


def paced(path: Path, speed: float | None) -> list[tuple[float, int]]:
    """Replay by a clock of the test's own; return when how many records were published."""
    now = [0.0]
    published: list[tuple[float, int]] = []

    class Watching(MemoryBus):
        def publish(self, topic: str, messages: object) -> None:
            batch = list(messages)  # type: ignore[call-overload]
            published.append((now[0], len(batch)))
            super().publish(topic, batch)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    run(path, Watching(), pacer=Pacer(speed, clock=lambda: now[0], sleep=sleep))
    return published


@pytest.mark.parametrize("speed", [1.0, 60.0, None])
def test_speed_lets_event_time_pass_so_many_times_faster(tmp_path: Path, speed: float | None) -> None:
    path = write(
        tmp_path / "t.csv",
        "BTC-USD,1,2026-02-01T00:00:00Z,buy,100,1",
        "BTC-USD,2,2026-02-01T00:00:30Z,buy,100,1",
        "BTC-USD,3,2026-02-01T00:02:30Z,buy,100,1",
    )
    factor = 1 / speed if speed else 0
    times = [when for when, _ in paced(path, speed)]
    # trade 1, trade 2, the empty minute's heartbeat at its end, and at last trade 3 with what closes it
    assert sorted(set(times)) == pytest.approx(sorted({0, 30 * factor, 120 * factor, 150 * factor}))


def test_a_speed_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="speed 0"):
        Pacer(0)


def test_memory_stays_bounded_for_a_long_file(tmp_path: Path) -> None:
    class Forgetting(MemoryBus):
        def publish(self, topic: str, messages: object) -> None:
            self.publishes.append((topic, len(list(messages))))  # type: ignore[call-overload]

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as out:
            out.write(HEADER + "\n")
            out.writelines(
                f"BTC-USD,{i},2026-02-01T{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}Z,buy,100,1\n"
                for i in range(rows)
            )
        tracemalloc.start()
        run(path, Forgetting())
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(40_000) < 1.3 * peak(10_000)


def test_a_progress_callback_counts_trades(tmp_path: Path) -> None:
    rows = [f"BTC-USD,{i},2026-02-01T00:00:{i % 60:02}Z,buy,100,1" for i in range(2_500)]
    counts: list[int] = []
    progress: Callable[[int], None] = counts.append
    run(write(tmp_path / "t.csv", *rows), MemoryBus(), on_progress=progress)
    assert counts == sorted(counts)
    assert len(counts) == 3


def test_a_bad_record_says_where_in_one_line(tmp_path: Path) -> None:
    bad: list[BadRecord] = []
    run(write(tmp_path / "t.csv", "x" * 500), MemoryBus(), on_reject=bad.append)
    assert str(bad[0]) == "t.csv, line 2: 1 columns instead of 6"
