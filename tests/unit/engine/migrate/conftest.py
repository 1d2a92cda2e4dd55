"""The small project, without an engine."""

from pathlib import Path

import pytest
from tests.worlds.small_project import SmallProject


@pytest.fixture
def project(tmp_path: Path) -> SmallProject:
    """The small project."""
    return SmallProject(tmp_path / "project")
