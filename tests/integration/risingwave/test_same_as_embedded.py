"""Every view holds the same rows on RisingWave as on the embedded engine, fed equally and after every batch.

Stores are made without their connector in a schema of the test's own, so that RISINGWAVE_URL is all this needs.
"""

import csv
import gzip
import math
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from tests.golden.harness.engines import EmbeddedEngine, Engine, RisingWaveEngine
from tests.golden.harness.table import Row

from candlewave.config import load_config
from candlewave.embedded.server import EmbeddedServer
from candlewave.engine import connect_url
from candlewave.indicators.catalog import Unit, catalog
from candlewave.ingest.simulator import Disturbances, SimulatedSymbol, Simulator, multiples
from candlewave.sqlmodel.ddl import Kind, plain_table
from candlewave.sqlmodel.render import SqlObject, render_objects

pytestmark = [pytest.mark.stack, pytest.mark.timeout(3600)]

DATA = Path(__file__).parents[4] / "shared" / "data"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EXACT = {"open", "high", "low", "close", "price", "quantity"}
SUMS, INDICATORS = 1e-12, 1e-9
"""Largest relative difference of sums of trades, and of what indicators compute from candles."""
INTERNAL_SUMS = {"indicator_chunks", "indicator_carry"}
"""Sums of terms that grow by many powers of ten over a chunk. RisingWave adds and subtracts: when the last, largest
terms of a chunk are withdrawn, the rounding that remains is large against what is left, but nothing against the weight
of any bar that reads it, as indicator_averages shows."""
INSERT_ROWS = 500
"""Rows of one INSERT statement."""
OBJECTS = [o for o in render_objects(load_config()) if o.kind is not Kind.SINK]
TYPES = {o.name: {c.name: c.type for c in o.statement.columns} for o in OBJECTS if o.kind is Kind.TABLE}
UNITS = {i.name: i.unit for i in catalog(load_config().indicators)}
UNITS |= dict.fromkeys(("macd", "macd_signal"), Unit.PRICE)  # as indicator_averages names them
UNITS |= dict.fromkeys(("rsi", "plus_di", "minus_di", "dx"), Unit.BOUNDED)

Batch = dict[str, list[Row]]


class Pair:
    """The two engines, with all objects of ``sql/`` in a schema."""

    def __init__(self, embedded: EmbeddedEngine, risingwave: RisingWaveEngine) -> None:
        self._engines: tuple[Engine, Engine] = (embedded, risingwave)
        self._schema = f"same_{uuid4().hex[:12]}"
        for engine in self._engines:
            engine.open(self._schema)
            for sql_object in OBJECTS:
                engine.apply(plain_table(sql_object.statement) if sql_object.kind is Kind.TABLE else sql_object.text)

    def feed(self, batch: Batch) -> None:
        """Insert a batch into both, and bring their views up to date."""
        for engine in self._engines:
            for relation, rows in batch.items():
                for begin in range(0, len(rows), INSERT_ROWS):
                    part = rows[begin : begin + INSERT_ROWS]
                    engine.insert(relation, TYPES[relation], tuple(part[0]), tuple(part))
        self.settle()

    def settle(self) -> None:
        for engine in self._engines:
            assert engine.settle() == []

    def both(self, statement: str) -> None:
        """Execute a statement on both."""
        for engine in self._engines:
            engine._conn.execute(statement)  # type: ignore[attr-defined]
        self.settle()

    def assert_same(self) -> dict[str, int]:
        """Compare every view; return how many rows each has."""
        counts, wrong = {}, []
        for sql_object in OBJECTS:
            embedded, risingwave = (engine.answer(sql_object.name) for engine in self._engines)
            counts[sql_object.name] = len(embedded.rows)
            found = list(differences(sql_object, embedded.rows, risingwave.rows))
            wrong += found[:5] + ([f"{sql_object.name}: {len(found)} differences"] if found else [])
        assert wrong == [], "\n".join(wrong)
        return counts

    def close(self) -> None:
        for engine in self._engines:
            engine.close(self._schema)


