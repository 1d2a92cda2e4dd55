"""Alerts in words. The text follows from rule, labels and value alone, so that it is the same after a restart."""

from collections.abc import Mapping

DOCUMENTATION = "docs/monitoring.md"
RUNBOOKS = "docs/runbooks"


def summary(rule: str, labels: Mapping[str, str], value: float) -> str:
    """Return one sentence about an alert."""
    subject = _subject(labels)
    match rule:
        case "model-error":
            return f"{subject}: for hours the error was {value:.2f} times that of the last week"
        case "point-skill":
            return f"{subject}: worse than the last price for hours, skill {value:+.1%}"
        case "interval-skill":
            return f"{subject}: intervals worse than the baseline's for hours, skill {value:+.1%}"
        case "coverage":
            return f"{subject}: the 80 % interval held {value:.1%} of the outcomes"
        case "feature-drift":
            return f"{subject}: the market is unlike the one it was trained on, median PSI {value:.2f}"
        case "stale-model":
            return f"{subject}: promoted {_span(value * 3600)} ago"
        case "stale-features":
            return f"{subject}: newest candle to forecast from is {_span(value)} old"
        case "stale-forecasts":
            return f"{subject}: newest forecast is {_span(value)} behind the candles"
        case "amended-inputs":
            return f"{subject}: inputs of {value:.1%} of the forecasts were amended later"
        case _:
            return f"{rule} {subject}: {value:g}"


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


def _span(seconds: float) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 2 * 3_600:
        return f"{seconds / 3_600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
