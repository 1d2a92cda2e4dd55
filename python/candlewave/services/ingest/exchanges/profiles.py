"""What must be known of each exchange beyond ccxt."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import ccxt

from candlewave.services.ingest.records import UnknownExchangeError


@dataclass(frozen=True)
class Profile:
    """What must be known of an exchange beyond ccxt.

    Attributes:
        ccxt_id: its class in ccxt.
        running_ids: True when trade ids of a market count 1, 2, 3, … so that a jump is a hole.
        options: ccxt options that make ids of websocket and REST the same.
        history: how past trades are paged, see :class:`Exchange`.
        maker_side: True when the exchange states the maker's side, which ccxt turns round over REST only.
        candles_kept: how many of the newest minutes its REST candles reach back; None where that is not limited.
    """

    ccxt_id: str
    running_ids: bool
    history: str
    options: dict[str, Any] = field(default_factory=dict)
    maker_side: bool = False
    candles_kept: int | None = None


_AGGREGATE_TRADES = {
    "defaultType": "spot",
    "watchTrades": {"name": "aggTrade"},
    "watchTradesForSymbols": {"name": "aggTrade"},
}
"""Binance's single trades cannot be paged without an API key; aggregate trades can: ccxt asks for them over REST."""

PROFILES = {
    "kraken": Profile("kraken", running_ids=True, history="kraken", candles_kept=720),
    "coinbase": Profile("coinbaseexchange", running_ids=True, history="older_ids", maker_side=True),
    "binance": Profile("binance", running_ids=True, history="newer_ids", options=_AGGREGATE_TRADES),
    "binanceus": Profile("binanceus", running_ids=True, history="newer_ids", options=_AGGREGATE_TRADES),
    "bybit": Profile("bybit", running_ids=False, history="recent", options={"defaultType": "spot"}),
}


def profile_of(name: str, *, candles_only: bool = False) -> Profile:
    """Return an exchange's profile; with ``candles_only`` a bare one of any exchange that ccxt knows.

    Raises:
        UnknownExchangeError: there is none.
    """
    if name in PROFILES:
        return PROFILES[name]
    if not candles_only:
        raise UnknownExchangeError(f"exchange {name!r} is not supported; known are {', '.join(PROFILES)}")
    if name not in ccxt.exchanges:
        near = ", ".join(get_close_matches(name, ccxt.exchanges)) or "see the list of ccxt"
        raise UnknownExchangeError(f"exchange {name!r} is not known; did you mean one of these: {near}")
    return Profile(name, running_ids=False, history="")
