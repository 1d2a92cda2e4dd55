"""Logs are JSON lines that carry no secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from tests.worlds.attacks import EVERYTHING

from candlewave import __version__
from candlewave.core.printable import printable
from candlewave.core.settings import Settings
from candlewave.telemetry import configure_logging, get_logger
from candlewave.telemetry.redact import redact


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go; the process's logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_what_who_and_which_version(stream: io.StringIO) -> None:
    configure_logging(Settings(), "trade-to-ohlc", stream)
    get_logger("candlewave.services.ingest").info("published", trades=3)
    (line,) = _lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "level": "info",
        "service": "trade-to-ohlc",
        "version": __version__,
        "event": "published",
        "logger": "candlewave.services.ingest",
        "trades": 3,
    }


def test_libraries_log_in_the_same_form(stream: io.StringIO) -> None:
    configure_logging(Settings(), "x", stream)
    logging.getLogger("uvicorn").warning("port %d in use", 80)
    (line,) = _lines(stream)
    assert (line["event"], line["level"], line["logger"], line["service"]) == (
        "port 80 in use",
        "warning",
        "uvicorn",
        "x",
    )


@pytest.mark.parametrize(("level", "shown"), [("debug", ["low", "middle", "high"]), ("WARNING", ["high"])])
def test_level_comes_from_settings(stream: io.StringIO, level: str, shown: list[str]) -> None:
    configure_logging(Settings(log_level=level), "x", stream)
    log = get_logger("a")
    log.debug("low")
    log.info("middle")
    log.warning("high")
    assert [line["event"] for line in _lines(stream)] == shown


def test_an_exception_is_structured_and_shows_neither_locals_nor_passwords(stream: io.StringIO) -> None:
    configure_logging(Settings(), "x", stream)
    local_value = "in-a-variable"
    try:
        raise RuntimeError(f"no answer from postgresql://me:hunter2@db/x {len(local_value)}")
    except RuntimeError:
        get_logger("a").exception("failed", dsn="host=db password=hunter2")
    (line,) = _lines(stream)
    (exception,) = line["exception"]  # type: ignore[misc]
    assert exception["exc_type"] == "RuntimeError"
    assert exception["frames"][-1]["name"].startswith("test_an_exception")
    assert "hunter2" not in stream.getvalue()
    assert local_value not in stream.getvalue()
    assert "postgresql://me:***@db/x" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:pa/ss@w0rd@db:5432/x?a=b", "postgresql://me:***@db:5432/x?a=b"),
        ("http://:token@host", "http://:***@host"),
        ("http://host:9200/index", "http://host:9200/index"),
        ("host=db password='p w' user=me", "host=db password=*** user=me"),
        ('{"sasl.password": "a\\"b", "user": "me"}', '{"sasl.password": "***", "user": "me"}'),
        ('{"api_key": "k", "apiKey": "k", "token": "t"}', '{"api_key": "***", "apiKey": "***", "token": "***"}'),
        ('{"rows": 3, "key": "BTC/USD"}', '{"rows": 3, "key": "BTC/USD"}'),
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize("text", EVERYTHING)
def test_foreign_text_is_in_one_line_that_a_terminal_only_shows(stream: io.StringIO, text: str) -> None:
    configure_logging(Settings(), "x", stream)
    get_logger("a").warning("source failed", title=text)
    logging.getLogger("library").warning("got %s", text)
    for line in stream.getvalue().split("\n")[:-1]:
        assert printable(line) == line
        assert text in json.loads(line).values() or f"got {text}" in json.loads(line).values()
    assert len(stream.getvalue().splitlines()) == 2
