"""A cluster of one Java worker, and a Headwater worker with the very settings of it: one group, the same topics."""

from __future__ import annotations

import secrets
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import Database
from tests.servers.connect import ConnectError, ConnectWorker
from tests.servers.kafka import KafkaServer
from tests.servers.worker import MemberProcess, WorkerProcess

from .reading import read_all
from .scene import Scene, wait_for

PATIENCE_S = 300.0


class ClusterScene(Scene):
    """Beside Debezium's connector: `lines`, a paused source that has read three lines, and `copy`, a stopped sink that
    has copied them into another file.

    `settings`: of Java's worker, and so of Headwater's. Not started.
    """

    def __init__(self, kafka: KafkaServer, database: Database, folder: Path, settings: Mapping[str, str]) -> None:
        group = f"t{secrets.token_hex(4)}"
        topics = {f"{kind}.storage.topic": f"{group}-{kind}" for kind in ("config", "offset", "status")}
        # It stores no offsets of tasks that take longer.
        graceful = {"task.shutdown.graceful.timeout.ms": "120000", "offset.flush.timeout.ms": "120000"}
        self.offsets_topic = topics["offset.storage.topic"]
        java = ConnectWorker(kafka.bootstrap, settings={"group.id": group, **topics, **graceful, **settings})
        super().__init__(kafka, java, database, folder)
        self.lines, self.copy, self.lines_topic = f"lines-{group}", f"copy-{group}", f"{group}-lines"
        self.read_from, self.written_to = java.folder / "read", java.folder / "written"

    def _headwater(self, folder: Path) -> WorkerProcess:
        """Java's own file, but for the address, and for what Headwater does anyway."""
        left_out = ("listeners", "isolation.level")
        settings = {option: text for option, text in self.java.settings.items() if option not in left_out}
        return MemberProcess(folder, "headwater", settings)

    def close(self) -> None:
        for writer in self.writers:
            writer.stop()
        self.headwater.kill()
        self.java.close()

    def begin(self, writers: int = 2) -> None:
        self.java.start()
        self.append("one", "two", "three")
        made = {"topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "1"}
        source, sink = (f"org.apache.kafka.connect.file.FileStream{kind}Connector" for kind in ("Source", "Sink"))
        read, written = str(self.read_from), str(self.written_to)
        self.java.create(self.lines, {"connector.class": source, "file": read, "topic": self.lines_topic, **made})
        self.java.create(self.copy, {"connector.class": sink, "file": written, "topics": self.lines_topic})
        self.until_copied(3)
        self.until_stored(self.java, len("one\ntwo\nthree\n"))
        self.java._settled("PUT", f"/connectors/{self.lines}/pause")
        self.java.wait_for_state(self.lines, "PAUSED")
        self.java.stop_connector(self.copy)
        super().begin(writers)

    def start_java(self) -> None:
        if self._made:
            self.java.start()
        else:
            super().start_java()

    def append(self, *lines: str) -> None:
        """To the file that `lines` reads."""
        with self.read_from.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
        self.read_from.chmod(0o644)

    def copied(self) -> list[str]:
        """What `copy` has written, by whichever worker."""
        return self.written_to.read_text().splitlines() if self.written_to.exists() else []

    def until_copied(self, lines: int) -> None:
        wait_for(lambda: len(self.copied()) >= lines, f"{lines} lines, copied", PATIENCE_S)

    def resume(self, name: str) -> None:
        """By Headwater; asked again while its group is being assigned anew."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.headwater.request("PUT", f"/connectors/{name}/resume")
                return
            except urllib.error.HTTPError as error:
                if error.code not in (409, 500, 503) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def until_stored(self, by: ConnectWorker | WorkerProcess, position: int) -> None:
        """By this worker's word `lines` has read so many bytes, and `copy` has written all records that are there."""
        last = max(raw.offset for raw in read_all(self.kafka.bootstrap, [self.lines_topic]))

        def stored(name: str, unit: str) -> int:
            try:
                offsets = by.request("GET", f"/connectors/{name}/offsets")["offsets"]
            except (urllib.error.HTTPError, ConnectError):  # its group is being assigned anew
                return -1
            return max((int(one["offset"][unit]) for one in offsets), default=-1)

        wait_for(lambda: stored(self.lines, "position") == position, f"{self.lines} at {position}", PATIENCE_S)
        wait_for(lambda: stored(self.copy, "kafka_offset") > last, f"{self.copy} beyond {last}", PATIENCE_S)

    def states(self, name: str, by: ConnectWorker | WorkerProcess) -> list[str]:
        """Of the connector, then of each task, where `by` runs them and says so."""
        try:
            told: dict[str, Any] = by.request("GET", f"/connectors/{name}/status")
        except (urllib.error.HTTPError, ConnectError):
            return []
        address = by.url.removeprefix("http://")
        return [state["state"] for state in (told["connector"], *told["tasks"]) if state["worker_id"] == address]

    def until_states(self, by: ConnectWorker | WorkerProcess, states: Mapping[str, list[str]]) -> None:
        """Java's tasks may fail first: it misses `task.class` in what Headwater has planned, and then plans anew."""
        for name, wanted in states.items():
            wait_for(lambda n=name, w=wanted: self.states(n, by) == w, f"{name} {wanted} by {by.url}", PATIENCE_S)  # type: ignore[misc]

    def slots(self) -> list[str]:
        with self.database.connect() as db:
            found = db.execute("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
            return [str(name) for (name,) in found]
