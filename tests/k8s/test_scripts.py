"""The scripts, run with a kubectl that writes down what it is asked for."""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.k8s import compose
from tests.k8s.cluster import ROOT, Cluster, labels_of, name_of, title
from tests.k8s.pods import amount

_KUBECTL = """#!/bin/bash
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
    kustomize*) exec "$REAL" $KUSTOMIZE "${@:2}" ;;
    *"wait job/$FAILING --for=condition=Complete"*) exit 1 ;;
    *"get secret candlewave"*) cat "$KEPT" 2> /dev/null || exit 1 ;;
    *"get configmap -l"*) printf '%s\\n' $CONFIG_MAPS ;;
    *"get kafkanodepool broker"*) printf %s "${BROKERS:-}" ;;
    *jsonpath=*) echo 2 ;;
    "apply --server-side"*) cp "$4" "$RENDERED" ;;
    *"apply -f -") { cat; echo; echo ---; } >> "$APPLIED" ;;
esac
"""


class Scripts:
    """Runs scripts of k8s/ and remembers what they asked of kubectl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        real = shutil.which("kustomize") or shutil.which("kubectl")
        assert real, "make k8s-validate needs kustomize or kubectl"
        self.environment = {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "REAL": real,
            "KUSTOMIZE": "build" if real.endswith("kustomize") else "kustomize",
            **{name.upper(): str(folder / name) for name in ("calls", "applied", "kept", "rendered")},
        }
        (folder / "kubectl").write_text(_KUBECTL)
        (folder / "kubectl").chmod(0o755)

    def run(self, name: str, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        for file in ("calls", "applied"):
            (self.folder / file).unlink(missing_ok=True)
        return subprocess.run(
            [ROOT / "k8s" / name, *arguments],
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )

    @property
    def calls(self) -> list[str]:
        """What kubectl was asked for, in order."""
        return (self.folder / "calls").read_text().splitlines()

    def position(self, pattern: str) -> int:
        """Return which call the pattern is in first; fails without one."""
        found = [at for at, call in enumerate(self.calls) if re.search(pattern, call)]
        assert found, f"no {pattern} in\n" + "\n".join(self.calls)
        return found[0]

    def assert_order(self, *patterns: str) -> None:
        """Fail unless there is a call for each pattern, in this order."""
        order = [self.position(pattern) for pattern in patterns]
        assert order == sorted(order)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    """The scripts, with a folder of their own."""
    return Scripts(tmp_path)


def test_services_roll_after_migrations(scripts: Scripts) -> None:
    done = scripts.run("apply.sh", "production")
    assert done.returncode == 0, done.stderr
    scripts.assert_order(
        "delete job migrate s3-buckets elasticsearch-setup",
        "apply .*-l !app",
        "apply .*component!=service",
        "wait kafka/candlewave",
        "wait job/migrate --for=condition=Complete",
        "apply .*component=service$",
        "rollout status deployment -l app.kubernetes.io/component=service",
    )
    assert all(call.startswith(("-n candlewave ", "kustomize", "apply")) for call in scripts.calls)


@pytest.mark.parametrize("job", ["s3-buckets", "elasticsearch-setup", "migrate"])
def test_services_stay_when_a_job_fails(scripts: Scripts, job: str) -> None:
    done = scripts.run("apply.sh", "staging", FAILING=job)
    assert done.returncode == 1
    assert f"job {job} did not complete" in done.stderr
    scripts.assert_order(f"wait job/{job} --for=condition=Failed", f"logs job/{job}")
    assert not [call for call in scripts.calls if call.startswith("apply") and call.endswith("component=service")]


def test_each_object_is_applied_once(scripts: Scripts, clusters: dict[str, Cluster]) -> None:
    assert scripts.run("apply.sh", "production").returncode == 0
    selectors = [call.split(" -l ")[1] for call in scripts.calls if call.startswith("apply")]
    assert len(selectors) == 3
    for document in clusters["production"].documents:
        times = sum(_selected(selector, labels_of(document)) for selector in selectors)
        assert times == 1, title(document)


def _selected(selector: str, labels: dict[str, str]) -> bool:
    for term in selector.split(","):
        key, differs, value = re.fullmatch(r"!?([\w./]+)(!?)=?([\w-]*)", term).groups()  # type: ignore[union-attr]
        if term.startswith("!"):
            good = key not in labels
        elif not value:
            good = key in labels
        else:
            good = (labels.get(key) == value) != bool(differs)
        if not good:
            return False
    return True


@pytest.mark.parametrize(("now", "applied"), [("", 3), ("5", 5)])
def test_the_scaler_of_brokers_keeps_its_word(
    scripts: Scripts, clusters: dict[str, Cluster], now: str, applied: int
) -> None:
    assert scripts.run("apply.sh", "production", BROKERS=now).returncode == 0
    found = Cluster.of((scripts.folder / "rendered").read_text())
    replicas = {name_of(pool): pool["spec"]["replicas"] for pool in found.kind("KafkaNodePool")}
    assert replicas == {"broker": applied, "controller": 3}
    assert len(found.documents) == len(clusters["production"].documents)


def test_config_maps_of_earlier_versions_go_at_the_end(scripts: Scripts, clusters: dict[str, Cluster]) -> None:
    present = sorted(clusters["production"].names("ConfigMap"))
    hashed = next(name for name in present if name.startswith("candlewave-settings-"))
    others = ["candlewave-settings-0123456789", "loki-config-9876543210", "kept-by-hand"]
    maps = " ".join(f"configmap/{name}" for name in [*present, *others])
    assert scripts.run("apply.sh", "production", CONFIG_MAPS=maps).returncode == 0
    deleted = [call.split()[-1] for call in scripts.calls if "delete configmap" in call]
    assert deleted == ["configmap/candlewave-settings-0123456789", "configmap/loki-config-9876543210"]
    assert hashed not in str(deleted)
    scripts.assert_order("rollout status deployment -l", "get configmap", "delete configmap")


def test_config_maps_stay_while_something_has_not_rolled(scripts: Scripts) -> None:
    done = scripts.run("apply.sh", "production", FAILING="migrate", CONFIG_MAPS="configmap/settings-0123456789")
    assert done.returncode == 1
    assert not [call for call in scripts.calls if "delete configmap" in call]


def test_an_overlay_must_be_named(scripts: Scripts) -> None:
    assert "which overlay" in scripts.run("apply.sh").stderr


def test_secrets_for_dev_are_whole_random_and_kept(scripts: Scripts, clusters: dict[str, Cluster]) -> None:
    wanted = {
        item["remoteRef"]["property"]
        for document in clusters["dev"].kind("ExternalSecret")
        for item in document["spec"].get("data", [])
    }
    done = scripts.run("dev-secrets.sh", "slack-api-url=https://chat.example.org/x")
    assert done.returncode == 0, done.stderr
    first = _secret(scripts)
    assert set(first) == wanted
    assert first["slack-api-url"] == "https://chat.example.org/x"
    assert len(first["oauth2-cookie-secret"]) == 32
    generated = [value for name, value in first.items() if name.endswith(("-key", "-password", "-pepper"))]
    assert len(set(generated)) == len(generated) > 10
    assert all(re.fullmatch(r"[0-9a-f]{40}", value) for value in generated)

    encoded = {
        name: base64.b64encode(value.encode()).decode() for name, value in first.items() if name != "api-key-pepper"
    }
    (scripts.folder / "kept").write_text(json.dumps(encoded, separators=(",", ":")))
    assert scripts.run("dev-secrets.sh", "grafana-admin-password=mine").returncode == 0
    second = _secret(scripts)
    assert {name for name in first if first[name] != second[name]} == {"api-key-pepper", "grafana-admin-password"}
    assert second["grafana-admin-password"] == "mine"


def _secret(scripts: Scripts) -> dict[str, str]:
    documents = list(yaml.safe_load_all((scripts.folder / "applied").read_text()))
    data = next(document["data"] for document in documents if document and document["kind"] == "Secret")
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def prepare(folder: Path, *size: str) -> dict[str, str]:
    """Run compose/prepare.sh in a folder of its own, and return the variables it writes."""
    script = folder / "compose" / "prepare.sh"
    script.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "compose" / "prepare.sh", script)
    subprocess.run([script, *size], check=True)
    return dict(line.split("=", 1) for line in (folder / ".candlewave" / "stack" / "env").read_text().splitlines())


@pytest.mark.parametrize("size", compose.SIZES)
def test_the_stack_finds_its_secrets(tmp_path: Path, size: str) -> None:
    given = prepare(tmp_path, size)
    stack = tmp_path / ".candlewave" / "stack"
    assert stack.stat().st_mode & 0o077 == 0, "others may look in"
    text = (ROOT / "compose.yaml").read_text()
    document = yaml.safe_load(text)
    named = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text))
    # Without a value in the file, a variable of a container has that of the stack, or none.
    passed = {
        key
        for s in document["services"].values()
        for key, value in (s.get("environment") or {}).items()
        if value is None
    }
    assert named <= set(given)
    assert all(given[name] for name in named - {"MIGRATE_OPTIONS"})
    assert set(given) - named == (passed | {"COMPOSE_PROFILES"} if size == "full" else set())
    for name, entry in document["secrets"].items():
        assert (tmp_path / entry["file"]).read_text(), name
    identities = json.loads((stack / "secrets" / "s3.json").read_text())["identities"]
    assert identities[0]["credentials"] == [{"accessKey": given["S3_ACCESS_KEY"], "secretKey": given["S3_SECRET_KEY"]}]
    assert prepare(tmp_path) == given, "size and secrets stay"


@pytest.mark.parametrize("size", compose.SIZES)
def test_the_stack_fits_its_size(tmp_path: Path, size: str) -> None:
    given = prepare(tmp_path, size)
    profiles, room = compose.SIZES[size]
    assert given.get("COMPOSE_PROFILES", "") == ",".join(profiles)
    document = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert compose.memory(document, profiles, given) <= room
    assert int(given["RISINGWAVE_COMPUTE_BYTES"]) < amount(given["RISINGWAVE_MEMORY"].removesuffix("m") + "Mi")


def test_a_size_is_small_or_full(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        prepare(tmp_path, "medium")
