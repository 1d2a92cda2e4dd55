"""Publishing the simulated market: the wire records are what the columns say, history and live join without a seam."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from tests.fakes.memory_bus import MemoryBus

from candlewave.contracts.records import Heartbeat, Trade, decode, encode
from candlewave.core.times import from_us
from candlewave.services.ingest.simulate import (
    OtherMarketError,
    load_state,
    publish_history,
    publish_live,
    save_state,
    to_messages,
    trade_id_prefix,
)
from candlewave.services.ingest.simulator import Disturbances, Simulator, concatenate

START = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = timedelta(seconds=2)


def simulator(seed: int = 1) -> Simulator:
    return Simulator(start=START, seed=seed, disturbances=Disturbances(0.02, 0.02, 0.02))


def test_messages_are_records_of_what_the_columns_say() -> None:
    batch = concatenate(list(simulator().batches(START + timedelta(hours=3))))
    bus = MemoryBus()
    messages = to_messages(batch, "p.", "backfill", stamp_arrival=True)
    bus.publish("trades", messages)
    assert [decode(type(r), encode(r)) for r in bus.records] == bus.records
    prices = batch.prices()
    assert any(isinstance(r, Heartbeat) for r in bus.records)
    for row, (record, message) in enumerate(zip(bus.records, messages, strict=True)):
        assert record.exchange == "simulated"
        assert record.ts == from_us(int(batch.ts_us[row]))
        assert message.append_ts == from_us(int(batch.arrival_us[row]))
        assert message.key == f"simulated|{record.symbol}"
        if isinstance(record, Trade):
            assert record.trade_id == f"p.{record.seq}"
            assert np.isclose(float(record.price), prices[row], rtol=1e-12)
            assert record.side == ("buy" if batch.buy[row] else "sell")


def test_two_runs_have_different_ids() -> None:
    one, other = simulator(1), simulator(2)
    later = Simulator(start=START + timedelta(minutes=1), seed=1)
    assert len({trade_id_prefix(s) for s in (one, other, later)}) == 3


def test_history_and_live_join_without_a_seam() -> None:
    now = [START + timedelta(hours=2)]
    bus, stop, market = MemoryBus(), Event(), simulator()
    publish_history(market, bus, now[0], finish=False)
    before = len(bus.trades)

    def clock() -> datetime:
        now[0] += timedelta(minutes=10)
        if now[0] > START + timedelta(hours=4):
            stop.set()
        return now[0]

    publish_live(market, bus, stop, grace=GRACE, clock=clock)
    whole = MemoryBus()
    publish_history(simulator(), whole, START + timedelta(hours=5), finish=True)
    assert 0 < before < len(bus.trades)
    ids = [(t.symbol, t.trade_id) for t in bus.trades]
    assert ids == [(t.symbol, t.trade_id) for t in whole.trades][: len(ids)]
    assert {t.origin for t in bus.trades[:before]} == {"backfill"}
    assert {t.origin for t in bus.trades[before:]} == {"live"}


def test_a_finished_run_closes_its_last_minute() -> None:
    bus = MemoryBus()
    end = START + timedelta(hours=1)
    publish_history(simulator(), bus, end, finish=True)
    assert [h.ts for h in bus.heartbeats[-3:]] == [end] * 3


def test_a_saved_run_goes_on_after_a_restart(tmp_path: Path) -> None:
    path, options = tmp_path / "sub" / "state.json", {"seed": 1}
    first, bus = simulator(), MemoryBus()
    publish_history(first, bus, START + timedelta(hours=1, minutes=7), finish=False)
    save_state(path, first, options)
    found = load_state(path, options)
    assert found is not None
    second = simulator()
    assert found[0] == START
    second.restore(found[1])
    publish_history(second, bus, START + timedelta(hours=3), finish=True)
    whole = MemoryBus()
    publish_history(simulator(), whole, START + timedelta(hours=3), finish=True)
    assert bus.trades == whole.trades
    with pytest.raises(OtherMarketError, match=r"other options \(seed\)"):
        load_state(path, {"seed": 2})
    assert load_state(tmp_path / "absent.json", options) is None
