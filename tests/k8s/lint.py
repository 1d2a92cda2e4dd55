"""Style of dashboards: what a reader of each panel needs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def data_sources(grafana: Path) -> dict[str, str]:
    """Kinds of the provisioned data sources by uid."""
    text = (grafana / "provisioning" / "datasources.yaml").read_text()
    return {item["uid"]: item["type"] for item in yaml.safe_load(text)["datasources"]}


def dashboards(found: list[dict[str, Any]], sources: dict[str, str]) -> Iterator[str]:
    """Say what is missing or there twice."""
    for what in ("uid", "title"):
        for value, times in Counter(dashboard.get(what) for dashboard in found).items():
            if times > 1 or not value:
                yield f"{what} {value}: {times} dashboards"
    for dashboard in found:
        for problem in _dashboard(dashboard, sources):
            yield f"{dashboard['uid']}: {problem}"


def _dashboard(dashboard: dict[str, Any], sources: dict[str, str]) -> Iterator[str]:
    if not dashboard.get("description"):
        yield "no description"
    if dashboard.get("timezone") != "utc":
        yield "its time zone is not UTC"
    chosen = {
        variable["name"]: variable["query"]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "datasource"
    }
    for kind in chosen.values():
        if kind not in sources.values():
            yield f"no data source of kind {kind} is provisioned"
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    titles = Counter(panel.get("title") for panel in dashboard["panels"])
    if len({panel["id"] for panel in dashboard["panels"]}) != len(dashboard["panels"]):
        yield "two panels have one id"
    text = str([target.get("expr") for panel in dashboard["panels"] for target in panel["targets"]])
    for name in variables - set(chosen):
        if f"${name}" not in text and f"${name}" not in str(dashboard["templating"]):
            yield f"variable {name} is not used"
    for panel in dashboard["panels"]:
        for problem in _panel(panel, chosen):
            yield f"panel {panel.get('title')!r}: {problem}"
        if titles[panel.get("title")] > 1:
            yield f"panel {panel.get('title')!r}: is there {titles[panel.get('title')]} times"


def _panel(panel: dict[str, Any], chosen: dict[str, str]) -> Iterator[str]:
    if not panel.get("title"):
        yield "no title"
    if not panel.get("description"):
        yield "no description"
    if not panel["fieldConfig"]["defaults"].get("unit"):
        yield "no unit"
    if not panel["targets"]:
        yield "no query"
    for target in [panel, *panel["targets"]]:
        uid = target["datasource"]["uid"]
        if uid.strip("${}") not in chosen or not uid.startswith("${"):
            yield f"its data source {uid} is not a variable"
    for target in panel["targets"]:
        if panel["type"] not in ("logs", "table") and not target.get("legendFormat"):
            yield "a query without a legend"
