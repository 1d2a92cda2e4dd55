"""k8s/restore.sh on a namespace whose workloads, databases and pods are kept in a file, and its SQL on PostgreSQL."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.k8s import kubectl_cluster
from tests.k8s.cluster import ROOT, Cluster

from candlewave.engine.embedded.server import EmbeddedServer

META = "statefulset.apps/risingwave-meta"
REPLICAS = {
    META: 2,
    "statefulset.apps/risingwave-compute": 4,
    "deployment.apps/risingwave-frontend": 2,
    "deployment.apps/risingwave-compactor": 3,
    "deployment.apps/trade-to-ohlc": 5,
    "deployment.apps/model-trainer": 1,
}


class Namespace:
    """A namespace, and runs of the script in it."""

    def __init__(self, folder: Path, clusters: dict[str, Cluster]) -> None:
        self._folder = folder
        self._state = folder / "state.json"
        self.template = clusters["production"].get("StatefulSet", "risingwave-meta")
        workloads = {
            name: {
                "component": "engine" if "risingwave" in name else "service",
                "replicas": replicas,
                "annotations": {},
            }
            for name, replicas in REPLICAS.items()
        }
        self._write({
            "workloads": workloads, "databases": {"risingwave": ["catalog"]}, "pods": {}, "paused": False,
            "template": self.template, "failing": "", "unready": "", "calls": [],
        })  # fmt: skip
        kubectl = folder / "kubectl"
        kubectl.write_text(f'#!/bin/bash\nexec {sys.executable} -I -S {kubectl_cluster.__file__} "$@"\n')
        kubectl.chmod(0o755)

    def _write(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state))

    @property
    def state(self) -> dict[str, Any]:
        """What is there now."""
        return dict(json.loads(self._state.read_text()))

    def change(self, **changes: Any) -> None:
        """Change what is there."""
        self._write({**self.state, **changes})

    def restore(self, snapshot: str = "42", answer: str = "candlewave") -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        return subprocess.run(
            [ROOT / "k8s" / "restore.sh", "candlewave", snapshot],
            env={**os.environ, "PATH": f"{self._folder}:{os.environ['PATH']}", "STATE": str(self._state)},
            input=f"{answer}\n", capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def replicas(self) -> dict[str, int]:
        """How many there are of each workload."""
        return {name: workload["replicas"] for name, workload in self.state["workloads"].items()}

    @property
    def annotations(self) -> list[str]:
        """What the script has noted and not taken away."""
        return [key for workload in self.state["workloads"].values() for key in workload["annotations"]]


@pytest.fixture
def namespace(tmp_path: Path, clusters: dict[str, Cluster]) -> Namespace:
    """A namespace in which everything runs."""
    return Namespace(tmp_path, clusters)


def aside(namespace: Namespace) -> list[str]:
    """Return the names of catalogs that were put aside."""
    return [name for name in namespace.state["databases"] if name != "risingwave"]


def assert_restored(namespace: Namespace) -> None:
    """Everything runs as before, on tables that were made, emptied and filled, in this order."""
    assert namespace.replicas == REPLICAS
    assert not namespace.state["paused"]
    assert not namespace.annotations
    assert not namespace.state["pods"]
    made, emptied, filled = namespace.state["databases"]["risingwave"]
    assert "ctl meta create-meta-store-schema " in made
    assert "TRUNCATE" in emptied
    assert "ctl meta restore-meta --meta-snapshot-id 42 --validate-integrity " in filled
    (name,) = aside(namespace)
    assert namespace.state["databases"][name] == ["catalog"], "the old catalog is kept"


def test_everything_runs_as_before(namespace: Namespace) -> None:
    done = namespace.restore()
    assert done.returncode == 0, done.stderr
    assert "Restored." in done.stdout
    assert_restored(namespace)


@pytest.mark.parametrize(
    "failing", ["create-meta-store-schema", "TRUNCATE", "restore-meta", "CREATE DATABASE", "ALTER"]
)
def test_a_second_run_makes_good_what_failed(namespace: Namespace, failing: str) -> None:
    namespace.change(failing=failing)
    done = namespace.restore()
    assert done.returncode != 0
    assert "Restored." not in done.stdout
    assert "NOT restored" in done.stderr
    assert set(namespace.replicas.values()) == {0}, "nothing was started"
    namespace.change(failing="")
    assert namespace.restore().returncode == 0
    assert_restored(namespace)


def test_a_failed_pod_is_noticed_at_once_with_its_log(namespace: Namespace) -> None:
    namespace.change(failing="restore-meta")
    done = namespace.restore()
    assert "log of risingwave-restore" in done.stdout
    assert "risingwave ctl meta restore-meta: Failed" in done.stderr
    waits = [call for call in namespace.state["calls"] if "wait pod/risingwave-restore" in call]
    assert len(waits) == 2, "one for each command"
    assert all("--timeout=5s" in call for call in waits)


@pytest.mark.parametrize("name", REPLICAS)
def test_without_replicas_and_a_record_nothing_is_touched(namespace: Namespace, name: str) -> None:
    workloads = namespace.state["workloads"]
    workloads[name]["replicas"] = 0
    namespace.change(workloads=workloads)
    before = copy.deepcopy(namespace.replicas)
    done = namespace.restore()
    assert done.returncode != 0
    assert f"{name} has no replicas" in done.stderr
    assert namespace.replicas == before
    assert namespace.state["databases"] == {"risingwave": ["catalog"]}
    assert not namespace.state["paused"]


@pytest.mark.parametrize("name", [META, "deployment.apps/trade-to-ohlc"])
def test_what_does_not_become_ready_is_no_success(namespace: Namespace, name: str) -> None:
    namespace.change(unready=name)
    done = namespace.restore()
    assert done.returncode != 0
    assert "Restored." not in done.stdout


def test_a_record_of_long_ago_does_not_count(namespace: Namespace) -> None:
    workloads = namespace.state["workloads"]
    for workload in workloads.values():
        workload["annotations"]["candlewave.io/replicas-before-restore"] = "9"
    workloads[META]["annotations"]["candlewave.io/catalog-before-restore"] = "risingwave_old"
    namespace.change(workloads=workloads, databases={"risingwave": ["catalog"], "risingwave_old": ["older"]})
    assert namespace.restore().returncode == 0
    assert namespace.replicas == REPLICAS
    assert sorted(map(str, (namespace.state["databases"][name] for name in aside(namespace)))) == [
        "['catalog']",
        "['older']",
    ]


def test_the_pod_is_metas_own_with_another_command(namespace: Namespace) -> None:
    assert namespace.restore().returncode == 0
    box = namespace.template["spec"]["template"]["spec"]["containers"][0]  # type: ignore[index]
    names = {item["name"] for item in box["env"]}
    commands = [text for text in namespace.state["databases"]["risingwave"] if "ctl meta" in text]
    assert len(commands) == 2
    for command in commands:
        assert set(re.findall(r"\$\{?(\w+)", command)) <= names


@pytest.mark.parametrize(("snapshot", "answer"), [("42", "yes"), ("all", "candlewave"), ("42; rm", "candlewave")])
def test_nothing_happens_without_a_number_and_the_namespace(namespace: Namespace, snapshot: str, answer: str) -> None:
    assert namespace.restore(snapshot, answer).returncode == 1
    assert not namespace.state["calls"]


def test_every_table_is_emptied(server: EmbeddedServer) -> None:
    script = (ROOT / "k8s" / "restore.sh").read_text()
    statement = script.partition("<<'EOF'\n")[2].partition("\nEOF")[0]
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE restored TEMPLATE template0")
    with psycopg.connect(server.url.rsplit("/", 1)[0] + "/restored", autocommit=True) as conn:
        with pytest.raises(psycopg.Error, match="null"):
            conn.execute(statement.encode())
        conn.execute(
            "CREATE TABLE seaql_migrations (version text PRIMARY KEY); INSERT INTO seaql_migrations VALUES ('m1')"
        )
        conn.execute('CREATE TABLE "cluster" (id int PRIMARY KEY); INSERT INTO "cluster" VALUES (1)')
        conn.execute("CREATE TABLE worker (id int REFERENCES cluster); INSERT INTO worker VALUES (1)")
        conn.execute(statement.encode())
        for table in ("seaql_migrations", "cluster", "worker"):
            assert conn.execute(f'SELECT count(*) FROM "{table}"'.encode()).fetchone() == (0,)
