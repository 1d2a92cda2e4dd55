"""Which assets headlines are about."""

import pytest

from candlewave.services.sentiment.config import AssetConfig, load_news_config
from candlewave.services.sentiment.entities import MARKET_RELEVANCE, Recogniser


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(load_news_config().assets, ["BTC", "ETH", "SOL"])


@pytest.mark.parametrize(
    ("title", "assets"),
    [
        ("Bitcoin and Ether fall", ["BTC", "ETH"]),
        ("btc to 100k", ["BTC"]),
        ("BTC's rally fades", ["BTC"]),
        ("BTC/USD hits high", ["BTC"]),
        ("ETHUSDT perpetual volume", ["ETH"]),
        ("$LINK to the moon", ["LINK"]),
        ("LINK token jumps 10%", ["LINK"]),
        ("Chainlink oracle upgrade", ["LINK"]),
        ("SOL, ADA and DOT rally as altcoins gain", ["SOL", "ADA", "DOT"]),
        ("Ripple wins against SEC", ["XRP"]),
        ("Avalanche token jumps", ["AVAX"]),
        # the longer name is another asset
        ("Bitcoin Cash jumps", ["BCH"]),
        ("Ethereum Classic 51% attack", ["ETC"]),
        ("Bitcoin Cash lags Bitcoin", ["BCH", "BTC"]),
        ("Student from ETH Zürich wins prize", []),
        # ordinary words
        ("Click the LINK near you", []),
        ("Gas prices rise", []),
        ("GAS prices rise", []),
        ("Near miss for One Direction", []),
        ("Ripple effects of rate hikes", []),
        ("Avalanche kills three in Alps", []),
        ("US STOCKS-NEAR record", []),
        ("It costs $5 million", []),
        ("Solarwinds adaptation", []),
        ("mailto:me@BTC.example", []),
        # shouting makes tickers of ambiguous words worthless, not those of others
        ("BITCOIN CRASHES: ALL IN ONE PLACE", ["BTC"]),
    ],
)
def test_assets_of_a_title(recogniser: Recogniser, title: str, assets: list[str]) -> None:
    found = [m for m in recogniser.find(title) if m.direct]
    assert [m.asset for m in sorted(found, key=lambda m: -m.relevance)] == assets


def test_relevance_falls_from_first_in_title_to_summary_to_market(recogniser: Recogniser) -> None:
    relevance = {m.asset: m.relevance for m in recogniser.find("Bitcoin beats Ether", "Solana too")}
    assert relevance == {"BTC": 1.0, "ETH": 0.8, "SOL": 0.5}
    market = recogniser.find("Crypto market sinks")
    assert [(m.asset, m.relevance, m.direct) for m in market] == [
        (a, MARKET_RELEVANCE, False) for a in ("BTC", "ETH", "SOL")
    ]


def test_list_of_many_assets_is_less_about_each(recogniser: Recogniser) -> None:
    many = recogniser.find("Prices: BTC, ETH, XRP, LTC, Cardano, Monero")
    assert len(many) == 6
    assert max(m.relevance for m in many) == pytest.approx(0.5)


def test_tags_of_the_source_count_when_the_text_names_nothing(recogniser: Recogniser) -> None:
    assert [m.asset for m in recogniser.find("Weekly roundup", "", ["SOL", "NOTACOIN"])] == ["SOL"]


def test_configuration_extends_the_list() -> None:
    recogniser = Recogniser({"ZED": AssetConfig(names=("Zedcoin",), weak=("zed",), context=("zebra",))})
    assert [m.asset for m in recogniser.find("zedcoin falls")] == ["ZED"]
    assert [m.asset for m in recogniser.find("Zed and the zebra")] == ["ZED"]
    assert recogniser.find("Zed is a letter") == []
    assert recogniser.find("zed and the zebra") == []
