"""Wrong settings end a command with their name and what was expected; a value, which may be a secret, is not shown."""

import os
import subprocess
import sys

import pytest

SECRET = "zz-top-secret-zz"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["sentiment", "score", "x"], {"SENTIMENT_LLM_MODEL": "m", "SENTIMENT_LLM_API_KEY": SECRET}, "BASE_URL"),
        (["plan"], {"CANDLEWAVE_ENV": "production", "RISINGWAVE_URL": f"postgresql://{SECRET}:changeme@h/d"}, "RISIN"),
        (["migrate"], {"ELASTICSEARCH_URL": SECRET}, "ELASTICSEARCH_URL: expected http://host:port"),
        (["audit"], {"ADMIN_PORT": SECRET}, "ADMIN_PORT: Input should be a valid integer"),
        (["trade-to-ohlc"], {"KAFKA_BOOTSTRAP_SERVERS": SECRET}, "KAFKA_BOOTSTRAP_SERVERS is set but RISINGWAVE_URL"),
        (["train"], {"TRAIN_TREES": SECRET}, "TRAIN_TREES"),
        (["models", "list"], {"CANDLEWAVE_DATA_DIR": "/nowhere"}, "there is no /nowhere (CANDLEWAVE_DATA_DIR)"),
        (["migrate", "downgrade", "9999"], {}, "there is no revision 9999; there are 0001"),
        (["predictions-api"], {"API_PORT": SECRET}, "API_PORT"),
        (["price-predictor"], {"LOG_LEVEL": SECRET}, "LOG_LEVEL: expected one of DEBUG, INFO"),
        (["render", "trades", "--engine", "embedded", "--out", "/dev/null/x"], {}, "/dev/null/x: Not a directory"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_it_is_said_in_words(arguments: list[str], environment: dict[str, str], words: str) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS")}
    done = subprocess.run(
        [sys.executable, "-m", "candlewave", *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
