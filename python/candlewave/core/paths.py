"""Where the project's own files (``sql/``, ``migrations/``, ``candlewave.toml``) are."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def project_root() -> Path:
    """Return the folder that holds ``sql/`` and ``migrations/``.

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
