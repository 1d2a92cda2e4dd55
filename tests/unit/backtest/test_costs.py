"""What a market costs: as said, as configured, as ccxt has it."""

import ccxt
import pytest

from candlewave.backtest.costs import taker_fee_bps, terms
from candlewave.core.config import Config, load_config
from candlewave.core.markets import Market

KRAKEN = Market("kraken", "BTC/USD")


def test_said_beats_configured_beats_ccxt() -> None:
    config = Config.model_validate({"costs": {"kraken": {"fee_bps": 40, "spread_bps": 3}}})
    said = terms(KRAKEN, config, fee_bps=1, spread_bps=0)
    assert (said.fee_bps, said.fee_from, said.spread_bps) == (1, "--fee-bps", 0)
    configured = terms(KRAKEN, config)
    assert (configured.fee_bps, configured.fee_from, configured.spread_bps) == (40, "candlewave.toml", 3)
    known = terms(KRAKEN, Config())
    assert (known.fee_bps, known.fee_from, known.spread_bps) == (
        1e4 * ccxt.kraken().fees["trading"]["taker"],
        "ccxt",
        2,
    )
    assert known.per_side == pytest.approx((known.fee_bps + 1) / 1e4)
    assert terms(Market("simulated", "BTC/USD"), Config()).fee_from == "assumed"


def test_the_shipped_file_has_krakens_first_tier() -> None:
    assert terms(KRAKEN, load_config()).fee_bps == 40


@pytest.mark.parametrize(
    ("symbol", "schedule"),
    [
        ("BTC/USDT", "trading"),
        ("BTC/USDT:USDT", "linear"),
        ("BTC/USD:BTC", "inverse"),
        ("BTC/USD:BTC-261225", "inverse"),
    ],
)
def test_contracts_have_their_own_fees(symbol: str, schedule: str) -> None:
    fees = ccxt.binance().fees[schedule]
    expected = 1e4 * fees.get("trading", fees)["taker"]
    assert taker_fee_bps(Market("binance", symbol)) == pytest.approx(expected)


def test_other_exchanges_name_theirs_otherwise() -> None:
    assert taker_fee_bps(Market("okx", "BTC/USDT:USDT")) == pytest.approx(1e4 * ccxt.okx().fees["swap"]["taker"])
    assert taker_fee_bps(Market("kucoin", "BTC/USDT:USDT")) == pytest.approx(
        1e4 * ccxt.kucoin().fees["contract"]["taker"]
    )
    assert taker_fee_bps(Market("nowhere", "BTC/USDT")) is None


def test_what_is_traded_decides_what_may_be_held() -> None:
    config = Config.model_validate({"costs": {"binance": {"funding_bps": 1}}})
    asset, perpetual = (terms(Market("binance", s), config) for s in ("BTC/USDT", "BTC/USDT:USDT"))
    assert (asset.may_short, asset.funding, asset.refusal) == (False, 0.0, None)
    assert (perpetual.may_short, perpetual.funding, perpetual.refusal) == (True, 0.0001, None)
    assert terms(Market("binance", "BTC/USDT:USDT"), Config()).refusal is not None
