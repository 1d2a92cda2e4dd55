"""Policy scan of manifests and Dockerfile by checkov, which lives in an environment of its own (.venv-k8s)."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.k8s.cluster import OVERLAYS, ROOT, Cluster

CHECKOV = ROOT / ".venv-k8s" / "bin" / "checkov"
SKIPS = ROOT / "k8s" / "policy-skips.yaml"
_SHORTEST_REASON = 20


def scan(folder: Path, framework: str) -> dict[str, Any]:
    """Run checkov and return its report."""
    if not CHECKOV.exists():
        pytest.fail("checkov is not installed: run the tier by make k8s-validate, which makes .venv-k8s")
    skips = ",".join(global_skips())
    done = subprocess.run(
        [CHECKOV, "-d", str(folder), "--framework", framework, "-o", "json", "--quiet", "--skip-download",
         *(["--skip-check", skips] if skips else [])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    return dict(report[0] if isinstance(report, list) else report)


def global_skips() -> dict[str, str]:
    """Return checks that are skipped everywhere, with the reason."""
    return dict(yaml.safe_load(SKIPS.read_text()))


def failures(report: dict[str, Any]) -> list[str]:
    """Return a line for each failed check."""
    return [
        f"{check['check_id']} {check['check_name']}: {check['resource']}"
        for check in report.get("results", {}).get("failed_checks", [])
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_follow_the_policy(clusters: dict[str, Cluster], overlay: str, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(clusters[overlay].documents))
    report = scan(tmp_path, "kubernetes")
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 500
    assert not failures(report)


def test_image_follows_the_policy(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text((ROOT / "Dockerfile").read_text())
    report = scan(tmp_path, "dockerfile")
    assert report["summary"]["passed"] > 0
    assert not failures(report)


def test_scan_notices_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(
        """
apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: x}
spec:
  hostNetwork: true
  containers:
    - {name: bad, image: "docker.io/library/busybox:1.37.0", securityContext: {privileged: true}}
"""
    )
    found = failures(scan(tmp_path, "kubernetes"))
    assert any("CKV_K8S_16 " in line for line in found)
    assert any("CKV_K8S_19 " in line for line in found)


def test_every_skip_has_a_reason(clusters: dict[str, Cluster]) -> None:
    assert not list(unexplained(global_skips(), clusters.values()))


def test_a_skip_without_a_reason_is_noticed() -> None:
    bad = Cluster.of("{kind: Pod, metadata: {name: a, annotations: {checkov.io/skip1: CKV_K8S_1}}}")
    assert list(unexplained({"CKV_K8S_2": "because"}, [bad])) == ["everywhere: CKV_K8S_2", "Pod/a: CKV_K8S_1"]


def unexplained(everywhere: dict[str, str], clusters: Any) -> list[str]:
    """Return the skips without a reason that says something."""
    found = [f"everywhere: {check}" for check, reason in everywhere.items() if len(reason or "") < _SHORTEST_REASON]
    for cluster in clusters:
        for document in cluster.documents:
            for key, value in (document["metadata"].get("annotations") or {}).items():
                check, _, reason = value.partition("=") if key.startswith("checkov.io/skip") else ("", "", "-" * 20)
                if len(reason) < _SHORTEST_REASON:
                    found.append(f"{document['kind']}/{document['metadata']['name']}: {check}")
    return sorted(set(found), key=found.index)
