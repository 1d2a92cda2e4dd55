"""Markets: a symbol on an exchange."""

from typing import NamedTuple


class Market(NamedTuple):
    """A symbol, such as BTC/USD, on an exchange; as text ``kraken BTC/USD``."""

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
        """What is traded: BTC of BTC/USD."""
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """What it is paid with: USD of BTC/USD."""
        return self.symbol.partition("/")[2]


def market_key(exchange: str, symbol: str) -> str:
    """As :attr:`Market.key`, where no market is at hand."""
    return f"{exchange}|{symbol}"