@pytest.fixture
def pair(server: EmbeddedServer) -> Iterator[Pair]:
    if "RISINGWAVE_URL" not in os.environ:
        pytest.skip("RISINGWAVE_URL is not set")
    name = f"same_{uuid4().hex[:12]}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    with (
        connect_url(server.url.rsplit("/", 1)[0] + "/" + name) as embedded,
        connect_url(os.environ["RISINGWAVE_URL"]) as risingwave,
    ):
        pair = Pair(EmbeddedEngine(embedded), RisingWaveEngine(risingwave))
        yield pair
        pair.close()


def test_recorded_trades(pair: Pair) -> None:
    """Two and a half days of a thinly traded market and a busy hour of another, each trade arriving at once."""
    files = ("trades-binance-xrpeth-2019-10-11.csv.gz", "trades-kraken-btcusd-2019-07-01.csv.gz")
    missing = [name for name in files if not (DATA / name).exists()]
    if missing:
        pytest.skip(f"recorded trades {missing} are not on this machine")
    for name in files:
        rows = with_heartbeats(recorded(DATA / name, name.split("-")[1]))
        for begin in range(0, len(rows), 4_000):
            pair.feed({"trades": rows[begin : begin + 4_000]})
            pair.assert_same()
    counts = pair.assert_same()
    assert counts["candles"] > 3_000
    assert counts["trades_rejected"] == counts["late_trades"] == 0


def test_disturbed_trades(pair: Pair) -> None:
    """Late, repeated, shuffled and bad trades, a poisoned clock, its repair, and the repair taken back."""
    batches = list(simulated())
    for batch in batches[:3]:
        pair.feed({"trades": batch})
        pair.assert_same()
    pair.feed({"trades": BAD})
    pair.assert_same()

    ahead = START + timedelta(days=2)
    pair.feed({"trades": [heartbeat("simulated", "AAA/USD", ahead)]})
    poisoned = pair.assert_same()
    pair.feed(
        {
            "clock_exclusions": [
                {
                    "exchange": "simulated",
                    "symbol": "AAA/USD",
                    "minute": ahead.isoformat(),
                    "reason": "far in the future",
                }
            ]
        }
    )
    repaired = pair.assert_same()
    assert repaired["candles"] < poisoned["candles"]

    for batch in batches[3:]:
        pair.feed({"trades": batch})
    counts = pair.assert_same()
    pair.both("DELETE FROM clock_exclusions WHERE exchange = 'simulated'")
    assert pair.assert_same()["candles"] > counts["candles"]
    assert counts["late_trades"] > 0
    assert counts["trades_rejected"] == len(BAD)


def differences(
    sql_object: SqlObject, embedded: list[dict[str, Any]], risingwave: list[dict[str, Any]]
) -> Iterable[str]:
    """Yield a line for each row or value that differs."""
    keys = sql_object.header.keys
    wanted, found = ({tuple(row[k] for k in keys): row for row in rows} for rows in (embedded, risingwave))
    if len(found) != len(risingwave):
        yield f"{sql_object.name}: RisingWave has {len(risingwave) - len(found)} rows whose key is not unique"
    for key in wanted.keys() | found.keys():
        where = f"{sql_object.name} {' '.join(map(str, key))}"
        if key not in found or key not in wanted:
            yield f"{where}: only on {'RisingWave' if key in found else 'the embedded engine'}"
            continue
        for column, value in wanted[key].items():
            if sql_object.name in INTERNAL_SUMS and isinstance(value, float):
                continue
            if not same(value, found[key][column], scale(column, wanted[key]), tolerance(sql_object, column)):
                yield f"{where}: {column} is {value!r} embedded, {found[key][column]!r} on RisingWave"


def tolerance(sql_object: SqlObject, column: str) -> float:
    if column in EXACT:
        return 0.0
    return INDICATORS if sql_object.layer == "views/indicators" else SUMS


def scale(column: str, row: dict[str, Any]) -> float:
    """Return what a difference is relative to, when the value itself is small: the scale of the indicator's unit."""
    match UNITS.get(column):
        case Unit.PRICE:
            return abs(row["close"])
        case Unit.BOUNDED:
            return 100.0
        case Unit.RATIO:
            return 1.0
    return 0.0


def same(one: Any, other: Any, scale: float, tolerance: float) -> bool:
    if isinstance(one, float | Decimal) and type(one) is type(other):
        a, b = float(one), float(other)
        return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b), scale) or (math.isnan(a) and math.isnan(b))
    return type(one) is type(other) and one == other


