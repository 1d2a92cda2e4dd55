"""``candlewave.toml``: the shipped file, and errors that say where, what was found and what was expected."""

from pathlib import Path

import pytest

from candlewave.core.config import TIMEFRAME_SECONDS, Config, ConfigError, load_config
from candlewave.core.markets import Market


def _error(tmp_path: Path, text: str) -> str:
    file = tmp_path / "candlewave.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    return str(caught.value).removeprefix(f"{file}: ")


def test_the_shipped_file_is_valid_and_says_what_the_defaults_are() -> None:
    shipped = load_config()
    assert shipped.default_exchange in shipped.exchanges
    assert shipped.candles == Config().candles
    assert shipped.indicators == Config().indicators
    assert shipped.predictions == Config().predictions
    assert shipped.retention.trades is None


def test_symbols_keep_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "candlewave.toml"
    file.write_text(
        '[exchanges]\ndefault = "b"\n'
        '[exchanges.b]\nsymbols = ["ETH/USD", "BTC/EUR"]\n'
        '[exchanges.a]\nsymbols = ["X/Y"]\n'
    )
    config = load_config(file)
    assert config.default_exchange == "b"
    assert config.markets == [
        Market("b", "ETH/USD"),
        Market("b", "BTC/EUR"),
        Market("a", "X/Y"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[candles", "not TOML"),
        ("[candels]\n", "candels: Extra inputs are not permitted"),
        (
            '[candles]\ntimeframes = ["1m", "7m"]',
            "candles.timeframes: unknown timeframe '7m'; known are 1m,",
        ),
        ('[candles]\ntimeframes = ["5m"]', "must start with 1m, grow, and not repeat"),
        ('[candles]\ntimeframes = ["1m", "1h", "5m"]', "must start with 1m, grow, and not repeat"),
        ('[candles]\ntimeframes = ["1m", "5m", "5m"]', "must start with 1m, grow, and not repeat"),
        ('[candles]\ntimeframes = ["1m", "3m", "5m"]', "bars of 5m are not made of whole bars of 3m"),
        ('[candles]\ntimeframes = ["1m", "4h", "6h"]', "bars of 6h are not made of whole bars of 4h"),
        ("[candles]\ngrace_seconds = 60", "candles.grace_seconds: Input should be less than or equal to 59 (found 60)"),
        ("[candles]\nmax_fill_minutes = 0", "candles.max_fill_minutes: Input should be greater than or equal to 1"),
        ("[indicators]\nema = [12, 1]", "indicators.ema.1: Input should be greater than or equal to 2 (found 1)"),
        ("[indicators]\nrsi = 'fast'", "indicators.rsi: Input should be a valid integer"),
        ("[indicators]\nmacd = { fast = 26, slow = 12 }", "macd.fast (26) must be shorter than macd.slow (12)"),
        ("[indicators]\nbollinger = { deviations = 0 }", "indicators.bollinger.deviations"),
        (
            '[exchanges.kraken]\nsymbols = ["BTC-USD"]',
            "symbol 'BTC-USD' is not of the form BASE/QUOTE, such as BTC/USD",
        ),
        ("[exchanges.kraken]\nsymbols = []", "exchanges.kraken.symbols: List should have at least 1 item"),
        ('[retention]\ntrades = "soon"', "retention.trades = 'soon' is not a number of days, such as '365 days'"),
        ("[predictions]\nhorizons_minutes = [0]", "predictions.horizons_minutes.0"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in _error(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such file"):
        load_config(tmp_path / "nowhere.toml")


def test_retention_is_in_seconds(tmp_path: Path) -> None:
    file = tmp_path / "candlewave.toml"
    file.write_text('[retention]\ntrades = "30 days"\n')
    assert load_config(file).retention.trades_seconds == 30 * 86400


def test_bars_of_every_timeframe_begin_anew_with_each_day() -> None:
    assert all(86400 % seconds == 0 and seconds % 60 == 0 for seconds in TIMEFRAME_SECONDS.values())
    assert list(TIMEFRAME_SECONDS.values()) == sorted(TIMEFRAME_SECONDS.values())
