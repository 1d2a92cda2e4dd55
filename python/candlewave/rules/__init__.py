"""The rules of model-error-monitor, each in its own file: condition, thresholds, sentence. No clock, no connection.

Error, skill and coverage are judged per model version and horizon over all markets together, drift over all features,
age per exchange: a thousand markets in trouble raise a handful of alerts, and a hundred tests a minute raise no false
ones. The evidence names the worst markets. The text of an alert follows from rule, labels and value alone, so that it
is the same after a restart.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from candlewave.core.config import Config, ConfigError
from candlewave.core.errors import in_words
from candlewave.rules import (
    ages,
    amended_inputs,
    coverage,
    evidence,
    feature_drift,
    interval_skill,
    model_error,
    point_skill,
    silent_champion,
    silent_markets,
    stale_features,
    stale_forecasts,
    stale_model,
)
from candlewave.rules.base import Finding, Rule
from candlewave.rules.readings import Readings

DOCUMENTATION = "docs/monitoring.md"
RUNBOOKS = "docs/runbooks"
"""One page for each rule, named like it."""

_MODULES = (
    model_error,
    point_skill,
    interval_skill,
    coverage,
    feature_drift,
    silent_champion,
    stale_model,
    stale_features,
    stale_forecasts,
    silent_markets,
    amended_inputs,
)
RULES: dict[str, Rule[Any]] = {module.RULE.name: module.RULE for module in _MODULES}
"""All rules by name, in the order in which they are judged."""


class MonitorConfig(
    model_error.ErrorLimits,
    evidence.EvidenceLimits,
    feature_drift.DriftLimits,
    silent_champion.SilenceLimits,
    stale_model.ModelAgeLimits,
    ages.AgeLimits,
    silent_markets.PaceLimits,
    amended_inputs.AmendedLimits,
):
    """Table ``[monitor]``: the thresholds of all rules, and how often model-error-monitor does what.

    Attributes:
        interval_seconds: time between two evaluations.
        resolve_after: evaluations in a row without the condition before an alert ends.
        training_interval_hours: minimum time between two requests for a training.
    """

    interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    resolve_after: Annotated[int, Field(ge=1, le=100)] = 3
    training_interval_hours: Annotated[float, Field(gt=0)] = 6


_RETIRED = frozenset({"coverage_hours", "skill_windows", "skill_margin"})
"""Thresholds of earlier alarms, without effect now: a configuration of version 0.1 must not stop an upgrade."""


def monitor_config(config: Config) -> MonitorConfig:
    """Return table ``[monitor]`` of the configuration.

    Raises:
        ConfigError: it holds an unknown or impossible value.
    """
    try:
        return MonitorConfig.model_validate({k: v for k, v in config.monitor.items() if k not in _RETIRED})
    except ValidationError as error:
        raise ConfigError(f"candlewave.toml, table monitor: {in_words(error, show_values=True)}") from None


def judge(readings: Readings, limits: MonitorConfig) -> list[Finding]:
    """Ask every rule."""
    return [finding for rule in RULES.values() for finding in rule.judge(readings, limits)]


def summary(rule: str, labels: Mapping[str, str], value: float) -> str:
    """Return one sentence about an alert, also of a rule that no longer exists."""
    subject = _subject(labels)
    return f"{subject}: {RULES[rule].sentence(value)}" if rule in RULES else f"{rule} {subject}: {value:g}"


def _subject(labels: Mapping[str, str]) -> str:
    known = dict(labels)
    parts = []
    if "model_name" in known:
        parts.append(" ".join(filter(None, (known.pop("model_name"), known.pop("model_version", "")))))
    if "horizon_minutes" in known:
        parts.append(f"{known.pop('horizon_minutes')} min ahead")
    if "exchange" in known:
        parts.append(" ".join(filter(None, (known.pop("exchange"), known.pop("symbol", "")))))
    parts += [f"{name} {value}" for name, value in sorted(known.items())]
    return ", ".join(parts) or "all markets"
