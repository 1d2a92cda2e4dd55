"""Deploy-time parameters: what each setting turns into, and what is refused."""

from pathlib import Path

import pytest

from candlewave.core.settings import Settings
from candlewave.sqlproject.ddl import parse_statement
from candlewave.sqlproject.parameters import ParameterError, fill

TABLE = (
    "CREATE TABLE t (id VARCHAR PRIMARY KEY) WITH (connector = 'kafka', topic = '${topic_prefix}t',"
    " ${kafka_properties}) FORMAT PLAIN ENCODE JSON"
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


def settings(**values: object) -> Settings:
    return Settings(**values)


def test_plain_kafka_needs_only_its_servers() -> None:
    filled = fill(TABLE, settings(kafka_bootstrap_servers="a:9092,b:9092"))
    connector = parse_statement(filled).connector
    assert connector is not None
    assert connector.properties == {
        "connector": "kafka",
        "topic": "t",
        "properties.bootstrap.server": "a:9092,b:9092",
    }


def test_login_and_encryption_become_properties() -> None:
    filled = fill(
        TABLE,
        settings(
            kafka_bootstrap_servers="a:9093",
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="candlewave",
            kafka_sasl_password="it's me",
            kafka_ssl_ca_location=Path("/etc/ca.pem"),
        ),
    )
    assert "properties.sasl.password = 'it''s me'" in filled
    connector = parse_statement(filled).connector
    assert connector is not None
    assert connector.properties == {
        "connector": "kafka",
        "topic": "t",
        "properties.bootstrap.server": "a:9093",
        "properties.security.protocol": "SASL_SSL",
        "properties.sasl.mechanism": "SCRAM-SHA-512",
        "properties.sasl.username": "candlewave",
        "properties.sasl.password": "it's me",
        "properties.ssl.ca.location": "/etc/ca.pem",
    }


def test_secrets_can_be_masked() -> None:
    filled = fill(
        TABLE,
        settings(
            kafka_bootstrap_servers="a:9093",
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_sasl_username="candlewave",
            kafka_sasl_password="hunter2",
        ),
        mask_secrets=True,
    )
    assert "properties.sasl.password = '***'" in filled
    assert "hunter2" not in filled


def test_the_embedded_engine_needs_no_kafka() -> None:
    connector = parse_statement(fill(TABLE, settings())).connector
    assert connector is not None
    assert connector.topic == "t"
    assert connector.properties["properties.bootstrap.server"] == "embedded"


def test_risingwave_without_kafka_is_refused() -> None:
    with pytest.raises(ParameterError, match="needs KAFKA_BOOTSTRAP_SERVERS"):
        fill(TABLE, settings(risingwave_url="postgresql://root@localhost:4566/dev"))


def test_risingwave_without_kafka_can_be_asked_for_other_text() -> None:
    text = "CREATE VIEW v AS SELECT 1 AS one"
    assert fill(text, settings(risingwave_url="postgresql://root@localhost:4566/dev")) == text


def test_a_missing_login_is_named() -> None:
    with pytest.raises(ParameterError, match=r"SASL_SSL needs KAFKA_SASL_MECHANISM, KAFKA_SASL_PASSWORD$"):
        fill(
            TABLE,
            settings(
                kafka_bootstrap_servers="a:9093",
                kafka_security_protocol="SASL_SSL",
                kafka_sasl_username="candlewave",
            ),
        )


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"unknown parameter \$\{kafka_propertys\}; known are kafka_properties"):
        fill("WITH (${kafka_propertys})", settings())


def test_a_parameter_that_does_not_end_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"without closing brace: '\$\{topic_prefix'"):
        fill("topic = '${topic_prefix", settings())
