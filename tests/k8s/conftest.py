"""The overlays, rendered once. Everything in this folder belongs to make k8s-validate."""

from pathlib import Path

import pytest
from tests.k8s.cluster import OVERLAYS, ROOT, Cluster, build

_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker("k8s")


@pytest.fixture(scope="session")
def clusters() -> dict[str, Cluster]:
    """Each overlay by name."""
    return {name: build(ROOT / "k8s" / "overlays" / name) for name in OVERLAYS}
