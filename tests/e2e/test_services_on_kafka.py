"""Services in processes of their own on a real Kafka: they outlive the broker and each other, and lose no request.

The engine is PostgreSQL with all of ``sql/``; its topics stay empty, since only RisingWave reads Kafka by itself.
"""

import base64
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.worlds import kafka
from tests.worlds.commands import command, environment

from candlewave.bus.kafka import KafkaBus
from candlewave.bus.protocol import Message
from candlewave.contracts.records import DeadLetter, decode
from candlewave.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS, TRAINING_REQUESTS
from candlewave.core.config import Config, load_config

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SERVICES = ("price-predictor", "model-error-monitor", "predictions-api", "sentiment-extractor")
PEPPER = "pepper-of-this-test"
PATIENCE = 120.0
"""Seconds after which what does not come is a failure; two busy cores start seven processes."""


class Place:
    """A broker, an engine, and services on both."""

    def __init__(self, broker: kafka.Broker, engine_url: str, folder: Path) -> None:
        self.broker = broker
        self.bus = KafkaBus({"bootstrap.servers": broker.address})
        self._engine_url = engine_url
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, service: str) -> "Service":
        """Start a service; it takes a while to be ready."""
        admin, api = _free_port(), _free_port()
        settings = environment(
            self._folder,
            RISINGWAVE_URL=self._engine_url,
            KAFKA_BOOTSTRAP_SERVERS=self.broker.address,
            MLFLOW_TRACKING_URI=f"sqlite:///{self._folder / 'mlflow.db'}",
            API_KEY_PEPPER=PEPPER,
            ADMIN_PORT=str(admin),
            API_PORT=str(api),
        )
        with (self._folder / f"{service}-{admin}.log").open("wb") as log:
            process = subprocess.Popen(command(service), env=settings, stdout=log, stderr=log)
        self._running.append(process)
        return Service(service, process, admin)

    def end(self) -> None:
        """End what still runs; no log of it may hold a secret."""
        for process in self._running:
            process.kill()
            process.wait()
        self.bus.close()
        secrets = (PEPPER, str(urlsplit(self._engine_url).password))
        logs = {log.name: log.read_text() for log in self._folder.glob("*.log")}
        assert [name for name, text in logs.items() if any(secret in text for secret in secrets)] == []


class Service:
    """A process of a service."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.name = name
        self.process = process
        self._url = f"http://127.0.0.1:{port}/readyz"

    def wait_until_ready(self) -> None:
        """Ask until it is ready."""
        self._wait_until(lambda problems: not problems)

    def wait_until_unready(self, check: str) -> None:
        """Ask until this check, and no other, says that it is not ready."""
        self._wait_until(lambda problems: set(problems) == {check})

    def _wait_until(self, done: Callable[[dict[str, str]], bool]) -> None:
        limit = time.monotonic() + PATIENCE
        answer: object = None
        while time.monotonic() < limit:
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}"
            try:
                problems = self.problems()
            except OSError as error:
                answer = error
            else:
                if done(problems):
                    return
                answer = problems
            time.sleep(0.2)  # between two questions; nothing tells when a port opens or an answer changes
        raise AssertionError(f"{self.name} says {answer}")

    def problems(self) -> dict[str, str]:
        """Ask what keeps it from being ready."""
        try:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            body = json.load(error)
        return {name: check["problem"] for name, check in body["checks"].items() if check["problem"] is not None}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


@pytest.fixture
def place(request: pytest.FixtureRequest, make_engine: Callable[[Config], str], data_dir: Path) -> Iterator[Place]:
    """A broker with all topics and an engine with all views."""
    with kafka.running(failed=lambda: bool(request.session.testsfailed)) as broker:
        one = Place(broker, make_engine(load_config()), data_dir)
        one.bus.ensure_topics(TOPICS.values())
        yield one
        one.end()


def test_services_say_that_the_broker_is_gone_outlive_it_and_end_in_order(place: Place) -> None:
    services = [place.start(name) for name in SERVICES]
    for service in services:
        service.wait_until_ready()
    place.broker.kill()
    for service in services:
        # Reading goes on without a broker; only a request for a training needs one, and says so.
        if service.name != "predictions-api":
            service.wait_until_unready("bus")
    assert services[SERVICES.index("predictions-api")].problems() == {}
    place.broker.start()
    begun = time.monotonic()
    for service in services:
        service.wait_until_ready()
    assert time.monotonic() - begun < 30, "ready again within half a minute"
    for service in services:
        service.process.send_signal(signal.SIGTERM)
    assert {service.name: service.process.wait(60) for service in services} == dict.fromkeys(SERVICES, 0)


def test_one_trainer_answers_whichever_is_killed(place: Place) -> None:
    first, second = place.start("model-trainer"), place.start("model-trainer")
    for trainer in (first, second):
        trainer.wait_until_ready()
    payloads: dict[str, bytes] = {}
    with place.bus.subscribe("letters", [TRAINING_REQUESTS.name + DEAD_LETTER_SUFFIX]) as letters:

        def ask(text: bytes) -> None:
            """Send a request that nobody can read, and wait for it on the topic of dead letters."""
            place.bus.publish(TRAINING_REQUESTS.name, [Message(text, "candlewave")])
            limit = time.monotonic() + PATIENCE
            while text not in payloads.values():
                assert time.monotonic() < limit, f"{text!r} is lost"
                for message in letters.poll(timeout=1):
                    letter = decode(DeadLetter, message.value)
                    # Whoever is killed before it commits leaves it to the next, who writes the same letter.
                    payloads[letter.id] = base64.b64decode(letter.payload_base64)

        ask(b"request 1")
        first.process.kill()
        ask(b"request 2")
        place.start("model-trainer").wait_until_ready()
        second.process.kill()
        ask(b"request 3")
        place.broker.kill()
        place.broker.start()
        ask(b"request 4")
    assert sorted(payloads.values()) == [b"request 1", b"request 2", b"request 3", b"request 4"]
