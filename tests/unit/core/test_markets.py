"""Symbols of every kind of market and in every script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.core.markets import Market, normalise_symbol, symbol_id


@pytest.mark.parametrize(
    ("symbol", "base", "quote", "kind"),
    [
        ("BTC/USD", "BTC", "USD", "spot"),
        ("1INCH/EUR.M", "1INCH", "EUR.M", "spot"),
        ("币安人生/USDT", "币安人生", "USDT", "spot"),
        ("BTC/USDT:USDT", "BTC", "USDT", "swap"),
        ("BTC/USD:BTC", "BTC", "USD", "swap"),
        ("币安人生/USDT:USDT", "币安人生", "USDT", "swap"),
        ("BTC/USD:BTC-261225", "BTC", "USD", "future"),
        ("ETH/USD:ETH-261225-2500.5-P", "ETH", "USD", "option"),
    ],
)
def test_a_symbol_says_what_is_traded(symbol: str, base: str, quote: str, kind: str) -> None:
    market = Market("x", symbol)
    assert (market.base, market.quote, market.kind) == (base, quote, kind)
    assert normalise_symbol(symbol) == symbol
    assert normalise_symbol(symbol_id(symbol).lower()) == symbol


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        (" btc-usd ", "BTC/USD"),
        ("btc/usdt:usdt", "BTC/USDT:USDT"),
        ("btc-usd:btc-261225", "BTC/USD:BTC-261225"),
        ("E\u0301A/USD", "\u00c9A/USD"),
        ("BTC", None),
        ("BTC/", None),
        ("BTC/USD/EUR", None),
        ("BTC/USDT:", None),
        ("BTC/USDT:USDT-2612", None),
        ("BTC/USDT:USDT-261225-90000", None),
        ("BTC/U SD", None),
        ("BTC/U\u200bSD", None),
        ("BTC|X/USD", None),
        ("A" * 78 + "/USD", None),
    ],
)
def test_other_spellings_and_what_is_no_symbol(text: str, symbol: str | None) -> None:
    assert normalise_symbol(text) == symbol


def test_a_market_without_a_proper_symbol_has_no_kind() -> None:
    assert Market("x", "BTC").kind is None


@given(st.text(max_size=20))
def test_a_normalised_symbol_stays_as_it_is(text: str) -> None:
    symbol = normalise_symbol(text)
    if symbol is not None:
        assert normalise_symbol(symbol) == normalise_symbol(symbol_id(symbol)) == symbol
