"""Which market a file is about, by its name: archives of exchanges hold one file per market and do not say inside."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath

import ccxt

from candlewave.services.ingest.files import FileFormatError

_COMMON_QUOTES = """
    USD USDT USDC USDQ USDR USDS USDD USD1 BUSD TUSD FDUSD PYUSD RLUSD EUR EURT EURC GBP JPY AUD CAD CHF BRL AED KRW BTC
    XBT ETH
"""
_RARE_QUOTES = "DAI UST TRY INR RUB UAH PLN ZAR MXN ARS COP CZK RON IDRT NGN SGD HKD BNB TRX XRP DOGE"
"""Currencies in which words end as well (TRY: registry), so that they count only behind a currency that is known."""
_COINS = "SOL ADA DOT LTC LINK AVAX MATIC POL ATOM UNI XLM XMR BCH ETC NEAR SHIB PEPE TON SUI APT ARB OP"
_COMMON, _RARE = frozenset(_COMMON_QUOTES.split()), frozenset(_RARE_QUOTES.split())
_LEGACY = {"X": "BTC XBT ETH XRP LTC XDG XLM XMR ZEC ETC REP MLN".split(), "Z": ["USD", "EUR"]}  # noqa: SIM905
_TOKEN = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"([0-9]+)")
_EXPIRY = re.compile(r"[A-Za-z]_([0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))(?![0-9])")
_SUFFIXES = frozenset(
    {".csv", ".gz", ".zip", ".txt", ".bz2", ".xz", ".lzma", ".jsonl", ".json", ".feather", ".parquet"}
)
_BESIDE = frozenset({".checksum", ".md5", ".sha1", ".sha256", ".sha512", ".asc", ".sig"})
_SHOWN = 10


class WrongMarketError(FileFormatError):
    """By their names, no file of an archive is about the wanted market; the text lists them."""


def files_of_market(names: Sequence[str], exchange: str, symbol: str) -> list[str]:
    """Return those of some files that are about a market.

    A single file is taken unless its name says another market. Of several, those are taken whose names say this one,
    in the order of their names: Kraken's trades are numbered by their order in time, which a zip need not keep.

    Args:
        names: paths as in an archive.
        exchange: name as in ``candlewave.toml``; its aliases count (Kraken writes XBT for BTC).
        symbol: such as BTC/USD.

    Raises:
        WrongMarketError: none is, by its name.
    """
    several = len(names) > 1
    named = {name: names_market(name, exchange, symbol) for name in names if not (several and _is_beside(name))}
    chosen = [name for name, same in named.items() if same]
    if chosen:
        return sorted(chosen, key=_natural)
    if len(named) == 1 and None in named.values():
        return list(named)
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    if len(names) == 1:
        raise WrongMarketError(f"{listed}: not named after {symbol}; rename it if it belongs to that market")
    raise WrongMarketError(f"none of {len(names)} files is named after {symbol}: {listed}")


def names_market(name: str, exchange: str, symbol: str) -> bool | None:
    """Tell whether a file's name says a market: True for this one, False for another, None when it says none."""
    tokens = [token for token in _TOKEN.split(stem(name).upper()) if token]
    base, _, quote = symbol.partition(":")[0].upper().partition("/")
    bases, quotes = _spellings(exchange, base), _spellings(exchange, quote)
    pairs = list(pairwise(tokens))
    if any(first in bases and second in quotes for first, second in pairs) or any(
        first + second in tokens for first in bases for second in quotes
    ):
        return not exchange.startswith("binance") or _expiry(name) == (symbol.partition("-")[2][:6] or None)
    known = _known(exchange)
    joined = any(_is_pair(token, known) for token in tokens)
    apart = any(first in known and second in _COMMON | _RARE for first, second in pairs)
    return False if joined or apart else None


def stem(name: str) -> str:
    """Return a file's name without folders and the endings of formats and compressions."""
    path = PurePosixPath(name)
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.name


def _is_beside(name: str) -> bool:
    """Tell whether a file goes with data but has none: a checksum, a signature, a Mac's or an editor's hidden file."""
    path = PurePosixPath(name)
    return path.name.startswith(".") or path.suffix.lower() in _BESIDE


def _natural(name: str) -> list[str]:
    """Return a key by which names are ordered, their numbers by value."""
    return [part.zfill(12) if part.isdigit() else part for part in _NUMBER.split(name)]


def _expiry(name: str) -> str | None:
    """Return the day that Binance adds to a contract's name, as in BTCUSD_261225; None where there is none."""
    found = _EXPIRY.search(stem(name))
    return found[1] if found else None


def is_quote(word: str) -> bool:
    """Tell whether a word is a currency that markets are paid in."""
    return word.upper() in _COMMON | _RARE


def _is_pair(token: str, known: frozenset[str]) -> bool:
    """Tell whether a word looks like base and quote written together, as ETHUSD and 1INCHEUR do."""
    return any(token.endswith(quote) and 2 <= len(token) - len(quote) <= 10 for quote in _COMMON) or any(
        token.endswith(quote) and token.removesuffix(quote) in known for quote in _RARE
    )


@lru_cache(maxsize=256)
def _spellings(exchange: str, currency: str) -> frozenset[str]:
    """Return how an exchange writes a currency, and how its other files do.

    A name that the exchange gives to another currency is not among them: Kraken's LUNA is LUNC, its LUNA2 is LUNA.
    """
    aliases = _aliases(exchange)
    names = {raw for raw, unified in aliases.items() if unified == currency}
    if aliases.get(currency, currency) == currency:
        names.add(currency)
    names |= {letter + name for letter, known in _LEGACY.items() for name in known if name in names}
    return frozenset(name.upper() for name in names)


@lru_cache(maxsize=64)
def _known(exchange: str) -> frozenset[str]:
    """Return currencies that are known without asking the exchange."""
    aliases = _aliases(exchange)
    return frozenset({*aliases, *aliases.values(), *_COMMON, *_RARE, *_COINS.split()})


@lru_cache(maxsize=64)
def _aliases(exchange: str) -> dict[str, str]:
    """Return ccxt's names of currencies by the exchange's own."""
    kind = getattr(ccxt, exchange, ccxt.Exchange)
    return dict(kind().commonCurrencies)
