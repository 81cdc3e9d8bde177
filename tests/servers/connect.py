"""Java Kafka Connect workers with Debezium's connectors: what Headwater takes over from, and is compared with."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from .cache import SERVER_USER, is_root, server_folder
from .kafka import LOG4J
from .maven import jars, java
from .process import free_port
from .server import Server

VERSION = "4.3.1"
CONNECT = ["connect-runtime", "connect-file", "connect-json", "connect-transforms"]
PLUGINS = {
    "postgres-3.7": "io.debezium:debezium-connector-postgres:3.7.0.Final",
    "postgres-3.3": "io.debezium:debezium-connector-postgres:3.3.1.Final",
    "jdbc-3.5": "io.debezium:debezium-connector-jdbc:3.5.0.Final",
}
"""One worker has one of them: their versions share jars that do not fit together."""
QUICK_START = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
"""For tests. Who measures speed gives options of a worker in production."""
CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
SETTINGS = {
    "group.id": "connect-cluster",
    "key.converter": CONVERTER,
    "value.converter": CONVERTER,
    "config.storage.topic": "connect-configs",
    "config.storage.replication.factor": "1",
    "offset.storage.topic": "connect-offsets",
    "offset.storage.replication.factor": "1",
    "offset.storage.partitions": "5",
    "status.storage.topic": "connect-status",
    "status.storage.replication.factor": "1",
    "status.storage.partitions": "1",
    "offset.flush.interval.ms": "1000",
    "scheduled.rebalance.max.delay.ms": "0",
    "plugin.discovery": "service_load",
}


def binaries(plugin: str = "postgres-3.7") -> Path:
    """The folder with the worker's jars. `plugin`: a key of `PLUGINS`. Raises `MissingTool`, `RuntimeError`."""
    runtime = [f"org.apache.kafka:{name}:{VERSION}" for name in CONNECT]
    return jars(f"connect-{plugin}", [*runtime, LOG4J, PLUGINS[plugin]])


class ConnectError(RuntimeError):
    """The worker refused a request, or a connector failed."""


class ConnectWorker(Server):
    """One distributed worker in a process of its own; killed and started again it is the same member of its group.

    `settings` are added to the worker's properties, e.g. {"exactly.once.source.support": "enabled"}.
    """

    title = "Kafka Connect"
    log_name = "worker.log"

    def __init__(
        self,
        bootstrap: str,
        plugin: str = "postgres-3.7",
        settings: Mapping[str, str] | None = None,
        java_options: Sequence[str] = QUICK_START,
    ) -> None:
        self.libs = binaries(plugin)
        super().__init__(server_folder("connect"))
        self.port = free_port()
        self.settings = {"bootstrap.servers": bootstrap, "listeners": self.url, **SETTINGS, **(settings or {})}
        self.java_options = list(java_options)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, timeout_s: float = 300) -> Self:
        """Returns once the worker has joined its group and takes connectors."""
        properties = self.folder / "worker.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))
        logging = self.folder / "log4j2.properties"
        logging.write_text(
            "rootLogger.level=warn\nrootLogger.appenderRef.c.ref=c\nappender.c.type=Console\nappender.c.name=c\n"
            "appender.c.layout.type=PatternLayout\nappender.c.layout.pattern=%d %p %m (%c)%n\n"
        )
        self.log.touch()
        if is_root():
            for path in (properties, logging, self.log):
                shutil.chown(path, SERVER_USER)
        command = [java(), *self.java_options, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{self.libs}/*"]
        command += ["org.apache.kafka.connect.cli.ConnectDistributed", str(properties)]
        self._launch(command, self._answers, (OSError, ConnectError), timeout_s)
        return self

    def _answers(self) -> None:
        self.request("GET", "/connectors")  # answered by members alone

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Decoded JSON of the answer. Raises `ConnectError` with the worker's message, `OSError`."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        call = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(call, timeout=90) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ConnectError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
        return json.loads(text) if text else None

    def create(self, name: str, config: Mapping[str, str], timeout_s: float = 300) -> None:
        """Make the connector, or give it another config, and wait until it and all of its tasks run."""
        self._settled("PUT", f"/connectors/{name}/config", dict(config))
        self.wait_for_state(name, "RUNNING", timeout_s)

    def states(self, name: str) -> list[str]:
        """Of the connector, then of each task."""
        try:
            status = self.request("GET", f"/connectors/{name}/status")
        except ConnectError:
            return []  # no state has been written so far
        return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]

    def wait_for_state(self, name: str, state: str, timeout_s: float = 300) -> None:
        """RUNNING counts from the first task on; after a `kill` it may be the dead worker's word.

        Raises `ConnectError` where one fails or the time is over.
        """
        least = 2 if state == "RUNNING" else 1
        deadline = time.monotonic() + timeout_s
        while len(found := self.states(name)) < least or set(found) != {state}:
            if ("FAILED" in found and state != "FAILED") or time.monotonic() > deadline:
                told = self.request("GET", f"/connectors/{name}/status") if found else "nothing"
                raise ConnectError(f"{name} is not {state} but {told}\n{self.tail()}")
            time.sleep(0.1)

    def stop_connector(self, name: str, timeout_s: float = 300) -> None:
        """Its tasks end and their offsets are stored; the connector stays, STOPPED."""
        self._settled("PUT", f"/connectors/{name}/stop")
        self.wait_for_state(name, "STOPPED", timeout_s)

    def resume_connector(self, name: str, timeout_s: float = 300) -> None:
        self._settled("PUT", f"/connectors/{name}/resume")
        self.wait_for_state(name, "RUNNING", timeout_s)

    def delete_connector(self, name: str) -> None:
        """Its offsets stay."""
        self._settled("DELETE", f"/connectors/{name}")

    def offsets(self, name: str) -> list[dict[str, Any]]:
        """[{"partition": {…}, "offset": {…}}, …]"""
        found: list[dict[str, Any]] = self.request("GET", f"/connectors/{name}/offsets")["offsets"]
        return found

    def alter_offsets(self, name: str, offsets: Sequence[Mapping[str, object]]) -> None:
        """Of a stopped connector; in the form of `offsets`."""
        self._settled("PATCH", f"/connectors/{name}/offsets", {"offsets": list(offsets)})

    def _settled(self, method: str, path: str, body: object = None, timeout_s: float = 240) -> Any:
        """While the group rebalances the worker answers 409: asked again."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self.request(method, path, body)
            except ConnectError as error:
                if ": 409 " not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


@contextlib.contextmanager
def running(bootstrap: str, plugin: str = "postgres-3.7", **options: Any) -> Iterator[ConnectWorker]:
    worker = ConnectWorker(bootstrap, plugin, **options)
    try:
        yield worker.start()
    finally:
        worker.close()
