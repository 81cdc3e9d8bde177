"""Throw-away Apache Kafka brokers (one KRaft node each), shared by the tests, the demo and the benchmarks."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from .cache import SERVER_USER, is_root, server_folder
from .maven import jars, java
from .process import free_port, spawn
from .server import Server

VERSIONS = {"4.3": "4.3.1", "4.1": "4.1.0"}
QUICK_START = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
"""For tests. Who measures speed gives options of a broker in production."""
LOG4J = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "5",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "broker.session.timeout.ms": "6000",  # after kill -9 the broker may register anew once its old session is over
    "broker.heartbeat.interval.ms": "1000",
}
"""`log.cleaner.*` and retention checks stay at the broker's defaults; a test that needs them fast passes settings."""


def binaries(version: str = "4.3") -> Path:
    """The folder with the broker's jars. `version`: a key of `VERSIONS`. Raises `MissingTool`, `RuntimeError`."""
    exact = VERSIONS[version]
    wanted = [f"org.apache.kafka:kafka_2.13:{exact}", f"org.apache.kafka:kafka-tools:{exact}", LOG4J]
    return jars(f"kafka-{exact}", wanted)


class KafkaServer(Server):
    """One broker with its data in a folder of its own, plaintext on 127.0.0.1.

    `settings` are added to the broker's properties. `listeners` adds listeners by name, e.g.
    {"SASL": "SASL_PLAINTEXT"}: `address("SASL")` is where such a one answers.
    """

    title = "Kafka"

    def __init__(
        self,
        version: str = "4.3",
        settings: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        java_options: Sequence[str] = QUICK_START,
    ) -> None:
        self.version = version
        self.libs = binaries(version)
        super().__init__(server_folder(f"kafka{version}"))
        self.listeners = {"PLAINTEXT": "PLAINTEXT", **(listeners or {})}
        self.ports = {name: free_port() for name in [*self.listeners, "CONTROLLER"]}
        self.settings = {**SETTINGS, **(settings or {})}
        self.java_options = list(java_options)
        self._initialise()

    @property
    def bootstrap(self) -> str:
        return self.address("PLAINTEXT")

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def write_properties(self) -> None:
        """From `settings`: a change of them counts from the next start."""
        addresses = [f"{name}://{self.address(name)}" for name in self.listeners]
        protocols = [f"{name}:{protocol}" for name, protocol in {**self.listeners, "CONTROLLER": "PLAINTEXT"}.items()]
        properties = {
            "log.dirs": str(self.folder / "data"),
            "listeners": ",".join([*addresses, f"CONTROLLER://{self.address('CONTROLLER')}"]),
            "advertised.listeners": ",".join(addresses),
            "listener.security.protocol.map": ",".join(protocols),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.quorum.voters": f"1@{self.address('CONTROLLER')}",
            **self.settings,
        }
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        (self.folder / "log4j2.properties").write_text(
            "rootLogger.level=warn\nrootLogger.appenderRef.c.ref=c\nappender.c.type=Console\nappender.c.name=c\n"
            "appender.c.layout.type=PatternLayout\nappender.c.layout.pattern=%d %p %m (%c)%n\n"
        )

    def _java(self, *arguments: str) -> list[str | Path]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [java(), *self.java_options, logging, "-cp", f"{self.libs}/*", *arguments]

    def _initialise(self) -> None:
        self.write_properties()
        self.log.touch()
        if is_root():
            for path in self.folder.iterdir():
                shutil.chown(path, SERVER_USER)
        self.cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java(
            "kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster_id}", "-c", str(self._properties)
        )
        if spawn(command, self.log).wait() != 0:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{self.log.read_text()[-3000:]}")

    def start(self, timeout_s: float = 400) -> Self:
        self._launch(self._java("kafka.Kafka", str(self._properties)), self._answers, (KafkaException,), timeout_s)
        return self

    def _answers(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "socket.timeout.ms": 2000})
        if not admin.list_topics(timeout=2).brokers:
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))


@contextlib.contextmanager
def running(version: str = "4.3", **options: object) -> Iterator[KafkaServer]:
    server = KafkaServer(version, **options)  # type: ignore[arg-type]
    try:
        yield server.start()
    finally:
        server.close()