# ---- what is fed ----

START = datetime(2024, 1, 1, 20, 0, tzinfo=UTC)
SYMBOLS = (
    SimulatedSymbol("AAA/USD", 60_000.0, "0.1", rate=0.5),
    SimulatedSymbol("BBB/USD", 0.00004, "0.00000001", lot="1", rate=0.1),
)


def simulated() -> Iterator[list[Row]]:
    """Yield batches of five hours past midnight in order of arrival, with faults and quiet spells."""
    simulator = Simulator(
        SYMBOLS,
        start=START,
        seed=7,
        disturbances=Disturbances(late=0.02, duplicate=0.03, out_of_order=0.1),
        quiet_spells=40.0,
    )
    for batch in simulator.batches(START + timedelta(hours=5), size=1_500):
        rows: list[Row] = []
        for n in range(len(batch)):
            symbol = batch.symbols[batch.symbol[n]]
            ts, arrival = (EPOCH + timedelta(microseconds=int(us)) for us in (batch.ts_us[n], batch.arrival_us[n]))
            if batch.seq[n] == 0:
                rows.append(heartbeat("simulated", symbol.symbol, ts, arrival))
                continue
            price = multiples(batch.price_ticks[n : n + 1], symbol.tick)[0]
            quantity = multiples(batch.quantity_lots[n : n + 1], symbol.lot)[0]
            side = "buy" if batch.buy[n] else "sell"
            seq = str(batch.seq[n])
            rows.append(
                trade("simulated", symbol.symbol, seq, ts, price, quantity, side, arrival=arrival, origin="live")
            )
        yield rows


def recorded(path: Path, exchange: str) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [
            trade(exchange, row["product_id"], row["trade_id"], datetime.fromisoformat(row["ts"]), row["price"],
                  row["quantity"], row["side"])
            for row in csv.DictReader(lines)
        ]  # fmt: skip


def with_heartbeats(trades: list[Row]) -> list[Row]:
    """Add a heartbeat for each silent minute, and one that closes the last candle."""
    rows: list[Row] = []
    reached: datetime | None = None
    for row in trades:
        minute = datetime.fromisoformat(str(row["ts"])).replace(second=0, microsecond=0)
        while reached is not None and (reached := reached + MINUTE) < minute:
            rows.append(heartbeat(str(row["exchange"]), str(row["symbol"]), reached))
        reached = minute
        rows.append(row)
    assert reached is not None
    rows.append(heartbeat(str(row["exchange"]), str(row["symbol"]), reached + MINUTE + timedelta(seconds=2)))
    return rows


def trade(
    exchange: str,
    symbol: str,
    trade_id: str,
    ts: datetime | None,
    price: str | None,
    quantity: str | None,
    side: str | None,
    *,
    arrival: datetime | None = None,
    origin: str = "replay",
    kind: str | None = "trade",
) -> Row:
    arrival = arrival or ts
    return {
        "exchange": exchange, "symbol": symbol, "trade_id": trade_id, "kind": kind, "seq": trade_id,
        "ts": ts.isoformat() if ts else None, "side": side, "price": price, "quantity": quantity, "origin": origin,
        "ingest_ts": arrival.isoformat() if arrival else None,
    }  # fmt: skip


def heartbeat(exchange: str, symbol: str, ts: datetime, arrival: datetime | None = None) -> Row:
    row = trade(exchange, symbol, f"hb:{ts.isoformat()}", ts, None, None, None, arrival=arrival, kind="heartbeat")
    return row | {"seq": "0"}


def bad(number: int, **cells: str | None) -> Row:
    at = START + timedelta(hours=1)
    return trade("simulated", "AAA/USD", str(9_000_000 + number), at, "60000", "1", "buy") | cells


BAD = [
    bad(1, price=None),
    bad(2, price="-1"),
    bad(3, price="NaN"),
    bad(4, price="Infinity"),
    bad(5, quantity="0"),
    bad(6, quantity=None),
    bad(7, ts=None),
    bad(8, ts=(START + timedelta(days=1)).isoformat()),
    bad(9, kind="cancel"),
    bad(10, kind=None),
]
