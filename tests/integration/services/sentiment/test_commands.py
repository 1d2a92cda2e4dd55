"""The commands as a user runs them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.worlds.web import Reply, Web

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import AssetScore, decode
from candlewave.contracts.topics import NEWS_SENTIMENT

COMMAND = [sys.executable, "-m", "candlewave"]


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SENTIMENT_", "CANDLEWAVE_", "KAFKA_", "RISINGWAVE_"))
    }
    return {**kept, "CANDLEWAVE_DATA_DIR": str(data_dir), "ADMIN_PORT": "0", **more}


def run(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment(data_dir), timeout=60)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'text,score\n"Profit rises, shares soar",0.8\nBank fined,-0.7\nNothing here,0\n'),
        (
            "a.json",
            json.dumps([{"title": "Profit rises", "sentiment": 0.8}, {"title": "Bank fined", "sentiment": -0.7}]),
        ),
        ("a.jsonl", '{"text": "Profit rises", "label": "bullish"}\n{"text": "Bank fined", "label": "negative"}\n'),
    ],
)
def test_evaluate_prints_the_cosine_first_and_draws(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    done = run(tmp_path, "sentiment", "evaluate", str(tmp_path / name))
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()[:3]
    assert re.fullmatch(r"cosine (0\.9\d\d|1\.000)", first)
    assert re.fullmatch(r"pearson (0\.9\d\d|1\.000)", second)
    assert third == "sign accuracy 100.0% of 2 headlines with a sign"
    assert (tmp_path / "sentiment-evaluation.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("text,score\nx,7\n", "label '7' is neither a number from -1 to 1"),
        ("a,b\n1,2\n", "expected text,score or title,sentiment or text,label"),
        ("text,score\n", "no labelled headline in it"),
    ],
)
def test_evaluate_says_what_is_wrong_with_a_file(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    done = run(tmp_path, "sentiment", "evaluate", str(tmp_path / "bad.csv"))
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_score_gives_reasons(tmp_path: Path) -> None:
    done = run(tmp_path, "sentiment", "score", "Solana soars; Cardano tumbles", "--asset", "ADA")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("score -0.")
    assert "tumbles" in done.stdout
    assert "soars" not in done.stdout


def test_service_turns_a_feed_into_scores_and_ends_in_order(
    web: Web, bus: PostgresBus, database: str, tmp_path: Path
) -> None:
    web.reply(
        "/feed",
        Reply(body=b"<rss><channel><item><title>Solana soars to record high</title></item></channel></rss>"),
    )
    (tmp_path / "runtime.json").write_text(json.dumps({"url": database}))
    (tmp_path / "news.toml").write_text(
        f'[[sources]]\nname = "paper"\nkind = "rss"\nurl = "{web.url("/feed")}"\nallow_private = true\n'
        '[[sources]]\nname = "panic"\nkind = "cryptopanic"\nurl = "https://panic.example/"\n'
    )
    service = subprocess.Popen(
        [*COMMAND, "sentiment-extractor"],
        env=environment(tmp_path, CANDLEWAVE_NEWS_CONFIG=str(tmp_path / "news.toml")),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with bus.subscribe("test-reader", [NEWS_SENTIMENT.name]) as subscription:
            found = next(m for _ in range(60) for m in subscription.poll(10, 1.0))
    finally:
        service.send_signal(signal.SIGTERM)
        log = service.communicate(timeout=30)[0]
    assert decode(AssetScore, found.value).asset == "SOL"
    assert service.returncode == 0
    events = [json.loads(line) for line in log.splitlines()]
    assert [e["reason"] for e in events if e["event"] == "source is off"] == ["CRYPTOPANIC_API_KEY is not set"]
