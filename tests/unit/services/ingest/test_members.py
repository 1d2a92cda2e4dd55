"""Which market a file is about, by its name."""

import pytest

from candlewave.services.ingest.members import WrongMarketError, files_of_market, names_market


@pytest.mark.parametrize(
    ("name", "exchange", "symbol", "same"),
    [
        ("XBTUSD.csv", "kraken", "BTC/USD", True),
        ("Kraken_Trading_History/XBTUSD.csv", "kraken", "BTC/USD", True),
        ("XXBTZUSD.csv.gz", "kraken", "BTC/USD", True),
        ("XDGUSD.csv", "kraken", "DOGE/USD", True),
        ("XBTUSD_1.csv", "kraken", "BTC/USD", True),
        ("XBTAED.csv", "kraken", "BTC/USD", False),
        ("ETHUSD.csv", "kraken", "BTC/USD", False),
        ("BTCUSDT-trades-2021-01.zip", "binance", "BTC/USDT", True),
        ("BTCUSDT-aggTrades-2021-01-08.csv", "binance", "BTC/USDT", True),
        ("BTCUSDT-trades-2021-01.zip", "binance", "BTC/USD", False),
        ("1000SHIBUSDT-trades-2021.csv", "binance", "SHIB/USDT", False),
        ("trades-kraken-btcusd-2019-07-01.csv.gz", "kraken", "BTC/USD", True),
        ("trades-kraken-btcusd-2019-07-01.csv.gz", "kraken", "ETH/USD", False),
        ("btc_usd.csv", "kraken", "BTC/USD", True),
        ("BTC-USD.csv", "kraken", "ETH/USD", False),
        ("BTCUSDT-trades-2021-01.csv", "binance", "BTC/USDT:USDT", True),
        ("币安人生USDT-aggTrades-2025-10.zip", "binance", "币安人生/USDT", True),
        ("币安人生USDT-aggTrades-2025-10.zip", "binance", "BTC/USDT", False),
        ("LUNAUSD.csv", "kraken", "LUNC/USD", True),
        ("LUNAUSD.csv", "kraken", "LUNA/USD", False),
        ("LUNA2USD.csv", "kraken", "LUNA/USD", True),
        ("LUNAUSDT-aggTrades-2026-01.csv", "binance", "LUNA/USDT", True),
        ("BTCUSD_PERP-aggTrades-2023-05.csv", "binance", "BTC/USD:BTC", True),
        ("BTCUSD_231229-aggTrades-2023-05.csv", "binance", "BTC/USD:BTC", False),
        ("BTCUSDT_231229-trades-2023-05-01.csv", "binance", "BTC/USDT", False),
        ("BTCUSD_231229-aggTrades-2023-05.csv", "binance", "BTC/USD:BTC-231229", True),
        ("BTCUSD_PERP-aggTrades-2023-05.csv", "binance", "BTC/USD:BTC-231229", False),
        ("trades.csv", "binance", "BTC/USD:BTC-231229", None),
        ("history-trades.csv", "kraken", "BTC/USD", None),
        ("registry.csv", "kraken", "BTC/USD", None),
        ("2021-01.csv", "kraken", "BTC/USD", None),
    ],
)
def test_names(name: str, exchange: str, symbol: str, same: bool | None) -> None:
    assert names_market(name, exchange, symbol) is same


def test_of_several_files_those_of_the_market_are_taken() -> None:
    assert files_of_market(["XBTUSD.csv", "ETHUSD.csv", "notes.txt"], "kraken", "BTC/USD") == ["XBTUSD.csv"]


def test_files_beside_the_data_are_left_out() -> None:
    names = ["BTCUSDT-1m-2026-01.zip.CHECKSUM", "BTCUSDT-1m-2026-01.csv", "._BTCUSDT-1m-2026-01.csv"]
    assert files_of_market(names, "binance", "BTC/USDT") == ["BTCUSDT-1m-2026-01.csv"]
    assert files_of_market(["a.csv", ".DS_Store"], "binance", "BTC/USDT") == ["a.csv"]


def test_files_of_a_market_are_in_the_order_of_their_names() -> None:
    names = ["2025/Q2/XBTUSD.csv", "XBTUSD-10.csv", "2025/Q1/XBTUSD.csv", "XBTUSD-9.csv"]
    assert files_of_market(names, "kraken", "BTC/USD") == [
        "2025/Q1/XBTUSD.csv",
        "2025/Q2/XBTUSD.csv",
        "XBTUSD-9.csv",
        "XBTUSD-10.csv",
    ]


def test_a_single_file_without_a_market_in_its_name_is_taken() -> None:
    assert files_of_market(["trades.csv"], "kraken", "BTC/USD") == ["trades.csv"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["ETHUSD.csv"], r"ETHUSD\.csv: not named after BTC/USD"),
        (["ETHUSD.csv", "SOLUSD.csv"], r"none of 2 files is named after BTC/USD: ETHUSD\.csv, SOLUSD\.csv"),
        (["2021-01.csv", "2021-02.csv"], "none of 2 files"),
        ([f"{i}.csv" for i in range(12)], "and 2 more"),
    ],
)
def test_files_of_other_markets_are_refused_by_name(names: list[str], words: str) -> None:
    with pytest.raises(WrongMarketError, match=words):
        files_of_market(names, "kraken", "BTC/USD")
