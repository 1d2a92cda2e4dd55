"""What goes into the image."""

import re

import pytest
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


def test_the_lock_of_the_image_has_hashes_and_no_test_runner() -> None:
    text = subset((ROOT / "requirements.lock").read_text())
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    names = {entry.split("==")[0] for entry in entries}
    assert {"lightgbm", "mlflow", "fastapi", "confluent-kafka"} <= names
    assert not names & {"pytest", "mypy", "ruff", "uv", "playwright"}


def test_the_dockerfile_copies_only_what_the_ignore_file_lets_through() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert source in allowed, source
                assert (ROOT / source).exists()
