"""Publish what the market simulator makes: history as fast as it goes, then live by the clock."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from candlewave.bus.protocol import Bus, Message
from candlewave.contracts.records import Origin
from candlewave.contracts.topics import TRADES
from candlewave.core.errors import CandlewaveError
from candlewave.core.times import from_us, utc_now
from candlewave.services.ingest import metrics
from candlewave.services.ingest.heartbeats import LiveFeed
from candlewave.services.ingest.publish import Publisher
from candlewave.services.ingest.simulator import EXCHANGE, Batch, Simulator, iso_times, multiples

_TICK_SECONDS = 0.2
_SAVE_SECONDS = 30.0


class OtherMarketError(CandlewaveError):
    """The data directory has a simulated market with other options."""


def trade_id_prefix(simulator: Simulator) -> str:
    """Return what makes ids of one run differ from another run's: its seed and first minute."""
    return f"{simulator.seed:x}.{int(simulator.start.timestamp()) // 60:x}."


def to_messages(batch: Batch, prefix: str, origin: Origin, *, stamp_arrival: bool = False) -> list[Message]:
    """Return the messages of topic ``trades`` for a batch.

    It writes the JSON itself, because making a record of each trade first would take twice as long.

    Args:
        batch: trades and heartbeats.
        prefix: of trade ids, see :func:`trade_id_prefix`.
        origin: the path to state.
        stamp_arrival: give each message its arrival as append time, for tests and measurements of lateness.
    """
    times = iso_times(batch.ts_us)
    prices: list[str] = [""] * len(batch)
    quantities: list[str] = [""] * len(batch)
    for index, market in enumerate(batch.symbols):
        rows = np.flatnonzero(batch.symbol == index)
        for texts, counts, step in (
            (prices, batch.price_ticks, market.tick),
            (quantities, batch.quantity_lots, market.lot),
        ):
            for row, text in zip(rows.tolist(), multiples(counts[rows], step), strict=True):
                texts[row] = text
    heads = [f'"exchange":"{EXCHANGE}","symbol":"{s.symbol}","trade_id":"' for s in batch.symbols]
    keys = [f"{EXCHANGE}|{s.symbol}" for s in batch.symbols]
    symbols, seqs = batch.symbol.tolist(), batch.seq.tolist()
    sides = np.where(batch.buy, "buy", "sell").tolist()
    values = [
        f'{{"kind":"trade",{heads[s]}{prefix}{seq}","seq":{seq},"ts":"{ts}","price":"{price}",'
        f'"quantity":"{quantity}","side":"{side}","origin":"{origin}"}}'
        if seq
        else f'{{"kind":"heartbeat",{heads[s]}hb:{ts}","ts":"{ts}","origin":"{origin}","seq":0,'
        '"side":null,"price":null,"quantity":null}'
        for s, seq, ts, price, quantity, side in zip(symbols, seqs, times, prices, quantities, sides, strict=True)
    ]
    if not stamp_arrival:
        return [Message(v.encode(), keys[s]) for v, s in zip(values, symbols, strict=True)]
    arrivals = batch.arrival_us.astype("datetime64[us]").tolist()
    return [
        Message(v.encode(), keys[s], None, arrived.replace(tzinfo=UTC))
        for v, s, arrived in zip(values, symbols, arrivals, strict=True)
    ]


