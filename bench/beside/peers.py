"""The workers that are compared, spoken to in one way: Headwater's and Kafka Connect's REST is the same."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.servers.connect import ConnectWorker
from tests.servers.worker import WorkerProcess

STATE_PATIENCE_S = 300.0
JAVA = [
    "-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
]  # fmt: skip
"""What bin/connect-distributed.sh and bin/kafka-run-class.sh of Kafka 4.3 give."""


class Peer(Protocol):
    """A worker with a name for the table; it may be stopped and started, its connectors and their states stay."""

    name: str

    @property
    def pid(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Raises for an answer that is an error."""

    def tail(self) -> str:
        """The end of its log."""


class Headwater:
    """`headwater run` on Kafka. `first`: the connector of the file that it must be started with."""

    name = "Headwater"

    def __init__(self, folder: Path, settings: Mapping[str, str], first: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self._worker_file = folder / "worker.json"
        self._worker_file.write_text(json.dumps(dict(settings)))
        self._file = folder / "first.json"
        self._file.write_text(json.dumps(dict(first)))
        self.worker = WorkerProcess([self._file], folder / "data")

    @property
    def pid(self) -> int:
        return self.worker.pid

    def start(self) -> None:
        self.worker.start("--worker", str(self._worker_file), ready_s=120)

    def stop(self) -> None:
        self.worker.stop()

    def close(self) -> None:
        self.worker.kill()

    def request(self, method: str, path: str, body: object = None) -> Any:
        return self.worker.request(method, path, body)

    def tail(self) -> str:
        return self.worker.tail()


class KafkaConnect:
    """A Java worker with one of Debezium's connectors."""

    def __init__(self, name: str, bootstrap: str, plugin: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self.worker = ConnectWorker(bootstrap, plugin, settings, JAVA)

    @property
    def pid(self) -> int:
        return self.worker.pid

    def start(self) -> None:
        self.worker.start()

    def stop(self) -> None:
        self.worker.stop()

    def close(self) -> None:
        self.worker.close()

    def request(self, method: str, path: str, body: object = None) -> Any:
        return self.worker.request(method, path, body)

    def tail(self) -> str:
        return self.worker.tail()


def states(peer: Peer, connector: str) -> set[str]:
    status = peer.request("GET", f"/connectors/{connector}/status")
    return {status["connector"]["state"], *(task["state"] for task in status["tasks"])}


def stop_connector(peer: Peer, connector: str) -> None:
    """Returns once its task has ended."""
    peer.request("PUT", f"/connectors/{connector}/stop")
    deadline = time.monotonic() + STATE_PATIENCE_S
    while states(peer, connector) != {"STOPPED"}:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{connector} of {peer.name} is {states(peer, connector)}, not STOPPED:\n{peer.tail()}")
        time.sleep(0.1)
