"""A real Apache Kafka for tests: one node, jars of Maven Central, free ports, temporary data."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tests.worlds.link import Link

VERSION = "4.1.2"
_PLUGIN = "3.8.1"

_POM = f"""
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>candlewave</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

_PROPERTIES = """
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""

_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
_PATIENCE = 120.0
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class KafkaError(RuntimeError):
    """The broker does not start; the text has the end of its log."""


def jars() -> Path:
    """Return the folder with Kafka's jars; the first call downloads them to the user's cache, checked by their sums.

    Skips the test without Java or Maven.
    """
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            pytest.skip(f"no broker: KAFKA_BOOTSTRAP_SERVERS is not set, {program} not installed (Debian: {package})")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "candlewave"
    folder = cache / f"kafka-{VERSION}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            (Path(work) / "pom.xml").write_text(_POM)
            command = [
                "mvn",
                "-q",
                "-B",
                "--strict-checksums",
                f"org.apache.maven.plugins:maven-dependency-plugin:{_PLUGIN}:copy-dependencies",
                "-DoutputDirectory=jars",
            ]
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"Maven cannot download Kafka {VERSION}: {done.stdout.strip().splitlines()[:1]}")
            (Path(work) / "jars").rename(folder)
    return folder


class Broker:
    """A node that is broker and controller.

    Args:
        folder: for its data.
        link: what clients reach it by, if not directly.

    Attributes:
        address: host and port for clients; stays over restarts.
        log: file with what it said.
    """

    def __init__(self, folder: Path, link: Link | None = None) -> None:
        self._jars = jars()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        port, controller = _free_ports(2)
        self.address = f"127.0.0.1:{port}"
        if link is not None:
            link.target = port
        self.log = folder / "kafka.log"
        self._config = folder / "server.properties"
        self._config.write_text(
            _PROPERTIES.format(
                port=port, advertised=link.port if link else port, controller=controller, data=folder / "data"
            )
        )
        self._java("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._config)).wait(_PATIENCE)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._java("kafka.Kafka", str(self._config))
        limit = time.monotonic() + _PATIENCE
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        while True:
            try:
                client.list_topics(timeout=1)
            except KafkaException:
                if self._process.poll() is not None or time.monotonic() > limit:
                    self.kill()
                    raise KafkaError("\n".join(self.log.read_text().splitlines()[-20:])) from None
            else:
                return

    def kill(self) -> None:
        """End it as a lost machine would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            "java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-cp", f"{self._jars}/*",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", main, *arguments,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_us)


def _die_with_us() -> None:
    """Let the kernel end this process when the test session dies."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@contextmanager
def running(failed: Callable[[], bool], link: Link | None = None) -> Iterator[Broker]:
    """Run a broker, perhaps behind a link; it is stopped then, and its folder removed unless something ``failed``."""
    folder = Path(tempfile.mkdtemp(prefix="candlewave-kafka-"))
    broker = Broker(folder, link)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        if not failed():
            shutil.rmtree(folder)
