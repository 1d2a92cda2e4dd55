"""Real one-minute candles from files, through the embedded engine to features and labels, kept for the next run.

The features are computed by the product's own views and kept outside the repository, under a name that is made of the
files' content and the identity of the features: after either changes they are computed again.
"""

import csv
import gzip
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.embedded import open_engine
from candlewave.bus.messages import to_message
from candlewave.bus.postgres import BATCH
from candlewave.bus.protocol import Message
from candlewave.contracts.records import Heartbeat, LoadedCandle, heartbeat
from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.core.times import MINUTE
from candlewave.engine.embedded.refresh import Refresher
from candlewave.ml.dataset import Dataset, read_dataset
from candlewave.sqlproject.catalog.features import FeatureCatalog
from candlewave.telemetry.progress import progress

_LAYERS = ("sources", "views/ohlc", "views/indicators", "views/sentiment", "views/features")
_DAY = timedelta(days=1)
_FORMAT = 2


@dataclass(frozen=True)
class CandleFile:
    """A file of real candles.

    Attributes:
        title: what it is, in words.
        name: of the file, CSV in gzip.
        markets: exchange and symbol of each market; where there are several, columns of these names say whose a row is.
    """

    title: str
    name: str
    markets: tuple[tuple[str, str], ...]


# A Bitcoin perpetual of which neither taker sides nor numbers of trades are known.
JANUARY = CandleFile("January 2022", "candles-btcperp-1m-2022-01.csv.gz", (("perpetual", "BTC/USD:BTC"),))
# A bank run, and a stablecoin off its peg.
MARCH = CandleFile(
    "March 2023",
    "candles-venues-1m-2023-03.csv.gz",
    (
        ("kraken", "BTC/USD"),
        ("coinbase", "BTC/USD"),
        ("binanceus", "BTC/USDT"),
        ("kraken", "BTC/USDT"),
        ("coinbase", "BTC/USDT"),
        ("kraken", "USDT/USD"),
    ),
)


def default_folder() -> Path:
    """Return where the files are looked for unless told: ``shared/data`` beside the project."""
    return project_root().parent / "shared" / "data"


def configuration(file: CandleFile) -> Config:
    """Return the shipped configuration with the file's markets, each a peer of all others."""
    shipped = load_config().model_dump()
    exchanges: dict[str, dict[str, list[str]]] = {}
    for exchange, symbol in file.markets:
        exchanges.setdefault(exchange, {"symbols": []})["symbols"].append(symbol)
    peers = {"markets": [f"{exchange} {symbol}" for exchange, symbol in file.markets]}
    return Config.model_validate({**shipped, "exchanges": exchanges, "features": {"peers": peers}})


def load(file: CandleFile, folder: Path, horizons: tuple[int, ...]) -> Dataset:
    """Return features and labels of every minute of the file, computed or kept from an earlier run.

    Raises:
        FileNotFoundError: the file is not in the folder.
    """
    path = folder / file.name
    config = configuration(file)
    identity = hashlib.sha256(path.read_bytes())
    identity.update(f"{_FORMAT} {FeatureCatalog(config).set_id} {horizons} {file.markets}".encode())
    kept = _cache() / f"{file.name.split('.')[0]}-{identity.hexdigest()[:16]}.npz"
    if kept.exists():
        return _read(kept)
    data = _compute(file, path, config, horizons)
    _write(kept, data)
    return data


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "candlewave" / "benchmarks"


def _compute(file: CandleFile, path: Path, config: Config, horizons: tuple[int, ...]) -> Dataset:
    candles = _candles(file, path)
    first, last = candles[0].open_time, candles[-1].open_time
    with open_engine(_LAYERS, config=config) as (conn, bus, _pid):
        with progress(f"publishing {file.title}", len(candles)) as bar:
            records: Iterator[Message] = map(to_message, candles)
            while chunk := list(islice(records, BATCH)):
                bus.publish("loaded_candles", chunk)
                bar.advance(len(chunk))
            # As a load of candles does: a minute that the source leaves out was quiet, not missing.
            beats = (to_message(beat, append_ts=last + MINUTE) for beat in _quiet(candles, file, first, last))
            while chunk := list(islice(beats, BATCH)):
                bus.publish("trades", chunk)
        refresher = Refresher(conn, bus=bus)
        with progress("through all views to features", len(candles)) as bar:
            while not (stats := refresher.run_once()).idle:
                bar.advance(stats.messages)
        return read_dataset(conn, horizons, first, last + _DAY)


def _candles(file: CandleFile, path: Path) -> list[LoadedCandle]:
    (exchange, symbol), *others = file.markets
    found = []
    with gzip.open(path, "rt", encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            when = datetime.fromisoformat(row.get("open_time") or row["timestamp"])
            found.append(
                LoadedCandle(
                    exchange=row["exchange"] if others else exchange,
                    symbol=row["symbol"] if others else symbol,
                    open_time=when.replace(tzinfo=UTC),
                    open=row["open"],
                    high=row["high"],
                    low=row["low"],
                    close=row["close"],
                    volume=row["volume"],
                    trades=int(row["trades"]) if row.get("trades") else None,
                    buy_volume=row.get("taker_buy_volume") or None,
                    source="archive",
                    loaded_at=datetime(2026, 1, 1, tzinfo=UTC),
                )
            )
    return sorted(found, key=lambda c: c.open_time)


def _quiet(candles: list[LoadedCandle], file: CandleFile, first: datetime, last: datetime) -> Iterator[Heartbeat]:
    known = {(c.exchange, c.symbol, c.open_time) for c in candles}
    for step in range(int((last - first) / MINUTE) + 1):
        minute = first + step * MINUTE
        for market in file.markets:
            if (*market, minute) not in known:
                yield heartbeat(*market, minute, "backfill")
    for market in file.markets:
        yield heartbeat(*market, last + MINUTE, "backfill")


def _write(path: Path, data: Dataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        partial,
        exchange=data.exchange.astype(str),
        symbol=data.symbol.astype(str),
        open_time=data.open_time,
        close=data.close,
        names=np.array(data.names),
        values=data.values,
        feature_set=np.array(data.feature_set),
        horizons=np.array(list(data.labels)),
        labels=np.stack(list(data.labels.values())),
    )
    partial.replace(path)


def _read(path: Path) -> Dataset:
    with np.load(path, allow_pickle=False) as kept:
        return Dataset(
            kept["exchange"].astype(object),
            kept["symbol"].astype(object),
            kept["open_time"],
            kept["close"],
            tuple(kept["names"].tolist()),
            kept["values"],
            dict(zip(kept["horizons"].tolist(), kept["labels"], strict=True)),
            "features",
            str(kept["feature_set"]),
        )
