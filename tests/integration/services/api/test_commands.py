"""Commands that read from the API."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from candlewave.cli import app


def run(api: httpx.Client, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--url", str(api.base_url)])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predictions", "BTC-USD", "--exchange", "simulated"], ["champion", "baseline", "price q50"]),
        (["candles", "BTC-USD", "--exchange", "simulated", "--timeframe", "5m", "--limit", "3"], ["traded", "is open"]),
        (["performance", "--span", "24h"], ["candlewave", "interval skill"]),
        (["symbols"], ["simulated", "BTC/USD"]),
        (["headlines", "BTC"], ["Exchange halts withdrawals", "-0.7100"]),
        (["alerts"], ["the 80 % interval held"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_tables_show_what_the_api_says(api: httpx.Client, arguments: list[str], words: list[str]) -> None:
    code, output = run(api, *arguments)
    assert code == 0, output
    for word in words:
        assert word in output


def test_json_is_the_answer(api: httpx.Client) -> None:
    code, output = run(api, "symbols", "--json")
    assert code == 0
    assert {market["id"] for market in json.loads(output)["data"]} == {"BTC-USD", "ETH-USD"}


def test_errors_are_the_apis_words(api: httpx.Client) -> None:
    code, output = run(api, "candles", "BTX-USD", "--exchange", "simulated")
    assert code == 1
    assert "Nearest: exchange=simulated&symbol=BTC-USD" in output
    result = CliRunner().invoke(app, ["symbols", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "candlewave predictions-api" in result.output
