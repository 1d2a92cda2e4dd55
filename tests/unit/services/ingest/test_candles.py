"""What a usable one-minute candle is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from candlewave.contracts.records import LoadedCandle
from candlewave.core.times import to_us
from candlewave.services.ingest.candles import CandleChecker, Quiet, RawCandle, extras
from candlewave.services.ingest.validate import Reject

T0 = datetime(2026, 6, 1, tzinfo=UTC)
NOW = T0 + timedelta(minutes=10, seconds=30)
GOOD: dict[str, Any] = {
    "open_us": to_us(T0), "open": "100.0", "high": "101", "low": "99.50", "close": "100.5", "volume": "3.25",
    "turnover": "326.1", "trades": "4", "buy_volume": "1.25", "number": 1, "payload": b"",
}  # fmt: skip


def check(**changes: object) -> LoadedCandle | Quiet | Reject:
    return CandleChecker("kraken", "BTC/USD", "archive", NOW, NOW).check(RawCandle(**{**GOOD, **changes}))


def test_numbers_stay_as_they_were_written() -> None:
    assert check() == LoadedCandle(
        exchange="kraken", symbol="BTC/USD", open_time=T0, open="100.0", high="101", low="99.50", close="100.5",
        volume="3.25", turnover="326.1", trades=4, buy_volume="1.25", source="archive", loaded_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_what_a_source_does_not_tell_is_unknown_and_never_zero(nothing: object) -> None:
    candle = check(turnover=nothing, trades=nothing, buy_volume=nothing)
    assert isinstance(candle, LoadedCandle)
    assert (candle.turnover, candle.trades, candle.buy_volume) == (None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"volume": "0.00", "trades": "0"},
        {"volume": 0.0, "trades": None},
        {"volume": "0e-8", "trades": None, "open": None, "high": None, "low": None, "close": None},
        {"volume": "0", "trades": "0", "open": "0", "high": "0", "low": "0", "close": "0"},
    ],
)
def test_a_minute_without_trades_is_quiet_whatever_its_prices(changes: dict[str, object]) -> None:
    assert check(**changes) == Quiet(T0)


def test_a_volume_that_is_rounded_to_nothing_was_traded() -> None:
    candle = check(volume="0.00000000", trades="2", buy_volume=None)
    assert isinstance(candle, LoadedCandle)
    assert (candle.volume, candle.trades) == ("0.00000000", 2)


def test_the_newest_minute_that_is_over_is_accepted() -> None:
    assert isinstance(check(open_us=to_us(T0 + timedelta(minutes=9))), LoadedCandle)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"open_us": to_us(T0) + 1}, "not_a_minute", "is not the beginning of a minute"),
        ({"open_us": to_us(T0 + timedelta(minutes=10))}, "not_over", "was not over when it was read at 2026-06-01"),
        ({"open_us": -60_000_000}, "bad_time", "before 1970"),
        ({"open": "0"}, "open_not_positive", "open '0' is not positive"),
        ({"close": "abc"}, "bad_close", "close 'abc' is not a decimal number"),
        ({"low": None}, "no_low", "no low"),
        ({"high": "inf"}, "high_not_finite", "high 'inf' is not finite"),
        ({"high": "100.4"}, "prices_disagree", "close 100.5 are not between low 99.5 and high 100.4"),
        ({"low": "100.2"}, "prices_disagree", "open 100.0 and close 100.5 are not between low 100.2"),
        ({"volume": "-1"}, "volume_negative", "volume '-1' is negative"),
        ({"volume": None}, "no_volume", "no volume"),
        ({"trades": "0"}, "volume_without_trade", "volume 3.25 but no trade"),
        ({"trades": "1.5"}, "bad_trades", "trades 1.5 is not a whole number"),
        ({"trades": "-3"}, "trades_negative", "trades '-3' is negative"),
        ({"buy_volume": "3.26"}, "buy_volume_too_large", "buy_volume 3.26 exceeds the volume of 3.25"),
        ({"turnover": "x"}, "bad_turnover", "turnover 'x' is not a decimal number"),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_reason(changes: dict[str, object], code: str, words: str) -> None:
    refused = check(**changes)
    assert isinstance(refused, Reject)
    assert refused.code == code
    assert words in refused.text


def test_what_exchanges_tell_beyond_the_common_columns() -> None:
    kraken = [1767571200, "100", "101", "99", "100.5", "100.2", "2.5", 7]
    assert extras("kraken", False, kraken) == ("250.50", 7, None)
    binance = [1767571200000, "1", "2", "0.5", "1", "10", 1767571259999, "15", 7, "4", "6", "0"]
    assert extras("binance", False, binance) == ("15", 7, "4")
    assert extras("binance", True, binance) == (None, 7, "6"), "its turnover column is the volume in the base"
    assert extras("bybit", False, ["1767571200000", "1", "2", "0.5", "1", "10", "15"]) == ("15", None, None)
    assert extras("okx", False, kraken) == (None, None, None)
    assert extras("kraken", False, None) == (None, None, None)
    assert extras("kraken", False, [1, 2]) == (None, None, None)
