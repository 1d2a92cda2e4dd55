"""Which bus the settings choose, and what is said when none can be had."""

import json
from pathlib import Path
from typing import Any

import pytest

from candlewave.bus import open_bus, runtime_url
from candlewave.bus.kafka import KafkaBus, client_config
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusError, BusUnavailableError, Message
from candlewave.core.settings import Settings


def settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings.model_validate(
        {"data_dir": tmp_path, "kafka_bootstrap_servers": None, "risingwave_url": None} | values
    )


def test_kafka_when_its_servers_are_given(tmp_path: Path) -> None:
    with open_bus(settings(tmp_path, kafka_bootstrap_servers="127.0.0.1:1", risingwave_url="postgresql://rw")) as bus:
        assert isinstance(bus, KafkaBus)


def test_risingwave_without_kafka_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="RISINGWAVE_URL is set but KAFKA_BOOTSTRAP_SERVERS is not"):
        open_bus(settings(tmp_path, risingwave_url="postgresql://rw"))


def test_without_a_running_engine_the_way_to_start_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailableError, match=r"runtime\.json is absent.*run `candlewave up`"):
        open_bus(settings(tmp_path))


def test_the_embedded_engine_is_found_and_found_again_when_it_moves(tmp_path: Path) -> None:
    place = tmp_path / "runtime.json"
    place.write_text(json.dumps({"url": "postgresql://u:p@127.0.0.1:1/candlewave"}))
    with open_bus(settings(tmp_path)) as bus:
        assert isinstance(bus, PostgresBus)
        with pytest.raises(BusUnavailableError, match="candlewave up"):
            bus.publish("trades", [Message(b"x")])
        place.unlink()
        with pytest.raises(BusUnavailableError, match="is absent"):
            bus.publish("trades", [Message(b"x")])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 7}'])
def test_a_broken_runtime_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "runtime.json").write_text(text)
    with pytest.raises(BusUnavailableError, match=r"runtime\.json .*run `candlewave up` again"):
        runtime_url(settings(tmp_path))


def test_sasl_and_tls_settings_reach_the_client(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        kafka_bootstrap_servers="a:1,b:2",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="user",
        kafka_sasl_password="p4ss",
        kafka_ssl_ca_location=tmp_path / "ca.pem",
    )
    assert client_config(given) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "user",
        "sasl.password": "p4ss",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
    }


def test_incomplete_sasl_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="also needs KAFKA_SASL_MECHANISM, KAFKA_SASL_PASSWORD"):
        client_config(settings(tmp_path, kafka_security_protocol="sasl_ssl", kafka_sasl_username="user"))
