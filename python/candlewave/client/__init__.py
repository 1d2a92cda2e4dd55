"""Typed client of the REST API, synchronous and asynchronous.

>>> from candlewave.client import Client, calls
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     for forecast in client.get(calls.latest("BTC-USD")).data:
...         print(forecast.horizon_minutes, forecast.price_q10, forecast.price_q90)
"""

from candlewave.client import calls
from candlewave.client.asynchronous import AsyncClient
from candlewave.client.errors import ApiError, ApiUnavailableError
from candlewave.client.stream import Event
from candlewave.client.synchronous import Client

__all__ = ["ApiError", "ApiUnavailableError", "AsyncClient", "Client", "Event", "calls"]
