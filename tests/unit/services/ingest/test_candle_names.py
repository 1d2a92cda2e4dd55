"""Which files have one-minute candles of a market, by their names."""

from pathlib import Path

import pytest

from candlewave.services.ingest.candle_names import candle_members, files_in, interval_of
from candlewave.services.ingest.files import FileFormatError


@pytest.mark.parametrize(
    ("name", "exchange", "interval"),
    [
        ("BTCUSDT-1m-2024-01.zip", "binance", "1m"),
        ("BTCUSDT-5m-2024-01-31.csv", "binance", "5m"),
        ("BTCUSDT-1mo-2024.zip", "binance", "1mo"),
        ("BTCUSDT-1s-2024-01-31.zip", "binance", "1s"),
        ("Kraken_OHLCVT/XBTUSD_1.csv", "kraken", "1m"),
        ("XBTUSD_1440.csv", "kraken", "1440m"),
        ("XBTUSD_1440.csv", "other", None),
        ("1INCH_USDT-1m.feather", "binance", "1m"),
        ("BTC_USDT_USDT-1h-futures.feather", "binance", "1h"),
        ("BTC_USDT-1M.json.gz", "binance", "1M"),
        ("XBTUSD.csv", "kraken", None),
        ("candles-btc_usd-2024-01.csv", "kraken", None),
    ],
)
def test_intervals(name: str, exchange: str, interval: str | None) -> None:
    assert interval_of(name, exchange) == interval


KRAKEN = [f"{pair}_{minutes}.csv" for pair in ("XBTUSD", "ETHUSD", "XBTEUR") for minutes in (1, 5, 15, 60, 720, 1440)]
FREQTRADE = [
    "BTC_USDT-1m.feather",
    "BTC_USDT-5m.feather",
    "BTC_USDT-trades.feather",
    "BTC_USDC-1m.feather",
    "futures/BTC_USDT_USDT-1m-futures.feather",
    "futures/BTC_USDT_USDT-1h-mark.feather",
    "futures/BTC_USDT_USDT-1m-mark.feather",
    "futures/BTC_USDT_USDT-1h-funding_rate.feather",
]


@pytest.mark.parametrize(
    ("names", "exchange", "symbol", "chosen"),
    [
        (KRAKEN, "kraken", "BTC/USD", ["XBTUSD_1.csv"]),
        (["XBTUSD.csv", *KRAKEN], "kraken", "BTC/USD", ["XBTUSD_1.csv"]),
        (FREQTRADE, "binance", "BTC/USDT", ["BTC_USDT-1m.feather"]),
        (FREQTRADE, "binance", "BTC/USDT:USDT", ["futures/BTC_USDT_USDT-1m-futures.feather"]),
        (["BTCUSDT-1m-2024-01.csv", "BTCUSDT-1m-2024-02.csv"], "binance", "BTC/USDT", None),
        (["BTC_USDT-1m.feather"], "kraken", "BTC/USDT", None),
        (["my candles.csv"], "kraken", "BTC/USD", None),
        (["Kraken_BTCUSD-1m.parquet"], "kraken", "BTC/USD", None),
        (["btcusd-2024.csv", "ethusd-2024.csv"], "kraken", "BTC/USD", ["btcusd-2024.csv"]),
    ],
)
def test_the_one_minute_files_of_a_market_are_taken(
    names: list[str], exchange: str, symbol: str, chosen: list[str] | None
) -> None:
    assert candle_members(names, exchange, symbol) == (names if chosen is None else chosen)


@pytest.mark.parametrize(
    ("names", "symbol", "words"),
    [
        (["XBTUSD_5.csv", "XBTUSD_60.csv", "ETHUSD_1.csv"], "BTC/USD", "candles of 5m, 60m, not of 1m: XBTUSD_5.csv"),
        (["XBTUSD_5.csv"], "BTC/USD", "candles of 5m, not of 1m: XBTUSD_5.csv; only 1-minute candles are loaded"),
        (["ETHUSD_1.csv"], "BTC/USD", "not named after BTC/USD"),
        (["ETHUSD_1.csv", "SOLUSD_1.csv"], "BTC/USD", "none of 2 files is named after BTC/USD"),
        (["BTC_USD-trades.feather"], "BTC/USD", "no candles"),
        (["BTC_USDT_USDT-1m-futures.feather"], "BTC/USDT", "no file is named after BTC/USDT: BTC_USDT_USDT-1m-futures"),
        (["BTC_USDT-1m.feather"], "BTC/USDT:USDT", "no file is named after BTC/USDT:USDT"),
        (["BTCUSDT-premiumIndex-1m.csv"], "BTC/USDT", "no candles"),
    ],
)
def test_other_files_are_refused_with_what_they_are(names: list[str], symbol: str, words: str) -> None:
    with pytest.raises(FileFormatError) as refused:
        candle_members(names, "kraken", symbol)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_folders_are_searched(tmp_path: Path) -> None:
    for name in FREQTRADE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert files_in(tmp_path, "binance", "BTC/USDT:USDT") == [tmp_path / FREQTRADE[4]]
    single = tmp_path / "other.csv"
    assert files_in(single, "binance", "BTC/USDT") == [single], "a file is looked at when it is read"
    with pytest.raises(FileFormatError, match=rf"{tmp_path}: no file is named after ETH/USDT"):
        files_in(tmp_path, "binance", "ETH/USDT")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileFormatError, match="the folder is empty"):
        files_in(empty, "binance", "BTC/USDT")
