"""Rules and routes of alerts: their syntax, a unit test and a runbook for each, and where they go."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts import prometheus_rules
from tests.k8s import programs, queries
from tests.k8s.cluster import ROOT

from candlewave.rules import RULES

CASES = Path(__file__).with_name("alerts")
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTMANAGER = ROOT / "k8s" / "base" / "observability" / "alertmanager" / "config" / "alertmanager.yaml"

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")


def write_rules(folder: Path, groups: list[dict[str, Any]]) -> Path:
    """Write all rules into one file in the form that promtool reads."""
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    return path


def run_unit_tests(promtool: str, folder: Path, groups: list[dict[str, Any]]) -> tuple[int, str]:
    """Run every unit test against these rules."""
    write_rules(folder, groups)
    for case in CASES.glob("*.yaml"):
        (folder / f"test-{case.name}").write_text(case.read_text())
    done = programs.run(promtool, "test", "rules", *sorted(p.name for p in folder.glob("test-*.yaml")), folder=folder)
    return done.returncode, done.stdout


def cases() -> list[dict[str, Any]]:
    """Return all unit tests of alerts."""
    return [case for path in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load(path.read_text())["tests"]]


def test_rules_are_valid(tmp_path: Path) -> None:
    done = programs.run(
        programs.find("promtool"), "check", "rules", str(write_rules(tmp_path, prometheus_rules.groups()))
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(queries.rules())} rules found" in done.stdout


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    code, output = run_unit_tests(programs.find("promtool"), tmp_path, prometheus_rules.groups())
    assert code == 0, output


def test_unit_tests_notice_a_wrong_rule(tmp_path: Path) -> None:
    groups = prometheus_rules.groups()
    wrong = next(rule for group in groups for rule in group["rules"] if rule.get("alert") == "CandlesStale")
    wrong["expr"] = wrong["expr"].replace("180", "300")
    code, output = run_unit_tests(programs.find("promtool"), tmp_path, groups)
    assert code != 0
    assert "alertname: CandlesStale" in output


def test_each_alert_has_a_unit_test_that_is_quiet_and_one_that_fires() -> None:
    quiet, firing = set(), set()
    for case in cases():
        for test in case["alert_rule_test"]:
            (firing if test["exp_alerts"] else quiet).add(test["alertname"])
    assert quiet == firing == set(queries.alerts())


def test_each_alert_says_what_is_needed() -> None:
    known = queries.alerts()
    assert len(known) == sum("alert" in rule for rule in queries.rules()), "two alerts of one name"
    for name, rule in known.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert rule["labels"]["area"], name
        assert rule["annotations"]["summary"], name
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md", name
        description = rule["annotations"]["description"]
        assert "$value" in description or "minutes" in description or "least one" in description, name


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(queries.alerts()) | set(RULES)


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("[!R]*.md")), ids=lambda path: path.stem)
def test_runbooks_have_all_parts(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == SECTIONS


def test_index_of_runbooks_is_whole() -> None:
    text = (RUNBOOKS / "README.md").read_text()
    assert set(re.findall(r"\]\(([\w-]+)\.md\)", text)) == set(queries.alerts())


def test_commands_of_runbooks_exist() -> None:
    from typer.main import get_command

    from candlewave.cli import app

    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text()
        for alias, name, rest in re.findall(r"(?:`|^)(cwx?|candlewave) ([a-z][a-z-]*)(.*)", text, re.MULTILINE):
            assert name in commands, f"{path.name}: candlewave {name}"
            asks_exchange = name in {"backfill", "replay"} or "--against exchange" in rest
            wanted = "cwx" if asks_exchange else "cw"
            assert alias in {wanted, "candlewave"}, f"{path.name}: {alias} {name}; only {wanted} reaches what it needs"
            assert name != "migrate", f"{path.name}: migrations run as the Job, which has the engine's login"
        for name in re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, re.MULTILINE):
            assert name in targets, f"{path.name}: make {name}"


def test_configuration_of_alertmanager_is_valid() -> None:
    done = programs.run(programs.find("amtool"), "check-config", str(ALERTMANAGER))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"alertname": "CandlesStale", "severity": "critical", "area": "candles"}, "pager,chat"),
        ({"alertname": "IngestLagging", "severity": "warning", "area": "ingest"}, "chat"),
        ({"alertname": "TrainingOverdue", "severity": "warning", "area": "models"}, "models"),
        ({"alertname": "model-error", "severity": "warning", "service": "candlewave"}, "models"),
        ({"alertname": "stale-features", "severity": "critical", "service": "candlewave"}, "pager,chat"),
    ],
)
def test_alerts_reach_who_should_see_them(labels: dict[str, str], receivers: str) -> None:
    done = programs.run(
        programs.find("amtool"), "config", "routes", "test", f"--config.file={ALERTMANAGER}",
        f"--verify.receivers={receivers}", *(f"{name}={value}" for name, value in labels.items()),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_inhibitions_name_alerts_that_exist() -> None:
    config = yaml.safe_load(ALERTMANAGER.read_text())
    known = set(queries.alerts()) | set(RULES)
    areas = {rule["labels"]["area"] for rule in queries.alerts().values()}
    for rule in config["inhibit_rules"]:
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            label, values = re.fullmatch(r'(\w+)=~?"(.+)"', matcher).groups()  # type: ignore[union-attr]
            assert set(values.split("|")) <= (known if label == "alertname" else areas), matcher
