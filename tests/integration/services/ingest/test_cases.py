"""Archives and answers of public reports: a file stands for one market, and no trade is lost to another's id."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from tests.fakes.binance import FakeBinance
from tests.integration.services.ingest.conftest import Engine
from tests.worlds.cases import shared_case

from candlewave.bus.messages import to_message
from candlewave.services.ingest.archive import Format
from candlewave.services.ingest.backfill import Loaded, Loader, archived_trades
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.ledger import Ledger
from candlewave.services.ingest.members import WrongMarketError
from candlewave.services.ingest.settings import IngestSettings

GRACE = timedelta(seconds=2)


def loader(engine: Engine) -> Loader:
    return Loader(engine.bus, Ledger(engine.conn), GRACE)


def test_kraken_two_markets(engine: Engine) -> None:
    path = shared_case("kraken-two-markets.zip")
    loaded = loader(engine).load_archive(path, Format.KRAKEN, "kraken", "BTC/USD")
    engine.refresh()
    assert loaded.files == ("XBTUSD.csv",)
    assert engine.value("SELECT count(*) FROM trades WHERE kind = 'trade'") == loaded.trades
    assert engine.value("SELECT min(low) FROM candles WHERE symbol = 'BTC/USD'") > 30_000  # type: ignore[operator]
    with pytest.raises(WrongMarketError, match=r"XBTUSD\.csv, ETHUSD\.csv"):
        loader(engine).load_archive(path, Format.KRAKEN, "kraken", "SOL/USD")


def test_a_file_whose_name_says_another_market(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "ETHUSD.csv"
    path.write_text("1700000000,2000.1,1\n")
    with pytest.raises(WrongMarketError, match=r"ETHUSD\.csv: not named after BTC/USD"):
        loader(engine).load_archive(path, Format.KRAKEN, "kraken", "BTC/USD")
    assert engine.value("SELECT count(*) FROM symbols") == 0


@pytest.mark.parametrize("prefixed", [True, False], ids=["loaded now", "loaded before ids had a prefix"])
def test_binance_trades_archive_and_aggtrades_answer(engine: Engine, prefixed: bool) -> None:
    archive = shared_case("binance-trades-archive.csv")
    rows = json.loads(shared_case("binance-aggtrades-answer.json").read_text())
    fake = FakeBinance([row["T"] for row in rows], first_id=rows[0]["a"])
    fake.broken = {row["a"]: row for row in rows}
    begin = datetime.fromtimestamp(rows[0]["T"] / 1_000, UTC).replace(second=0)

    async def load() -> Loaded:
        exchange = Exchange("binance", IngestSettings(request_interval_ms=1))
        fake.attach(exchange.client)
        exchange.client.markets_loading = None
        try:
            return await loader(engine).load_api(exchange, "BTC/USDT", begin, begin + timedelta(minutes=10))
        finally:
            await exchange.close()

    if prefixed:
        assert loader(engine).load_archive(archive, Format.BINANCE, "binance", "BTC/USDT").trades == 10
    else:
        trades = archived_trades(archive, Format.BINANCE, "binance", "BTC/USDT")
        plain = [structs.replace(trade, trade_id=trade.trade_id.removeprefix("t:")) for trade in trades]
        engine.bus.publish("trades", map(to_message, plain))
    assert asyncio.run(load()).trades == 12
    engine.refresh()
    assert engine.value("SELECT count(*) FROM trades WHERE kind = 'trade'") == 22
    assert engine.value("SELECT count(*) FROM trades_rejected") == 0
