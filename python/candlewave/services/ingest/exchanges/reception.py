"""What a connection was asked for, and who takes what arrives on it."""

import re
from collections.abc import Callable, Sequence

from candlewave.services.ingest.records import Garbage, RawTrade, payload_bytes

Record = RawTrade | Garbage
_PASSING = re.compile("rate|limit|already|busy|unavailable|internal|timeout|maintenance", re.IGNORECASE)


class Reception:
    """The markets of the present watch and those who listen to it.

    ccxt's callbacks outlive a connection; they find here whom to tell now, if anyone.

    Attributes:
        wanted: the markets to subscribe to.
        own_names: their symbols by what the exchange's websocket calls them.
        record: takes what arrives.
        refused: takes a symbol whose subscription was refused, and why.
        served: takes a symbol whose subscription was confirmed.
    """

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.own_names: dict[str, str] = {}
        self.record: Callable[[Record], None] = _ignore
        self.refused: Callable[[str, str], None] = _ignore
        self.served: Callable[[str], None] = _ignore

    def begin(
        self,
        symbols: Sequence[str],
        own_name: Callable[[str], str],
        record: Callable[[Record], None],
        refused: Callable[[str, str], None],
        served: Callable[[str], None],
    ) -> None:
        """Begin a watch."""
        self.record, self.refused, self.served = record, refused, served
        self.wanted = list(symbols)
        self.own_names = {}
        for symbol in symbols:
            own = own_name(symbol)  # a coin and its contract may share one
            self.own_names[symbol if own in self.own_names else own] = symbol

    def end(self) -> None:
        """Tell nobody any more."""
        self.record = self.refused = self.served = _ignore

    def take(self, read: Callable[[], Record], source: object) -> None:
        """Hand a record over; what cannot be read is garbage by itself and leaves its neighbours alone."""
        try:
            record = read()
        except Exception as error:  # noqa: BLE001 (foreign data in a foreign library)
            record = unreadable(source, error)
        self.record(record)

    def give_up(self, symbol: str) -> None:
        """Ask for a symbol no more on the next connection of this watch."""
        if symbol in self.wanted:
            self.wanted.remove(symbol)

    def refuse(self, symbol: str, reason: str) -> None:
        """Leave a symbol out whose subscription was refused; the others go on undisturbed."""
        self.give_up(symbol)
        self.refused(symbol, reason)

    def named_in(self, text: str) -> list[str]:
        """Return the watched symbols that an exchange's message names, by either name."""
        return [
            symbol
            for own, symbol in self.own_names.items()
            if any(re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/-])", text) for name in {own, symbol})
        ]


def _ignore(*_: object) -> None:
    """Listen to nothing."""


def is_passing(refusal: str) -> bool:
    """Return whether a refusal is about the moment, not about the symbol it names."""
    return _PASSING.search(refusal) is not None


def unreadable(source: object, error: Exception) -> Garbage:
    """Return a trade that the library cannot read, with the reason."""
    return Garbage(payload_bytes(source), f"trade cannot be read: {type(error).__name__}: {error}")
