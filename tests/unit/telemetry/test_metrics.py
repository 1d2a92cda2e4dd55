"""Metrics that every service has."""

from datetime import UTC, datetime

from prometheus_client import REGISTRY, CollectorRegistry

from candlewave import __version__
from candlewave.telemetry.metrics import Freshness, set_build_info

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_freshness_grows_while_nothing_arrives() -> None:
    now = _NOON.timestamp()
    registry = CollectorRegistry()
    freshness = Freshness(registry, clock=lambda: now)
    freshness.newest("candles", _NOON)
    name, labels = "candlewave_layer_freshness_seconds", {"layer": "candles", "exchange": "", "symbol": ""}
    assert registry.get_sample_value(name, labels) == 0
    now += 90
    assert registry.get_sample_value(name, labels) == 90
    freshness.newest("candles", datetime(2026, 1, 1, 12, 1, tzinfo=UTC))
    assert registry.get_sample_value(name, labels) == 30


def test_a_forgotten_market_is_no_longer_exported() -> None:
    registry = CollectorRegistry()
    freshness = Freshness(registry)
    freshness.newest("feed", _NOON, "kraken", "BTC/USD")
    freshness.forget("feed", "kraken", "BTC/USD")
    labels = {"layer": "feed", "exchange": "kraken", "symbol": "BTC/USD"}
    assert registry.get_sample_value("candlewave_layer_newest_event_timestamp_seconds", labels) is None


def test_build_info_names_service_and_version() -> None:
    set_build_info("test-service")
    samples = [s.labels for m in REGISTRY.collect() for s in m.samples if s.name == "candlewave_build_info"]
    assert any(s["service"] == "test-service" and s["version"] == __version__ for s in samples)
