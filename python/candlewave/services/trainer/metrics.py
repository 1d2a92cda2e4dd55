"""Metrics of the model trainer."""

from prometheus_client import Counter, Gauge, Histogram

RUNS = Counter("candlewave_trainer_runs_total", "Trainings that ended", ["outcome"])
RUN_SECONDS = Histogram(
    "candlewave_trainer_run_duration_seconds",
    "Time of one training, reading included",
    buckets=(5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400),
)
LAST_SUCCESS = Gauge(
    "candlewave_trainer_last_success_timestamp_seconds", "End of the data of the newest registered version"
)
PROMOTIONS = Counter("candlewave_trainer_promotions_total", "What became of new versions", ["decision"])
CHAMPION_CREATED = Gauge(
    "candlewave_trainer_champion_created_timestamp_seconds", "When the present champion was registered; 0 without one"
)
REQUESTS = Counter("candlewave_trainer_requests_total", "Requests for a training that were read", ["outcome"])
