"""The compose file: its schema, and that what it names is there."""

import copy
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.k8s import compose
from tests.k8s.cluster import ROOT
from tests.k8s.scaling import SERVICES

_PYTHON = ROOT / ".venv-k8s" / "bin" / "python"
_VALIDATE = """
import json, sys
from compose_pydantic import ComposeSpecification
ComposeSpecification.model_validate(json.load(sys.stdin))
"""


def schema_problem(document: dict[str, Any]) -> str:
    """Return what the Compose specification does not allow; empty when it is good.

    Extensions (x-...) may stand at the top; the models know none inside services, where merging has used them up. They
    are older than ``required`` of a dependency (Compose 2.20), which must be true or false.
    """
    if not _PYTHON.exists():
        pytest.fail("run the tier by make k8s-validate, which makes .venv-k8s")
    known = copy.deepcopy({key: value for key, value in document.items() if not key.startswith("x-")})
    for service in known["services"].values():
        for how in service["depends_on"].values() if isinstance(service.get("depends_on"), dict) else []:
            assert how.pop("required", True) in {True, False}
    done = subprocess.run(
        [_PYTHON, "-c", _VALIDATE], input=json.dumps(known), capture_output=True, text=True, check=False
    )
    return done.stderr if done.returncode else ""


@pytest.fixture
def document() -> dict[str, Any]:
    """The compose file."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def test_fits_the_specification(document: dict[str, Any]) -> None:
    assert not schema_problem(document)


def test_names_what_is_there(document: dict[str, Any]) -> None:
    assert not list(compose.problems(document, ROOT))


def test_specification_is_noticed() -> None:
    assert "portz" in schema_problem({"services": {"a": {"image": "a:1", "portz": ["1:1"]}}})


_OWN = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
_GOOD = {
    "services": {
        **{
            name: {
                "image": f"docker.io/library/{name}:1.0",
                "healthcheck": {"test": ["CMD", compose.PROGRAMS.get(name, "none")]},
            }
            for name in compose.PARTS
            if name in compose.PROGRAMS
        },
        **{name: {"image": "candlewave:dev", **_OWN} for name in (*SERVICES, "migrate")},
        "s3": {
            "image": "docker.io/chrislusf/seaweedfs:1.0",
            "healthcheck": {"test": ["CMD", "wget", "-qO-", "http://127.0.0.1:9000/status"]},
        },
        "trade-to-ohlc": {
            "image": "candlewave:dev",
            **_OWN,
            "environment": {"LOG_LEVEL": "INFO"},
            "ports": ["127.0.0.1:9100:9100"],
            "depends_on": {"kafka": {"condition": "service_started"}},
        },
    }
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: s.pop("kafka"), "no service kafka"),
        (lambda s: s["kafka"].update(image="docker.io/library/kafka:latest"), "is not pinned"),
        (lambda s: s["trade-to-ohlc"].update(depends_on=["nobody"]), "depends on nobody"),
        (
            lambda s: (
                s["kafka"].pop("healthcheck"),
                s["trade-to-ohlc"]["depends_on"]["kafka"].update(condition="service_healthy"),
            ),
            "waits for the health of kafka, which has no healthcheck",
        ),
        (lambda s: s["kafka"].pop("healthcheck"), "kafka: no health check"),
        (lambda s: s["loki"]["healthcheck"].update(test=["CMD", "wget", "x"]), "loki: its image has no wget"),
        (lambda s: s["kafka"].update(profiles=["full"]), "trade-to-ohlc: needs kafka, which only full has"),
        (lambda s: s["trade-to-ohlc"].update(configs=["missing"]), "no configs missing"),
        (lambda s: s["kafka"].update(volumes=["./missing:/x"]), "no file ./missing"),
        (lambda s: s["kafka"].update(volumes=["missing:/x"]), "no volume missing"),
        (lambda s: s["kafka"].update(ports=["9092:9092"]), "open to other machines"),
        (
            lambda s: s["loki"].update(
                command=["-config.expand-env=true"], volumes=["./k8s/base/observability/loki/config:/etc/loki:ro"]
            ),
            "loki.yaml expands ${S3_ENDPOINT}, which it has not",
        ),
        (lambda s: s["kafka"].update(privileged=True), "privileged"),
        (lambda s: s["trade-to-ohlc"].update(read_only=False), "read_only is not True"),
        (lambda s: s["trade-to-ohlc"]["environment"].update(LOGLEVEL="INFO"), "LOGLEVEL is no setting"),
    ],
)
def test_what_is_missing_is_noticed(change: Callable[[dict[str, Any]], None], problem: str) -> None:
    document = copy.deepcopy(_GOOD)
    assert not list(compose.problems(document, ROOT))
    change(document["services"])
    assert any(problem in line for line in compose.problems(document, ROOT))
