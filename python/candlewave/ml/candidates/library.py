"""LightGBM, where its library of the system is installed."""

from typing import Any

from candlewave.core.errors import CandlewaveError, one_line
from candlewave.core.requirements import openmp_problem


class MissingLibraryError(CandlewaveError):
    """A library of the system is not installed."""


def load_lightgbm() -> Any:
    """Return LightGBM, which needs a library of the system.

    Raises:
        MissingLibraryError: it is not installed; the text names its package.
    """
    try:
        import lightgbm
    except OSError as error:
        raise MissingLibraryError(openmp_problem() or f"LightGBM cannot be loaded: {one_line(error)}") from error
    return lightgbm
