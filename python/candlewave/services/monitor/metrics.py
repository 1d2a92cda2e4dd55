"""Metrics of the error monitor. The ``candlewave_model_*`` gauges repeat the newest rows of the evaluation views."""

from collections.abc import Mapping
from math import nan

from prometheus_client import Counter, Gauge, Histogram

_MODEL = ["exchange", "symbol", "horizon_minutes", "model_name", "model_version", "span"]

CYCLE_SECONDS = Histogram(
    "candlewave_monitor_cycle_duration_seconds",
    "Time of one evaluation of all rules",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
ALERTS = Gauge("candlewave_monitor_alerts", "Alerts firing now", ["rule", "severity"])
NOTIFICATIONS = Counter(
    "candlewave_monitor_notifications_total", "Requests to receivers of alerts", ["receiver", "outcome"]
)
TRAINING_REQUESTS = Counter("candlewave_monitor_training_requests_total", "Trainings asked for", ["reason"])
TRAINING_WITHHELD = Counter(
    "candlewave_monitor_withheld_training_requests_total",
    "Alerts that asked for a training too soon after the last request",
    ["reason"],
)

MAE = Gauge("candlewave_model_mae", "Mean absolute error of the median, as log return", _MODEL)
SKILL = Gauge("candlewave_model_skill", "1 - mean absolute error / that of the last price", _MODEL)
INTERVAL_SKILL = Gauge("candlewave_model_interval_skill", "1 - pinball loss / that of the baseline", _MODEL)
COVERAGE = Gauge("candlewave_model_coverage_ratio", "Share of outcomes inside the 80 % interval", _MODEL)
BIAS = Gauge("candlewave_model_bias", "Mean of the median less the outcome, as log return", _MODEL)
DRIFT = Gauge("candlewave_model_drift_psi", "Population stability index, the largest of all markets", ["feature"])
AMENDED = Gauge(
    "candlewave_model_amended_inputs_ratio", "Share of the last day's forecasts whose inputs were amended later"
)
AMENDED.set(nan)  # known to the active replica only


class Family:
    """Keeps a gauge's series equal to a mapping: values are set before series that are gone are removed.

    Args:
        gauge: with labels.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._known: set[tuple[str, ...]] = set()

    def replace(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Export these values by label values, and nothing else."""
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        for gone in self._known - set(values):
            self._gauge.remove(*gone)
        self._known = set(values)
