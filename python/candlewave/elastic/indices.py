"""The indices: one a day of each kind, with explicit mappings and one lifecycle for all."""

from dataclasses import dataclass
from typing import Any

from candlewave.elastic.settings import SearchSettings

POLICY = "candlewave"
"""Name of the lifecycle policy."""

_TIME = {
    "type": "date",
    # RisingWave writes UTC without a zone, the embedded engine writes ISO-8601 with one.
    "format": "yyyy-MM-dd HH:mm:ss.SSSSSS||strict_date_optional_time_nanos",
}
_WORD = {"type": "keyword"}
_NUMBER = {"type": "double"}
_TRUTH = {"type": "boolean"}
_MINUTES = {"type": "integer"}

_KEY = {
    "exchange": _WORD,
    "symbol": _WORD,
    "horizon_minutes": _MINUTES,
    "feature_time": _TIME,
    "target_time": _TIME,
    "model_name": _WORD,
    "model_version": _WORD,
    "role": _WORD,
}
_FORECAST = {**dict.fromkeys(("q10", "q50", "q90", "reference_price"), _NUMBER), "made_at": _TIME}


@dataclass(frozen=True)
class Index:
    """The indices of one kind.

    Attributes:
        name: what every index's name begins with; the day follows, as in ``predictions-2026.03.02``.
        sink: the SQL object that writes them.
        fields: mapping of every column of the sink's view but the index's name.
    """

    name: str
    sink: str
    fields: dict[str, dict[str, Any]]

    @property
    def pattern(self) -> str:
        """Matches the indices of all days."""
        return f"{self.name}-2*"

    @property
    def template(self) -> str:
        """Name of the index template."""
        return f"candlewave-{self.name}"


PREDICTIONS = Index(
    "predictions",
    "predictions_sink",
    {**_KEY, **_FORECAST, **dict.fromkeys(("price_q10", "price_q50", "price_q90"), _NUMBER)},
)
PREDICTION_ERRORS = Index(
    "prediction-errors",
    "prediction_errors_sink",
    {
        **_KEY,
        **_FORECAST,
        **dict.fromkeys(
            (
                "realised_price",
                "realised_return",
                "error",
                "absolute_error",
                "last_price_absolute_error",
                "pinball",
            ),
            _NUMBER,
        ),
        **dict.fromkeys(("is_covered", "is_direction_right"), _TRUTH),
    },
)
ALERTS = Index(
    "alerts",
    "alerts_sink",
    {
        **dict.fromkeys(("fingerprint", "rule", "severity", "status"), _WORD),
        "labels": {"type": "keyword", "ignore_above": 8_000},
        "value": _NUMBER,
        "occurred_at": _TIME,
    },
)
INDICES = (PREDICTIONS, PREDICTION_ERRORS, ALERTS)


def policy(settings: SearchSettings) -> dict[str, Any]:
    """Return the lifecycle: a day's index is written, then merged and moved to warm nodes, then deleted."""
    return {
        "phases": {
            "hot": {"min_age": "0ms", "actions": {"set_priority": {"priority": 100}}},
            "warm": {
                "min_age": f"{settings.hot_days}d",
                "actions": {"forcemerge": {"max_num_segments": 1}, "set_priority": {"priority": 50}},
            },
            "delete": {"min_age": f"{settings.delete_days}d", "actions": {"delete": {}}},
        }
    }


def template(index: Index) -> dict[str, Any]:
    """Return an index template.

    A column that SQL gets later is kept in the document, but cannot be searched until the template knows it
    (``dynamic: false``): refusing the document would lose a forecast for a missing mapping.
    """
    return {
        "index_patterns": [index.pattern],
        "priority": 200,
        "template": {
            "settings": {
                "index": {
                    "lifecycle": {"name": POLICY},
                    "number_of_shards": 1,
                    "auto_expand_replicas": "0-1",
                    "refresh_interval": "1s",
                }
            },
            "mappings": {"dynamic": False, "properties": index.fields},
        },
    }
