"""Both buses behind one fixture: PostgreSQL, librdkafka's mock cluster, and a real Kafka if there is one."""

from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Producer
from tests.integration.bus.stages import KafkaStage, PostgresStage, Stage, new_server

from candlewave.bus.kafka import client_config
from candlewave.bus.postgres import PostgresBus
from candlewave.core.settings import Settings


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of its own with the bus installed; stopped at the end."""
    with new_server() as server:
        with PostgresBus(server.get_uri()) as bus:
            bus.install()
        yield server.get_uri()


@pytest.fixture(scope="session")
def mock_cluster() -> Producer:
    """librdkafka's mock cluster; it lives as long as this client."""
    return Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[PostgresStage]:
    stage = PostgresStage(postgres_url)
    yield stage
    stage.close()


@pytest.fixture(
    params=["postgres", "kafka-mock", pytest.param("kafka", marks=pytest.mark.stack)],
)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Each kind of bus in turn."""
    if request.param == "postgres":
        stage: PostgresStage | KafkaStage = PostgresStage(request.getfixturevalue("postgres_url"))
    elif request.param == "kafka-mock":
        mock = request.getfixturevalue("mock_cluster")
        brokers: Sequence[object] = mock.list_topics(timeout=10).brokers.values()
        stage = KafkaStage({"bootstrap.servers": ",".join(str(b).split("/")[0] for b in brokers)}, mock)
    else:
        servers = request.getfixturevalue("kafka_servers")
        stage = KafkaStage(client_config(Settings(KAFKA_BOOTSTRAP_SERVERS=servers)), None)
    yield stage
    stage.close()
