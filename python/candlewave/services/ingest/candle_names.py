"""Which files have one-minute candles of a market, by their names."""

import re
from collections.abc import Sequence
from pathlib import Path

from candlewave.services.ingest.files import FileFormatError
from candlewave.services.ingest.members import WrongMarketError, files_of_market, is_quote, stem

_INTERVAL = re.compile(r"(?:^|[-_.])([0-9]{1,4}(?:s|mo|m|h|d|w|M))(?=$|[-_.])")
_KRAKEN_MINUTES = re.compile(r"_([0-9]{1,5})$")
_OTHER_KINDS = re.compile(r"(?i)(?:^|[-_.])(trades|aggTrades|mark|index|funding_rate|premiumIndex)(?=$|[-_.])")
_FREQTRADE = re.compile(
    r"(?P<pair>[^-_]+_(?P<quote>[^-_]+)(?:_[^-_]+)?)-(?:[0-9]{1,4}[a-zA-Z]{1,2}(?:-[a-z_]+)?|trades)"
)
_REPLACED = str.maketrans(dict.fromkeys("/ .@$+:", "_"))
"""What freqtrade writes as an underscore in the names of its files."""
_SHOWN = 5


def candle_members(names: Sequence[str], exchange: str, symbol: str) -> list[str]:
    """Return those of some files that have one-minute candles of a market.

    A single file is taken unless its name says otherwise. Of several, those are taken whose names say the market, and
    of these the ones that say one minute, or when none says any interval all of them.

    Args:
        names: paths as in an archive or folder.
        exchange: name as in ``candlewave.toml``; its own names of currencies count.
        symbol: such as BTC/USD.

    Raises:
        WrongMarketError: none is the market's.
        FileFormatError: those of the market have other candles, or none; the text lists them.
    """
    mine = _of_market(names, exchange, symbol)
    candles = [name for name in mine if _OTHER_KINDS.search(stem(name)) is None]
    intervals = {name: interval_of(name, exchange) for name in candles}
    chosen = [name for name in candles if intervals[name] == "1m"]
    if not chosen:
        chosen = [name for name in candles if intervals[name] is None]
    if chosen:
        return chosen
    listed = ", ".join(mine[:_SHOWN]) + (f" and {len(mine) - _SHOWN} more" if len(mine) > _SHOWN else "")
    found = sorted({interval for interval in intervals.values() if interval is not None})
    what = f"candles of {', '.join(found)}" if found else "no candles"
    raise FileFormatError(f"by their names these are {what}, not of 1m: {listed}; only 1-minute candles are loaded")


def interval_of(name: str, exchange: str) -> str | None:
    """Return the interval that a file's name says, such as 1m or 4h; None when it says none."""
    bare = stem(name)
    found = _INTERVAL.findall(bare)
    if found:
        return str(found[-1])
    minutes = _KRAKEN_MINUTES.search(bare) if exchange == "kraken" else None
    return None if minutes is None else f"{int(minutes[1])}m"


def files_in(path: Path, exchange: str, symbol: str) -> list[Path]:
    """Return a file itself, or those in a folder, and the folders in it, with one-minute candles of a market.

    Raises:
        FileFormatError: the folder has none; the text lists what it has of the market.
    """
    if not path.is_dir():
        return [path]
    found = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    if not found:
        raise FileFormatError(f"{path}: the folder is empty")
    try:
        return [found[name] for name in candle_members(list(found), exchange, symbol)]
    except FileFormatError as error:
        raise type(error)(f"{path}: {error}") from None


def _of_market(names: Sequence[str], exchange: str, symbol: str) -> list[str]:
    """As :func:`files_of_market`, with freqtrade's names, which tell a contract from its spot market."""
    pair = symbol.translate(_REPLACED).upper()
    stated = {
        name: found["pair"].upper()
        for name in names
        if (found := _FREQTRADE.fullmatch(stem(name))) and is_quote(found["quote"])
    }
    mine = [name for name in names if stated.get(name) == pair]
    if mine:
        return mine
    others = [name for name in names if name not in stated]
    if not others:
        listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        raise WrongMarketError(f"no file is named after {symbol}: {listed}")
    return files_of_market(others, exchange, symbol)
