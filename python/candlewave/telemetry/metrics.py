"""Prometheus metrics that every service has: what it is, and how old the newest event of each layer is.

Other metrics are declared where they are counted, with names ``candlewave_<part>_<what>_<unit>``, in the default
registry.
"""

import platform
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from candlewave import __version__

_BUILD = Gauge("candlewave_build_info", "1; the labels say which version runs", ["service", "version", "python"])


def set_build_info(service: str) -> None:
    """Export which service and version this process is."""
    _BUILD.labels(service, __version__, platform.python_version()).set(1)


class Freshness(Collector):
    """Age of the newest event per layer, computed when it is read, so that it grows while nothing arrives.

    Args:
        registry: where it is exported.
        clock: seconds since the epoch; tests give their own.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY, clock: Callable[[], float] = time.time) -> None:
        self._newest: dict[tuple[str, str, str], float] = {}
        self._clock = clock
        if registry is not None:
            registry.register(self)

    def newest(self, layer: str, when: datetime, exchange: str = "", symbol: str = "") -> None:
        """Note the newest event of a layer, or of one market in it. It may go back, when data is withdrawn."""
        self._newest[layer, exchange, symbol] = when.timestamp()

    def forget(self, layer: str, exchange: str = "", symbol: str = "") -> None:
        """Stop exporting a layer, or a market that another member of the group reports from now on."""
        self._newest.pop((layer, exchange, symbol), None)

    def collect(self) -> Iterable[Metric]:
        """Return the gauges; called by the registry."""
        labels = ["layer", "exchange", "symbol"]
        age = GaugeMetricFamily(
            "candlewave_layer_freshness_seconds", "Now minus the newest event of a layer", labels=labels
        )
        newest = GaugeMetricFamily(
            "candlewave_layer_newest_event_timestamp_seconds", "Time of the newest event of a layer", labels=labels
        )
        now = self._clock()
        for key, when in list(self._newest.items()):
            age.add_metric(list(key), now - when)
            newest.add_metric(list(key), when)
        return [age, newest]


FRESHNESS = Freshness()
"""The process's own."""
