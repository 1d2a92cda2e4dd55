"""The commands as a user types them: exit codes, what is said, and what is in the views afterwards."""

import gzip
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from tests.fakes.kraken import FakeKraken
from tests.integration.services.ingest.conftest import Engine
from typer.testing import CliRunner

import candlewave.engine.connect
from candlewave.cli import app
from candlewave.core.settings import get_settings
from candlewave.core.times import utc_now

HEADER = "product_id,trade_id,ts,side,price,quantity"
Command = Callable[..., Result]


@pytest.fixture
def command(running: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command against the test's engine, as if ``candlewave up`` had been started in an empty folder."""
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "runtime.json").write_text(json.dumps({"url": running.url}))
    monkeypatch.setattr(candlewave.engine.connect, "engine_url", lambda _settings: running.url)
    get_settings.cache_clear()

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    yield run  # type: ignore[misc]
    get_settings.cache_clear()


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_replay_returns_when_candles_are_there(command: Command, running: Engine, tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    rows = [f"BTC-USD,{i},2026-01-05T00:{i:02}:10Z,buy,{100 + i},1" for i in range(20)]
    path.write_bytes(gzip.compress("\n".join([HEADER, *rows]).encode()))
    result = command("replay", path, "--exchange", "testex")
    assert result.exit_code == 0, result.output
    assert "20 trades of 1 markets and 1 heartbeats published" in result.stdout
    assert "The views show them." in result.stdout
    assert running.value("SELECT count(*) FROM candles WHERE timeframe = '1m'") == 20


def test_replay_names_bad_lines_and_goes_on(command: Command, running: Engine, tmp_path: Path) -> None:
    path = write(
        tmp_path / "bad.csv",
        "BTC-USD,1,2026-01-05T00:00:10Z,buy,100,1",
        "BTC-USD,2,2026-01-05T00:00:11Z,buy,-100,1",
        "BTC-USD,3,2999-01-05T00:00:11Z,buy,100,1",
    )
    result = command("replay", path, "--exchange", "testex")
    assert result.exit_code == 0, result.output
    assert "rejected: bad.csv, line 3: price '-100' is not positive" in result.stderr
    assert "rejected 2 records: future_time 1, price_not_positive 1" in result.stderr
    running.wait(lambda: running.value("SELECT count(*) FROM trades_dlq") == 2)


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (None, [], "No such file"),
        ("symbol,price\n", [], "the first line must name the columns"),
        (f"{HEADER}\n", [], "no usable trade"),
        (f"{HEADER}\nX-Y,1,2026-01-05T00:00:10Z,buy,1,1\n", ["--strict-symbols"], "no usable trade"),
    ],
)
def test_replay_of_a_useless_file_says_so_and_fails(
    command: Command, tmp_path: Path, content: str | None, arguments: list[str], words: str
) -> None:
    path = tmp_path / "useless.csv"
    if content is not None:
        path.write_text(content)
    result = command("replay", path, "--exchange", "testex", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_replay_refuses_an_impossible_speed(command: Command, tmp_path: Path, speed: str) -> None:
    result = command("replay", write(tmp_path / "t.csv"), "--exchange", "testex", f"--speed={speed}")
    assert result.exit_code == 2
    assert "neither a positive number nor max" in result.output


def test_simulated_history_passes_its_audit_and_a_wrong_candle_does_not(command: Command, running: Engine) -> None:
    result = command("simulate", "--no-live", "--days", "0.1", "--seed", "5", "--rate", "0.3")
    assert result.exit_code == 0, result.output
    assert "synthetic" in result.stdout
    symbols = "SELECT symbol FROM symbols WHERE exchange = 'simulated' ORDER BY symbol"
    assert running.rows(symbols) == [("BTC/USD",), ("ETH/USD",), ("SOL/USD",)]
    running.wait(lambda: (running.value("SELECT count(*) FROM candles WHERE timeframe = '1m'") or 0) > 3 * 140)  # type: ignore[operator]
    good = command("audit", "--sample", "40")
    assert good.exit_code == 0, good.output
    assert "0 values differ" in good.stdout
    assert "Computing candles again from raw trades: 40 candles" in good.stderr
    running.conn.execute("UPDATE candles SET high = high + 1")
    bad = command("audit", "--sample", "5")
    assert bad.exit_code == 1
    assert "high: stored" in bad.stdout


def test_archives_are_loaded_by_command(command: Command, running: Engine, tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD.csv"
    path.write_text("".join(f"{1561939200 + i * 30},100.5,1\n" for i in range(20)) + "junk\n")
    arguments = ("backfill", "--exchange", "kraken", "--symbol", "btc-usd", "--archive", path)
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    assert "XBTUSD.csv: 20 trades and 1 heartbeats published" in result.stdout
    assert "kraken BTC/USD 2019-07-01 00:00:00Z to 2019-07-01 00:10:00Z (archive, done)" in result.stdout
    assert "XBTUSD.csv, line 21: 1 columns instead of 3" in result.stderr
    assert "already loaded" in command(*arguments).stdout
    running.wait(lambda: running.value("SELECT count(*) FROM candles WHERE timeframe = '1m'") == 10)
    refused = command("backfill", "--symbol", "BTC/USD", "--from", "2019-06-30", "--to", "2019-07-02")
    assert refused.exit_code == 1
    assert "was loaded from the archive" in refused.stderr


def test_the_api_and_the_exchanges_candles_by_command(
    command: Command, running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    begin = datetime(2026, 6, 1, tzinfo=UTC)
    with FakeKraken(["BTC/USD"]) as kraken:
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_URLS", json.dumps({"kraken": {"rest": kraken.rest, "ws": kraken.ws}}))
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_REQUEST_INTERVAL_MS", "1")
        for i in range(300):
            kraken.trade("BTC/USD", begin + timedelta(seconds=4 * i), f"{100 + i % 7}", "0.5", send=False)
        result = command("backfill", "--symbol", "BTC/USD", "--from", "2026-06-01", "--to", "2026-06-01T00:20")
        assert result.exit_code == 0, result.output
        assert "kraken API: 300 trades" in result.stdout
        running.wait(lambda: running.value("SELECT count(*) FROM candles WHERE timeframe = '5m'") == 4)
        same = command("audit", "--against", "exchange", "--symbol", "BTC/USD", "--timeframe", "5m", "--hours", "0.33")
        assert same.exit_code == 0, same.output
        assert "kraken BTC/USD 5m: 4 candles compared, 0 differ" in same.stdout
        running.conn.execute("UPDATE candles SET close = close + 1 WHERE timeframe = '5m'")
        other = command("audit", "--against", "exchange", "--symbol", "BTC/USD", "--timeframe", "5m", "--hours", "0.33")
        assert other.exit_code == 1
        assert "4 differ" in other.stdout


@pytest.mark.parametrize(
    "arguments", [["backfill", "--symbol", "BTC/USD", "--from", "2026-06-01"], ["history", "--exchange", "kraken"]]
)
def test_an_exchange_that_cannot_be_reached_is_named_within_seconds(
    command: Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDLEWAVE_EXCHANGE_URLS", json.dumps({"kraken": {"rest": "http://127.0.0.1:9"}}))
    monkeypatch.setenv("CANDLEWAVE_EXCHANGE_GIVE_UP_SECONDS", "3")
    result = command(*arguments)
    assert result.exit_code == 1
    assert "exchange cannot be reached, trying again" in result.output
    assert "kraken" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbol", "BTC/USD"], "--archive"),
        (["--symbol", "BTCUSD", "--from", "2026-01-01"], "BASE/QUOTE"),
        (["--symbol", "BTC/USD", "--exchange", "other", "--archive", "f.csv"], "archive layout of other"),
    ],
)
def test_backfill_explains_what_is_missing(command: Command, arguments: list[str], words: str) -> None:
    result = command("backfill", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_an_exchange_that_is_not_supported_is_named(command: Command) -> None:
    result = command("backfill", "--symbol", "BTC/USD", "--exchange", "mtgox", "--from", "2026-01-01")
    assert result.exit_code == 1
    assert "'mtgox' is not supported; known are kraken" in result.stderr


def _zip(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return path


def test_of_an_archive_of_many_markets_one_is_loaded(command: Command, running: Engine, tmp_path: Path) -> None:
    path = _zip(tmp_path / "history.zip", XBTUSD="1767571200,100,1\n", ETHUSD="1767571200,5,1\n", XBTAED="")
    result = command("backfill", "--symbol", "BTC/USD", "--exchange", "kraken", "--archive", path)
    assert result.exit_code == 0, result.output
    assert "from XBTUSD.csv" in result.stdout
    assert running.value("SELECT count(*) FROM trades WHERE kind = 'trade'") == 1


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ETHUSD": "1767571200,5,1\n", "SOLUSD": "1767571200,5,1\n"}, "none of 2 files is named after BTC/USD"),
        ({"ETHUSD": "1767571200,5,1\n"}, "not named after BTC/USD"),
        ({"XBTUSD": "a,b\n"}, "2 columns instead of 3"),
        ({"XBTUSD": ",,\n"}, "no usable trade"),
    ],
)
def test_a_refused_load_leaves_no_trace(
    command: Command, running: Engine, tmp_path: Path, members: dict[str, str], words: str
) -> None:
    before = running.value("SELECT count(*) FROM symbols")
    path = _zip(tmp_path / "history.zip", **members)
    result = command("backfill", "--symbol", "BTC/USD", "--exchange", "kraken", "--archive", path)
    assert result.exit_code == 1
    assert words in result.output
    assert running.value("SELECT count(*) FROM symbols") == before
    assert running.value("SELECT count(*) FROM loaded_ranges") == 0


def test_contracts_and_names_in_other_scripts_are_markets(command: Command, running: Engine, tmp_path: Path) -> None:
    rows = [
        f"{name},{i},2026-01-05T00:00:1{i}Z,buy,{100 + i},1"
        for name in ("币安人生-USDT", "BTC/USDT:USDT")
        for i in range(3)
    ]
    result = command("replay", write(tmp_path / "t.csv", *rows), "--exchange", "testex")
    assert result.exit_code == 0, result.output
    assert running.rows("SELECT symbol, base, quote, kind FROM symbols WHERE exchange = 'testex' ORDER BY symbol") == [
        ("BTC/USDT:USDT", "BTC", "USDT", "swap"),
        ("币安人生/USDT", "币安人生", "USDT", "spot"),
    ]
    candles = "SELECT symbol, trades, close FROM candles WHERE timeframe = '1m' AND exchange = 'testex' ORDER BY symbol"
    assert running.rows(candles) == [("BTC/USDT:USDT", 3, 102.0), ("币安人生/USDT", 3, 102.0)]


TRADE_IDS = "".join(f"{17 + i},100,1,100,{1588291200000 + 1000 * i},True,True\n" for i in range(12))
AGGREGATE_IDS = "".join(f"{17 + i},200,1,5,5,{1614556200000 + 1000 * i},False,True\n" for i in range(10))


def test_trades_and_aggregate_trades_of_equal_numbers_are_all_stored(
    command: Command, running: Engine, tmp_path: Path
) -> None:
    for name, text in (("XRPUSDT-trades-2020-05", TRADE_IDS), ("XRPUSDT-aggTrades-2021-03", AGGREGATE_IDS)):
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        result = command("backfill", "--symbol", "XRP/USDT", "--exchange", "binance", "--archive", path)
        assert result.exit_code == 0, result.output
    assert running.value("SELECT count(*) FROM trades WHERE kind = 'trade'") == 22


def test_an_id_that_another_trade_used_before_is_reported_and_kept(
    command: Command, running: Engine, tmp_path: Path
) -> None:
    first = write(tmp_path / "a.csv", "BTC-USD,1,2026-01-05T00:00:10Z,buy,100,1")
    again = write(
        tmp_path / "b.csv", "BTC-USD,1,2026-01-05T00:05:10Z,sell,101,1", "BTC-USD,2,2026-01-05T00:05:11Z,buy,101,1"
    )
    assert command("replay", first, "--exchange", "testex").exit_code == 0
    result = command("replay", again, "--exchange", "testex")
    assert result.exit_code == 1
    assert "of 2 trades 1 have an id that another trade of this market used before" in result.output
    assert "1.0 at 101.0 (sell, 2026-01-05 00:05:10+00:00), stored is 1.0 at 100.0 (buy, 2026-01-05" in result.output
    rejected = "SELECT reason, ts, price FROM trades_rejected"
    kept = ("id used before", datetime(2026, 1, 5, 0, 5, 10, tzinfo=UTC), 101.0)
    running.wait(lambda: running.rows(rejected) == [kept])
    repeated = command("replay", first, "--exchange", "testex")
    assert repeated.exit_code == 0, "the same trade again is no conflict"


def test_a_market_that_is_listed_again_loses_no_trade(command: Command, running: Engine, tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", "BTC-USD,1,2026-01-05T00:00:10Z,buy,100,1")
    again = write(
        tmp_path / "b.csv", "BTC-USD,1,2026-03-05T00:05:10Z,sell,101,1", "BTC-USD,2,2026-03-05T00:05:11Z,buy,101,1"
    )
    for path, note in ((first, False), (again, True), (first, False), (again, True)):
        result = command("replay", path, "--exchange", "testex")
        assert result.exit_code == 0, result.output
        assert ("1 trades have ids that others used a day or more before" in result.output) is note
    running.refresh()
    kept = running.rows("SELECT trade_id FROM trades WHERE kind = 'trade' ORDER BY ts")
    assert [row[0] for row in kept] == ["1", "r:2026-03-05T00:05:10.000000Z:1", "2"]
    assert running.value("SELECT count(*) FROM trades_rejected") == 0


def _candles(path: Path, count: int, begin: int = 1767571200) -> Path:
    path.write_text("".join(f"{begin + 60 * i},100,101,99,{100 + i % 2},2.5,7\n" for i in range(count)))
    return path


def test_files_with_candles_are_loaded_by_command(command: Command, running: Engine, tmp_path: Path) -> None:
    path = _candles(tmp_path / "XBTUSD_1.csv", 30)
    path.write_text(path.read_text() + "junk\n1767573001,1,1,1,1,1,1\n")
    arguments = ("backfill", "--candles", "--exchange", "kraken", "--symbol", "BTC/USD", "--archive", path)
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    assert "XBTUSD_1.csv: 30 candles and 1 heartbeats published" in result.stdout
    assert "2026-01-05 00:00:00Z to 2026-01-05 00:30:00Z (candles of an archive, done)" in result.stdout
    assert "XBTUSD_1.csv, line 31: 1 columns instead of 7" in result.stderr
    assert "rejected 2 records: not_a_minute 1, wrong_columns 1" in result.stderr
    rows = running.rows("SELECT count(*), min(source), sum(trades)::int, count(buy_volume) FROM loaded_candles")
    assert rows == [(30, "archive", 210, 0)]
    running.wait(lambda: running.value("SELECT count(*) FROM loaded_candles_dlq") == 2)
    assert running.rows("SELECT exchange, symbol FROM symbols") == [("kraken", "BTC/USD")]
    assert "already loaded" in command(*arguments).stdout


def test_a_load_ends_when_the_views_show_it_whole_without_a_live_feed(
    command: Command, running: Engine, tmp_path: Path
) -> None:
    """To the last minute, however new it is; what an earlier load stored as well is counted."""
    newest = int(utc_now().timestamp()) // 60 * 60 - 120
    for count, earlier in ((30, 0), (45, 30)):
        path = _candles(tmp_path / f"XBTUSD_{count}_1m.csv", count, newest - 60 * 44)
        result = command("backfill", "--candles", "--exchange", "kraken", "--symbol", "BTC/USD", "--archive", path)
        assert result.exit_code == 0, result.output
        assert "the views show everything up to" in result.stdout
        assert (f"{earlier} of 45 minutes had been loaded before" in result.stdout) is bool(earlier)
        assert running.value("SELECT count(*) FROM candles WHERE timeframe = '1m'") == count
    assert running.value("SELECT count(*) FROM candles WHERE timeframe = '5m'") > 7  # type: ignore[operator]


def test_minutes_known_from_trades_are_counted(command: Command, tmp_path: Path) -> None:
    trades = write(tmp_path / "t.csv", *(f"BTC-USD,{i},2026-01-05T00:{i:02}:10Z,buy,100,1" for i in range(4)))
    assert command("replay", trades, "--exchange", "kraken").exit_code == 0
    path = _candles(tmp_path / "XBTUSD_1.csv", 30)
    result = command("backfill", "--candles", "--exchange", "kraken", "--symbol", "BTC/USD", "--archive", path)
    assert result.exit_code == 0, result.output
    assert "4 of 30 loaded minutes are known from trades, which count instead" in result.stdout


def test_a_folder_of_candles_and_named_columns_by_command(command: Command, running: Engine, tmp_path: Path) -> None:
    for name, price in (("BTC_USDT-1m.json", 100), ("BTC_USDT-5m.json", 1), ("ETH_USDT-1m.json", 5)):
        rows = [[(1767571200 + 60 * i) * 1000, price, price, price, price, 1] for i in range(3)]
        (tmp_path / name).write_text(json.dumps(rows))
    result = command("backfill", "--candles", "--exchange", "okx", "--symbol", "BTC/USDT", "--archive", tmp_path)
    assert result.exit_code == 0, result.output
    assert "BTC_USDT-1m.json: 3 candles" in result.stdout
    path = tmp_path / "own.csv"
    path.write_text("when,o,h,l,c,v\n2026-01-05 01:03:00,100,101,99,100,0.5\n")
    result = command(
        "backfill", "--candles", "--exchange", "okx", "--symbol", "BTC/USDT", "--archive", path, "--zone",
        "Europe/Berlin", "--columns", "open_time=when,open=o,high=h,low=l,close=c,volume=v",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    minutes = running.rows("SELECT open_time::text FROM loaded_candles ORDER BY open_time")
    assert [str(row[0])[:16] for row in minutes] == [f"2026-01-05 00:0{i}" for i in range(4)]


def test_kraken_gives_candles_and_what_is_older_as_trades(
    command: Command, running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC).replace(second=0, microsecond=0)
    begin = now - timedelta(minutes=800)
    with FakeKraken(["BTC/USD"]) as kraken:
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_URLS", json.dumps({"kraken": {"rest": kraken.rest, "ws": kraken.ws}}))
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_REQUEST_INTERVAL_MS", "1")
        for i in range(800):
            kraken.trade("BTC/USD", begin + timedelta(minutes=i, seconds=5), f"{100 + i % 7}", "0.5", send=False)
        arguments = ("backfill", "--candles", "--symbol", "BTC/USD", "--from", f"{begin:%Y-%m-%dT%H:%M}")
        refused = command(*arguments)
        assert refused.exit_code == 1
        assert "kraken keeps only its newest 720 one-minute candles" in refused.stderr
        assert "Traceback" not in refused.output
        assert running.value("SELECT count(*) FROM symbols") == 0
        result = command(*arguments, "--older-from-trades")
        assert result.exit_code == 0, result.output
        assert "kraken API: 8" in result.stdout
        assert "kraken REST: 71" in result.stdout
    covered = running.value(
        "SELECT count(DISTINCT minute) FROM (SELECT open_time AS minute FROM loaded_candles"
        " UNION SELECT date_trunc('minute', ts) FROM trades WHERE kind = 'trade') AS known"
    )
    assert covered in (799, 800), "no minute is missing between trades and candles"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--columns", "open_time=t", "--archive", "f.csv"], "--columns applies to candles only"),
        (["--older-from-trades", "--from", "2026-01-01"], "--older-from-trades applies to candles only"),
        (["--format", "freqtrade", "--archive", "f.csv"], "--candles only"),
        (["--candles", "--archive", "f.csv", "--exchange", "okx"], "the layout of f.csv is not known"),
        (["--candles", "--archive", "f.csv", "--columns", "open_time=t"], "no column for open, high, low"),
        (["--candles", "--archive", "f.csv", "--zone", "Mars/North"], "'Mars/North' is not a time zone"),
    ],
)
def test_backfill_of_candles_explains_what_is_missing(
    command: Command, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "f.csv").write_text("")
    arguments = [str(tmp_path / a) if a == "f.csv" else a for a in arguments]
    result = command("backfill", "--symbol", "BTC/USD", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"XBTUSD_5": "1767571200,1,1,1,1,1,1\n"}, "candles of 5m, not of 1m"),
        ({"ETHUSD_1": "1767571200,1,1,1,1,1,1\n", "SOLUSD_1": "1,1\n"}, "none of 2 files is named after BTC/USD"),
        ({"XBTUSD_1": "1767571200,1,1\n"}, "load them without --candles"),
        ({"XBTUSD_1": "1767571201,1,1,1,1,1,1\n"}, "no usable candle"),
        (
            {"XBTUSD": "".join(f"{1767571200 + 300 * i},1,1,1,1,1,1\n" for i in range(20))},
            "its candles are 5 minutes apart; only 1-minute candles are loaded",
        ),
        (
            {"XBTUSD": "".join(f"{1767571200 + i},1,1,1,1,1,1\n" for i in range(120))},
            "its candles are 1 seconds apart",
        ),
    ],
)
def test_a_refused_load_of_candles_leaves_no_trace(
    command: Command, running: Engine, tmp_path: Path, members: dict[str, str], words: str
) -> None:
    path = _zip(tmp_path / "history.zip", **members)
    result = command("backfill", "--candles", "--symbol", "BTC/USD", "--exchange", "kraken", "--archive", path)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert running.value("SELECT count(*) FROM symbols") == 0
    assert running.value("SELECT count(*) FROM loaded_ranges") == 0


def test_help_names_what_candles_need(command: Command) -> None:
    text = " ".join(command("backfill", "--help").output.replace("│", " ").split())
    for option in ("--candles", "--columns", "--zone", "--older-from-trades"):
        assert option in text
    assert "Kraken's REST keeps its newest 720" in text
