"""Small inputs of public reports, which lie beside the project where there are any."""

from pathlib import Path

import pytest

from candlewave.core.paths import project_root


def shared_case(name: str) -> Path:
    """Return the path of an input; the test is skipped where it is not at hand."""
    for folder in project_root().parents:
        path = folder / "shared" / "cases" / name
        if path.exists():
            return path
    pytest.skip(f"no shared/cases/{name} beside the project")
