"""Where files are: candlewave's own ``sql/``, ``migrations/``, ``candlewave.toml``, and those of a project on top."""

import re
from pathlib import Path

CONFIG_NAME = "candlewave.toml"
_PACKAGE = Path(__file__).resolve().parents[1]
_PROJECT_TABLE = re.compile(r"^\s*\[project\]", re.MULTILINE)


def project_root() -> Path:
    """Return the folder that holds candlewave's own ``sql/`` and ``migrations/``.

    It is the checkout for an editable install, and the copy inside the package for an installed wheel.

    Raises:
        FileNotFoundError: neither holds ``sql/``.
    """
    for root in (_PACKAGE.parents[1], _PACKAGE / "_project"):
        if (root / "sql").is_dir():
            return root
    raise FileNotFoundError(
        f"no sql/ folder beside {_PACKAGE}: the installation is incomplete, install candlewave again"
    )


def own_root() -> Path | None:
    """Return the folder of the project that the working directory is in, None outside of one.

    It is the nearest folder upwards whose ``candlewave.toml`` has a table ``[project]``. That of a checkout has none:
    candlewave itself is the library that projects stand on. Nor has that of a golden case.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / CONFIG_NAME
        # Read as text: a mistake elsewhere in the file is for whoever loads it to report.
        if file.is_file() and _PROJECT_TABLE.search(file.read_text(encoding="utf-8", errors="replace")):
            return folder
    return None


def config_path() -> Path:
    """Return the ``candlewave.toml`` that counts where CANDLEWAVE_CONFIG names none."""
    return (own_root() or project_root()) / CONFIG_NAME


def sql_folders() -> tuple[Path, ...]:
    """Return candlewave's own ``sql`` folder and, on top of it, that of the project around the working directory."""
    own = own_root()
    return (project_root() / "sql", *([own / "sql"] if own else []))
