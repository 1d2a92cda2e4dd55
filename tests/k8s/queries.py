"""Reading PromQL: which metrics a query needs, and which labels of them."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
from scripts import prometheus_rules
from tests.k8s import code
from tests.k8s.cluster import ROOT

RULES = prometheus_rules.RULES
DASHBOARDS = ROOT / "k8s" / "base" / "observability" / "grafana" / "dashboards"
FACTS = Path(__file__).with_name("facts.toml")

_VARIABLES = {
    "$__rate_interval": "5m",
    "$__interval": "1m",
    "$__range": "1h",
    "$price_core_hour": "1",
    "$price_gib_hour": "1",
    "$price_gib_month": "1",
}
"""What Grafana puts in; other variables stand in strings, where they do not hinder."""

TARGET_LABELS = frozenset({"__name__", "job", "instance", "pod", "namespace", "container", "endpoint"})
"""Labels that scraping adds."""


@dataclass(frozen=True)
class Query:
    """A query and where it stands."""

    where: str
    expr: str


@dataclass(frozen=True)
class Use:
    """A metric in a query, and the labels its selector names."""

    metric: str
    labels: frozenset[str]


def rules() -> list[dict[str, Any]]:
    """Return all rules."""
    return [rule for group in prometheus_rules.groups() for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def of_rules() -> Iterator[Query]:
    """Return the queries of all rules."""
    for rule in rules():
        yield Query(rule.get("alert") or rule["record"], rule["expr"])


def of_dashboard(name: str, dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Return the PromQL of a dashboard's panels."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if target["datasource"]["type"] == "prometheus":
                expr = target["expr"]
                for variable, value in _VARIABLES.items():
                    expr = expr.replace(variable, value)
                yield Query(f"{name}: {panel['title']}", expr)


def uses(expr: str) -> list[Use]:
    """Return the metrics of a query.

    Raises:
        ValueError: it is not PromQL.
    """
    found: list[Use] = []

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            matchers = list(node.matchers.matchers)
            name = node.name or next((m.value for m in matchers if m.name == "__name__"), "")
            found.append(Use(name, frozenset(matcher.name for matcher in matchers)))

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found


@cache
def facts() -> dict[str, frozenset[str] | None]:
    """Metrics of other people's programs by name; the labels where they are known."""
    found: dict[str, frozenset[str] | None] = {}
    for source in tomllib.loads(FACTS.read_text())["source"]:
        for name, labels in source["metrics"].items():
            found[name] = frozenset(labels) if labels else None
    return found


def recorded() -> frozenset[str]:
    """Names that recording rules make."""
    return frozenset(rule["record"] for rule in rules() if "record" in rule)


def groupings(expr: str) -> Iterator[tuple[frozenset[str], list[Use]]]:
    """Return the labels of each ``by`` with the metrics under it."""
    found: list[tuple[frozenset[str], list[Use]]] = []

    def visit(node: object) -> None:
        modifier = node.modifier if isinstance(node, promql_parser.AggregateExpr) else None
        if modifier is not None and modifier.type == promql_parser.AggModifierType.By:
            found.append((frozenset(modifier.labels), uses(str(node.expr))))

    promql_parser.walk(promql_parser.parse(expr), visit)
    yield from found


def labels_of(metric: str) -> frozenset[str] | None:
    """Return the labels of a metric, without those of scraping; None where they are not known."""
    exported = code.metrics()
    return exported[metric] if metric in exported else facts().get(metric)


def problems(query: Query) -> Iterator[str]:
    """Say what a query asks for that nobody exports."""
    try:
        found = uses(query.expr)
    except ValueError as error:
        yield f"{query.where}: not PromQL: {error}"
        return
    if not found:
        yield f"{query.where}: names no metric"
    for use in found:
        labels = labels_of(use.metric)
        if labels is not None:
            for label in sorted(use.labels - labels - TARGET_LABELS):
                yield f"{query.where}: {use.metric} has no label {label}"
        elif use.metric not in facts() and use.metric not in recorded():
            yield f"{query.where}: nobody exports {use.metric}"
    for wanted, metrics in groupings(query.expr):
        given = [labels_of(use.metric) for use in metrics]
        if metrics and all(labels is not None for labels in given):
            for label in sorted(wanted - frozenset().union(*(labels or () for labels in given)) - TARGET_LABELS):
                yield f"{query.where}: by {label}, which {', '.join(use.metric for use in metrics)} does not have"
