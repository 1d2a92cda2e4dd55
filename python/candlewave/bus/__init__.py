"""The bus: keyed topics with consumer groups, on Kafka or on the embedded PostgreSQL.

Services call :func:`open_bus` and use :class:`candlewave.bus.protocol.Bus`; they do not know which it is.
"""

import json

from candlewave.bus.protocol import Bus, BusError, BusUnavailableError
from candlewave.core.settings import Settings

__all__ = ["Bus", "BusError", "BusUnavailableError", "open_bus", "runtime_url"]


def open_bus(settings: Settings) -> Bus:
    """Return the bus the settings name: Kafka if its servers are given, else the embedded PostgreSQL.

    Raises:
        BusError: RisingWave is set without Kafka, or the Kafka settings are incomplete.
        BusUnavailableError: neither is set and no embedded engine is running.
    """
    if settings.kafka_bootstrap_servers:
        from candlewave.bus.kafka import KafkaBus, client_config

        return KafkaBus(client_config(settings), topic_prefix=settings.kafka_topic_prefix)
    if settings.risingwave_url is not None:
        raise BusError(
            "RISINGWAVE_URL is set but KAFKA_BOOTSTRAP_SERVERS is not: RisingWave reads its topics from Kafka. "
            "Set both, or neither for the embedded engine"
        )
    from candlewave.bus.postgres import PostgresBus

    runtime_url(settings)  # absent now is an error now; after a restart the engine is looked up again
    return PostgresBus(lambda: runtime_url(settings))


def runtime_url(settings: Settings) -> str:
    """Return the URL of the embedded engine, as ``candlewave up`` wrote it.

    Raises:
        BusUnavailableError: it is not running, or the file cannot be read.
    """
    path = settings.runtime_file
    try:
        url = json.loads(path.read_text(encoding="utf-8"))["url"]
    except FileNotFoundError:
        raise BusUnavailableError(
            f"the embedded engine is not running ({path} is absent): run `candlewave up`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BusUnavailableError(f"{path} cannot be used ({error}): run `candlewave up` again") from error
    if not isinstance(url, str):
        raise BusUnavailableError(f"{path} has no url in text: run `candlewave up` again")
    return url
