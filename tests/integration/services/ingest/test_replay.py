"""Real and made-up trade files, replayed through bus and engine, against candles computed with pandas."""

import gzip
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.integration.services.ingest.conftest import Engine

from candlewave.core.paths import project_root
from candlewave.services.ingest.files import Lines
from candlewave.services.ingest.replay import Replayed, replay
from candlewave.services.ingest.store import ViewsTimeoutError, register_symbols, wait_until_visible

DATA = project_root().parent / "shared" / "data"
FILES = (
    "trades-binance-xrpeth-2019-10-11.csv.gz",
    "trades-kraken-btcusd-2019-07-01.csv.gz",
    "trades-binance-btcusdt-2021-01-08.csv.gz",
)
GRACE = timedelta(seconds=2)


def run(engine: Engine, path: Path, exchange: str = "testex") -> Replayed:
    with Lines(path) as lines:
        return replay(
            lines,
            engine.bus,
            exchange,
            grace=GRACE,
            on_symbol=lambda symbol: register_symbols(engine.conn, exchange, [symbol]),
        )


def expected_candles(path: Path) -> pd.DataFrame:
    """One-minute candles by pandas; silent minutes carry the close for up to four hours."""
    trades = pd.read_csv(path, dtype={"trade_id": "int64"})
    trades["ts"] = pd.to_datetime(trades["ts"], utc=True, format="ISO8601")
    trades = trades.sort_values(["ts", "trade_id"], kind="stable")
    trades["minute"] = trades["ts"].dt.floor("min")
    trades["turnover"] = trades["price"] * trades["quantity"]
    grouped = trades.groupby("minute")
    candles = grouped["price"].agg(["first", "max", "min", "last"])
    candles.columns = pd.Index(["open", "high", "low", "close"])
    candles["volume"] = grouped["quantity"].sum()
    candles["turnover"] = grouped["turnover"].sum()
    candles["trades"] = grouped.size()
    every = pd.date_range(candles.index[0], candles.index[-1], freq="min")
    candles = candles.reindex(every)
    candles["close"] = candles["close"].ffill(limit=240)
    for column in ("open", "high", "low"):
        candles[column] = candles[column].fillna(candles["close"])
    for column in ("volume", "turnover", "trades"):
        candles[column] = candles[column].where(candles[column].notna() | candles["close"].isna(), 0.0)
    return candles.dropna()


def assert_candles(engine: Engine, path: Path) -> None:
    wanted = expected_candles(path)
    rows = engine.rows(
        "SELECT open_time, open, high, low, close, volume, turnover, trades FROM candles"
        " WHERE timeframe = '1m' ORDER BY open_time"
    )
    got = pd.DataFrame(rows, columns=["minute", *wanted.columns]).set_index("minute")
    assert list(got.index) == list(wanted.index)
    for column in ("open", "high", "low", "close", "trades"):
        assert got[column].astype(float).tolist() == wanted[column].astype(float).tolist(), column
    for column in ("volume", "turnover"):
        assert got[column].tolist() == pytest.approx(wanted[column].tolist(), rel=1e-12, abs=0), column


@pytest.mark.parametrize("name", FILES)
def test_real_trades_give_the_candles_that_pandas_gives(engine: Engine, name: str) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded trades {name} are not on this machine")
    done = run(engine, path)
    assert done.rejected == {}
    assert done.trades == len(pd.read_csv(path))
    engine.refresh()
    assert_candles(engine, path)
    run(engine, path)
    engine.refresh()
    assert_candles(engine, path)


def test_made_up_trades_give_the_candles_that_pandas_gives(engine: Engine, tmp_path: Path) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    rows, second = ["product_id,trade_id,ts,side,price,quantity"], 0.0
    for number in range(1, 1_500):
        second += (number * 7919 % 13) * 1.3 + (900 if number % 400 == 0 else 0)
        ts = (start + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")
        price = 100 + (number * 31 % 89) / 7
        rows.append(f"BTC-USD,{number},{ts},{'buy' if number % 3 else 'sell'},{price:.4f},{1 + number % 5 / 8}")
    path = tmp_path / "made-up.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    run(engine, path)
    engine.refresh()
    assert_candles(engine, path)
    states = dict(engine.rows("SELECT feed_state, count(*) FROM candles WHERE timeframe = '1m' GROUP BY feed_state"))  # type: ignore[arg-type]
    assert set(states) == {"traded", "quiet"}, "a complete range has no minute without a feed"
    assert engine.rows("SELECT symbol, base, quote, kind FROM symbols") == [("BTC/USD", "BTC", "USD", "spot")]


def write(path: Path, count: int = 30) -> Path:
    rows = [f"ETH-USD,{i},2026-01-05T00:{i:02}:10Z,buy,{100 + i},1" for i in range(1, count)]
    path.write_text("\n".join(["product_id,trade_id,ts,side,price,quantity", *rows]))
    return path


def test_waiting_ends_when_the_views_show_the_last_minute(engine: Engine, tmp_path: Path) -> None:
    done = run(engine, write(tmp_path / "t.csv"))
    engine.refresh()
    wait_until_visible(engine.conn, done.markets, timeout=0)
    (market,) = done.markets
    assert engine.value("SELECT max(open_time) FROM candles WHERE timeframe = '1m'") == market.last_minute


def test_waiting_for_views_that_do_not_move_ends_with_what_is_missing(engine: Engine, tmp_path: Path) -> None:
    done = run(engine, write(tmp_path / "t.csv"))
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    with pytest.raises(ViewsTimeoutError, match=r"after 5 s; missing: testex ETH/USD up to 2026-01-05 00:29Z"):
        wait_until_visible(engine.conn, done.markets, 5, clock=lambda: passed[0], sleep=sleep)


def test_replaying_the_past_beside_a_live_feed_still_waits_for_its_own_end(engine: Engine, tmp_path: Path) -> None:
    """The market clock is far past the file already, so it cannot be what is waited for."""
    run(engine, write(tmp_path / "later.csv"), "otherex")
    engine.refresh()
    done = run(engine, write(tmp_path / "t.csv", 20))
    waited = threading.Event()

    def wait() -> None:
        with engine.connect() as conn:
            wait_until_visible(conn, done.markets, timeout=30)
        waited.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not waited.is_set()
    engine.refresh()
    waiting.join(30)
    assert waited.is_set()
