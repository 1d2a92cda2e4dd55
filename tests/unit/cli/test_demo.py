"""What ends the demo."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from candlewave.cli import app
from candlewave.cli.demo import TradeSource, _exchange_config, _signals
from candlewave.core.config import load_config
from candlewave.core.settings import Settings


@pytest.fixture
def handler() -> Iterator[None]:
    """Leave the handler of the test's process as it was."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_ask_it_to_end(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stop = threading.Event()
    with _signals(stop):
        os.kill(os.getpid(), number)
        assert stop.wait(5)


@pytest.mark.usefixtures("handler")
def test_under_nohup_it_outlives_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = threading.Event()
    with _signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert not stop.is_set()


def test_an_exchange_that_is_not_configured_gets_three_markets_and_all_else_stays(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[indicators]\nrsi = 21\n[exchanges]\ndefault = "kraken"\n[exchanges.kraken]\nsymbols = ["LTC/USD"]\n'
        "[candles]\ngrace_seconds = 3\n"
    )
    settings = Settings(CANDLEWAVE_DATA_DIR=tmp_path / "data", CANDLEWAVE_CONFIG=own)  # type: ignore[call-arg]
    assert _exchange_config(settings, TradeSource.KRAKEN) == {}
    made = load_config(Path(_exchange_config(settings, TradeSource.BINANCE)["CANDLEWAVE_CONFIG"]))
    assert made.default_exchange == "binance"
    assert [str(market) for market in made.markets] == [f"binance {base}/USDT" for base in ("BTC", "ETH", "SOL")]
    assert (made.indicators.rsi, made.candles.grace_seconds) == (21, 3)


def test_the_examples_of_the_shipped_configuration_are_markets(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "candlewave.toml").read_text()
    begin = text.index("# [exchanges.kraken]")
    lines = [line.removeprefix("# ") for line in text[begin:].splitlines() if line.startswith("# ")][:6]
    path = tmp_path / "three.toml"
    path.write_text("\n".join(lines))
    assert [str(m) for m in load_config(path).markets] == ["kraken BTC/USD", "coinbase BTC/USD", "binance BTC/USDT"]


def test_another_signal_is_refused_before_anything_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(tmp_path))
    state = tmp_path / "simulator.json"
    state.write_text('{"options": {"signal": 0.3}, "start": "2026-01-01T00:00:00+00:00", "state": {}}')
    result = CliRunner().invoke(app, ["demo", "--signal", "0"])
    assert result.exit_code == 1
    assert "CANDLEWAVE_DATA_DIR=.candlewave-signal-0 candlewave demo --signal 0" in result.output
    assert list(tmp_path.iterdir()) == [state]
