"""Markets: a symbol on an exchange, written as ccxt writes it everywhere."""

import re
import unicodedata
from typing import Literal, NamedTuple

Kind = Literal["spot", "swap", "future", "option"]
"""What is traded: the asset itself, a perpetual contract, a dated one, an option."""

MAX_SYMBOL = 80
"""Characters of a symbol at most."""

_CODE = r"(?:[^\W_]|[.$])+"
_SYMBOL = re.compile(
    rf"(?P<base>{_CODE})/(?P<quote>{_CODE})"
    rf"(?::(?P<settle>{_CODE})(?P<expiry>-\d{{6}}(?P<strike>-\d+(?:\.\d+)?-[CP])?)?)?"
)


class Market(NamedTuple):
    """A symbol, such as BTC/USD, on an exchange; as text ``kraken BTC/USD``.

    Contracts name what they settle in, and when: BTC/USDT:USDT is a perpetual one, BTC/USD:BTC-261225 one of Christmas
    2026, BTC/USD:BTC-261225-90000-C a call at 90,000.
    """

    exchange: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol}"

    @property
    def key(self) -> str:
        """The key of the market's messages, which keeps them in order: ``kraken|BTC/USD``."""
        return market_key(self.exchange, self.symbol)

    @property
    def base(self) -> str:
        """What is traded: BTC of BTC/USD and of BTC/USDT:USDT."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """What its price is in: USD of BTC/USD, USDT of BTC/USDT:USDT."""
        return self.symbol.partition("/")[2].partition(":")[0]

    @property
    def kind(self) -> Kind | None:
        """What is traded, as the symbol says it; None when it is not of the form of a symbol."""
        found = _SYMBOL.fullmatch(self.symbol)
        if found is None:
            return None
        if found["settle"] is None:
            return "spot"
        return "swap" if found["expiry"] is None else "future" if found["strike"] is None else "option"


def market_key(exchange: str, symbol: str) -> str:
    """As :attr:`Market.key`, where no market is at hand."""
    return f"{exchange}|{symbol}"


def normalise_symbol(text: str) -> str | None:
    """Return a symbol in the form BTC/USD, given that or BTC-USD in any case; None when it is neither.

    Letters of any script are letters; of two ways to encode one of them the composed one is taken.
    """
    symbol = unicodedata.normalize("NFC", text.strip()).upper()
    if "/" not in symbol:
        symbol = symbol.replace("-", "/", 1)
    return symbol if _SYMBOL.fullmatch(symbol) and len(symbol) <= MAX_SYMBOL else None


def symbol_id(symbol: str) -> str:
    """Return a symbol as addresses of the API have it: BTC-USD."""
    return symbol.replace("/", "-", 1)
