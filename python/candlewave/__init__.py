"""Candlewave: SQL-first streaming candles, indicators and price forecasts on RisingWave."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return :func:`candlewave.client.dataset.dataset` when it is asked for.

    It is no import statement, because every part of candlewave imports this package, also those below the client.
    """
    if name == "dataset":
        return import_module("candlewave.client.dataset").dataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