def publish_history(
    simulator: Simulator,
    bus: Bus,
    until: datetime,
    *,
    finish: bool,
    origin: Origin = "backfill",
    stamp_arrival: bool = False,
    batch_size: int = 20_000,
    on_progress: Callable[[int, datetime], None] | None = None,
    stop: Event | None = None,
) -> int:
    """Publish the simulator's trades up to ``until`` as fast as possible; return how many.

    Args:
        simulator: continues from its present state.
        bus: where to.
        until: end, exclusive.
        finish: True ends the run, False leaves what arrives after ``until`` to :func:`publish_live`.
        origin: path to state.
        stamp_arrival: see :func:`to_messages`.
        batch_size: rows per publish.
        on_progress: called with the number of trades and the market time reached.
        stop: ends early when set, between batches.
    """
    prefix, trades = trade_id_prefix(simulator), 0
    for batch in simulator.batches(until, size=batch_size, finish=finish):
        if stop is not None and stop.is_set():
            break
        bus.publish(TRADES.name, to_messages(batch, prefix, origin, stamp_arrival=stamp_arrival))
        _count(batch, origin)
        trades += batch.trades
        if on_progress is not None:
            on_progress(trades, from_us(int(batch.arrival_us[-1])))
    else:
        if finish:
            # The run was watched to its end: without this its last minutes would stay open.
            publisher = Publisher(bus, origin)
            publisher.heartbeats_at(EXCHANGE, [(s.symbol, until) for s in simulator.symbols])
            publisher.flush()
    return trades


def publish_live(
    simulator: Simulator,
    bus: Bus,
    stop: Event,
    *,
    grace: timedelta,
    on_saved: Callable[[], None] | None = None,
    on_progress: Callable[[int, datetime], None] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Publish trades when the clock reaches their arrival, with a live feed's heartbeats, until ``stop``.

    Args:
        simulator: already past its history, see :func:`publish_history`.
        bus: where to.
        stop: ends the run.
        grace: how long after a minute's end its candle closes.
        on_saved: called every half a minute and at the end, when everything made so far is published.
        on_progress: called with the number of trades and the time.
        clock: the present time.
    """
    prefix, trades = trade_id_prefix(simulator), 0
    publisher = Publisher(bus, "live", clock=clock)
    feed = LiveFeed([s.symbol for s in simulator.symbols], grace, clock())
    saved_at = clock()
    while not stop.is_set():
        now = clock()
        for batch in simulator.batches(now, finish=False):
            bus.publish(TRADES.name, to_messages(batch, prefix, "live"))
            _count(batch, "live")
            trades += batch.trades
            for index, market in enumerate(simulator.symbols):
                times = batch.ts_us[(batch.symbol == index) & (batch.seq > 0)]
                if times.size:
                    feed.trade(market.symbol, from_us(int(times.max())), now)
        publisher.heartbeats_at(EXCHANGE, feed.due(now))
        publisher.flush()
        if on_progress is not None:
            on_progress(trades, now)
        if on_saved is not None and (now - saved_at).total_seconds() >= _SAVE_SECONDS:
            on_saved()
            saved_at = now
        stop.wait(_TICK_SECONDS)
    if on_saved is not None:
        on_saved()
    return trades


def save_state(path: Path, simulator: Simulator, options: dict[str, Any]) -> None:
    """Write what :func:`load_state` needs; the file is replaced whole or not at all."""
    content = {"options": options, "start": simulator.start.isoformat(), "state": simulator.state()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(path)


def load_state(path: Path, options: dict[str, Any]) -> tuple[datetime, dict[str, Any]] | None:
    """Return start and state of the earlier run; None when there is none.

    Raises:
        OtherMarketError: it had other options: two markets in the same hours would make nonsense of both.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if content["options"] != options:
        differs = ", ".join(name for name in options if options[name] != content["options"].get(name))
        raise OtherMarketError(
            f"{path.parent} has a simulated market with other options ({differs}). Go on with the same options, take"
            " another CANDLEWAVE_DATA_DIR, or begin a new market over the old one with --fresh"
        )
    return datetime.fromisoformat(content["start"]), content["state"]


def kept_signal(path: Path) -> float | None:
    """Return the signal of the earlier run; None when there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return float(content["options"]["signal"])


def _count(batch: Batch, origin: Origin) -> None:
    counts = np.bincount(batch.symbol[batch.seq > 0], minlength=len(batch.symbols)).tolist()
    for market, count in zip(batch.symbols, counts, strict=True):
        if count:
            metrics.PUBLISHED.labels(EXCHANGE, market.symbol, origin).inc(count)
    metrics.HEARTBEATS.labels(EXCHANGE).inc(len(batch) - sum(counts))
