"""Trades that are fed to both engines: recorded, and simulated with faults."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from candlewave.engine.golden.table import Row
from candlewave.services.ingest.simulator import Disturbances, SimulatedSymbol, Simulator, multiples

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
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
