"""Metrics of the price predictor."""

from prometheus_client import Counter, Gauge, Histogram

CYCLE_SECONDS = Histogram(
    "candlewave_predictor_cycle_duration_seconds",
    "Time from the markets' clock having moved to all forecasts acknowledged",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PUBLISHED = Counter("candlewave_predictor_published_forecasts_total", "Forecasts acknowledged by the bus", ["role"])
FEATURE_AGE = Gauge(
    "candlewave_predictor_feature_age_seconds",
    "Age of the newest candle that can be forecast from, of the market where it is oldest",
)
FALLBACKS = Counter(
    "candlewave_predictor_fallbacks_total", "Times something less than the registry's champion had to do", ["reason"]
)
MODEL_INFO = Gauge(
    "candlewave_predictor_model_info",
    "1; the labels say which models forecast",
    ["model_name", "model_version", "role"],
)
SKIPPED = Counter("candlewave_predictor_skipped_markets_total", "Minutes of markets without forecasts", ["reason"])
