"""Dashboards: readable, unique, and every query asks for what is exported."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts import dashboards
from tests.k8s import lint, queries
from tests.k8s.cluster import ROOT

FILES = sorted(queries.DASHBOARDS.glob("*.json"))
GRAFANA = ROOT / "k8s" / "base" / "observability" / "grafana"

ASKED_FOR = {"freshness", "candles", "risingwave", "kafka", "models", "api", "sentiment", "cost"}


def load(path: Path) -> dict[str, Any]:
    """Read a dashboard."""
    return dict(json.loads(path.read_text()))


def test_the_dashboards_asked_for_are_there() -> None:
    assert {path.stem for path in FILES} == ASKED_FOR


def test_files_are_what_the_script_writes() -> None:
    written = dashboards.files()
    assert {path: path.read_text() for path in FILES} == written, "run python scripts/dashboards.py"


def test_each_is_provisioned() -> None:
    generators = yaml.safe_load((GRAFANA / "kustomization.yaml").read_text())["configMapGenerator"]
    listed = next(item for item in generators if item["name"] == "grafana-dashboards")["files"]
    assert listed == [f"dashboards/{path.name}" for path in FILES]


def test_style() -> None:
    assert not list(lint.dashboards([load(path) for path in FILES], lint.data_sources(GRAFANA)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_queries_ask_for_what_is_exported(path: Path) -> None:
    found = [problem for query in queries.of_dashboard(path.stem, load(path)) for problem in queries.problems(query)]
    assert not found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_legends_name_labels_that_the_query_keeps(path: Path) -> None:
    for panel in load(path)["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
                kept = {name for labels, _ in queries.groupings(_plain(target["expr"])) for name in labels}
                bare = {name for use in queries.uses(_plain(target["expr"])) for name in _labels(use.metric)}
                assert label in kept | (bare if not kept else set()), f"{panel['title']}: {label}"


def _plain(expr: str) -> str:
    return next(queries.of_dashboard("", {"panels": [{"title": "", "targets": [
        {"datasource": {"type": "prometheus"}, "expr": expr}]}]})).expr  # fmt: skip


def _labels(metric: str) -> frozenset[str]:
    rule = next((rule for rule in queries.rules() if rule.get("record") == metric), None)
    if rule is not None:
        return next(labels for labels, _ in queries.groupings(rule["expr"]))
    return (queries.labels_of(metric) or frozenset()) | queries.TARGET_LABELS


def test_rules_ask_for_what_is_exported() -> None:
    found = [problem for query in queries.of_rules() for problem in queries.problems(query)]
    assert not found


def test_recorded_series_are_used() -> None:
    text = "\n".join(
        path.read_text() for path in [*FILES, *queries.RULES.glob("*.yaml"), *(ROOT / "k8s").rglob("scale*.yaml")]
    )
    for name in queries.recorded():
        assert text.count(name) > 1, f"nobody uses {name}"


def test_facts_are_used() -> None:
    asked = [*queries.of_rules(), *(query for path in FILES for query in queries.of_dashboard(path.stem, load(path)))]
    used = {use.metric for query in asked for use in queries.uses(query.expr)}
    assert not set(queries.facts()) - used
