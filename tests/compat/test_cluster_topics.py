"""The config and the status topic between Headwater and Kafka Connect, and the signatures of requests between workers.

A Java worker starts on topics that Headwater has written and writes there itself; then a second one joins it.
"""

from __future__ import annotations

import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from headwater.worker.cluster import config_records as records
from headwater.worker.cluster.config_state import Configured, RestartRequest
from headwater.worker.cluster.config_topic import ConfigTopic
from headwater.worker.cluster.config_writer import ConfigWriter, leader_id
from headwater.worker.cluster.internal_requests import check_signature, signature_headers
from headwater.worker.cluster.session_keys import SessionKey, SessionPolicy
from headwater.worker.cluster.status_topic import StatusTopic
from headwater.worker.cluster.statuses import Status, TaskKey
from headwater.worker.log import Log, open_log
from headwater.worker.runtime.internal_topics import InternalTopics
from tests.servers import connect
from tests.servers.connect import ConnectWorker
from tests.servers.kafka import KafkaServer

from .scene import wait_for

pytestmark = pytest.mark.compat
FILE_SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
POLICY = SessionPolicy()
OURS = Status("RUNNING", "headwater:8083", 1_000, version="1.0", more={"pid": 7, "generation": 1, "metrics": {"a": 1}})
"""Of a group's generation so late that no Java worker writes over it."""


class Request(NamedTuple):
    """As it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Between:
    """Stands in front of a Java worker and writes down what others ask of it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.target = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = dict(self.headers.items())
                outer.requests.append(Request(self.command, self.path, headers, body))
                status, answer = ask(self.command, outer.target + self.path, body, headers)
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = forward

            def log_message(self, *_: object) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def signed(self) -> list[Request]:
        return [request for request in self.requests if "X-Connect-Authorization" in request.headers]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def ask(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of the answer."""
    call = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(call, timeout=90) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Scene:
    """`headwater`: settings of a worker that shares its topics and its group with `java`."""

    def __init__(self, kafka: KafkaServer, folder: Path) -> None:
        group = f"t{secrets.token_hex(4)}"
        self.group = group
        self.settings = {
            "group.id": group,
            "config.storage.topic": f"{group}-configs",
            "offset.storage.topic": f"{group}-offsets",
            "status.storage.topic": f"{group}-status",
            "status.storage.replication.factor": "1",
        }
        self.bootstrap = kafka.bootstrap
        self.between = Between()
        advertised = {"rest.advertised.host.name": "127.0.0.1", "rest.advertised.port": str(self.between.port)}
        self.java = ConnectWorker(kafka.bootstrap, settings={**self.settings, **advertised})
        self.between.target = self.java.url
        self.log: Log = open_log({"bootstrap.servers": kafka.bootstrap, **self.settings}, folder)
        self.topics = InternalTopics.of(self.settings)
        self.config = ConfigTopic(self.log, self.topics.configs)
        self.statuses = StatusTopic(self.log, self.topics)

    @property
    def worker_id(self) -> str:
        return f"127.0.0.1:{self.between.port}"

    def file_source(self, name: str, line: str = "") -> dict[str, str]:
        """Config of a connector that reads a file of one line, or none."""
        file = self.java.folder / name  # where a worker that runs as somebody else can read it
        file.write_text(line)
        file.chmod(0o644)
        return {
            "name": name,
            "connector.class": FILE_SOURCE,
            "tasks.max": "1",
            "file": str(file),
            "topic": f"{self.group}-lines",
            "topic.creation.default.replication.factor": "1",
            "topic.creation.default.partitions": "1",
        }

    def begin(self) -> None:
        """What Headwater has written before any Java worker was there."""
        unknown = {"name": "running", "connector.class": "headwater.NobodyKnows"}
        writer = ConfigWriter(self.log, leader_id(self.settings), lambda: True)
        writer.claim()
        paused = self.file_source("paused")
        writer.write(
            records.config_messages(
                self.topics.configs,
                [
                    *records.connector_records("paused", paused, "PAUSED"),
                    *records.task_records("paused", [self.task(paused)]),
                    *records.connector_records("stopped", self.file_source("stopped"), "STOPPED"),
                    *records.connector_records("running", unknown),
                    *records.task_records("running", [{"task.class": "headwater.NobodyKnows"}]),
                    *records.connector_records("gone", self.file_source("gone"), "PAUSED"),
                    *records.files_records(["running"]),
                ],
            )
        )
        writer.write(records.config_messages(self.topics.configs, records.forget_records(Configured("gone", {}))))
        writer.release()
        self.statuses.put_connector("running", OURS)
        self.statuses.put_task(TaskKey("running", 0), OURS)
        self.statuses.put_task(TaskKey("running", 0, 2), OURS)
        self.statuses.put_topics("running", 0, ["orders"], 1)
        assert self.statuses.flush(90)
        self.java.start()

    def task(self, connector: dict[str, str]) -> dict[str, str]:
        """As the connector itself would plan it."""
        return {**connector, "task.class": FILE_SOURCE.replace("Connector", "Task")}

    def configured(self, name: str) -> Configured | None:
        self.config.refresh(90)
        return self.config.connectors().get(name)

    def session_key(self) -> SessionKey:
        def read() -> SessionKey | None:
            self.config.refresh(90)
            return self.config.session_key()

        wait_for(read, "a session key")
        key = read()
        assert key is not None
        return key

    def state(self, name: str) -> list[str]:
        """What we read, of the connector and its tasks."""
        self.statuses.refresh(90)
        told = self.statuses.told(name)
        return [status.state for status in (told.connector, *told.tasks.values()) if status is not None]

    def close(self) -> None:
        self.java.close()
        self.between.close()
        self.statuses.close()
        self.config.close()
        self.log.close()


@pytest.fixture(scope="module")
def scene(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with closing(Scene(kafka, tmp_path_factory.mktemp("files"))) as made:
        made.begin()
        yield made


def test_a_java_worker_starts_on_what_headwater_has_written(scene: Scene) -> None:
    java = scene.java
    assert set(java.request("GET", "/connectors")) >= {"paused", "running", "stopped"}
    assert "gone" not in java.request("GET", "/connectors")
    java.wait_for_state("paused", "PAUSED")
    java.wait_for_state("stopped", "STOPPED")
    assert java.states("paused") == ["PAUSED", "PAUSED"] and java.states("stopped") == ["STOPPED"]
    told = {"state": "RUNNING", "worker_id": "headwater:8083", "version": "1.0"}
    status = java.request("GET", "/connectors/running/status")
    assert status["connector"] == told and status["tasks"] == [{"id": 0, **told}]
    assert java.request("GET", "/connectors/running/topics") == {"running": {"topics": ["orders"]}}
    assert java.request("GET", "/connectors/paused")["config"] == scene.file_source("paused")


def test_what_a_java_worker_writes_is_read(scene: Scene) -> None:
    java, raw = scene.java, scene.file_source("made", "one line\n")
    java.create("made", raw)
    wait_for(lambda: scene.state("made") == ["RUNNING", "RUNNING"], "RUNNING on the status topic")
    wait_for(lambda: scene.statuses.refresh(90) or scene.statuses.topics("made"), "the topic that it writes to")
    assert scene.statuses.topics("made") == [raw["topic"]]
    told = scene.statuses.told("made")
    for status in (told.connector, *told.tasks.values()):
        assert status is not None and status.worker_id == scene.worker_id
        assert status.generation > 0 and status.version == connect.VERSION and not status.trace
    made = scene.configured("made")
    assert made is not None and made.raw == raw and made.target == "STARTED" and not made.inconsistent
    assert [dict(task) for task in made.tasks] == [scene.task(raw)]

    java._settled("PUT", "/connectors/made/pause")
    wait_for(lambda: scene.state("made") == ["PAUSED", "PAUSED"], "PAUSED on the status topic")
    assert scene.configured("made") == Configured("made", raw, "PAUSED", made.tasks, new_tasks=True)
    java.stop_connector("made")
    wait_for(lambda: scene.state("made") == ["STOPPED"], "STOPPED on the status topic")
    assert scene.configured("made") == Configured("made", raw, "STOPPED", new_tasks=True)

    scene.config.take_restarts()
    java._settled("POST", "/connectors/made/restart?includeTasks=true&onlyFailed=false")
    java.request("PUT", "/admin/loggers/org.reflections?scope=cluster", {"level": "ERROR"})
    scene.config.refresh(90)
    assert scene.config.take_restarts() == [RestartRequest("made", True, False)]
    assert scene.config.take_logger_levels() == [("org.reflections", "ERROR")]

    java.delete_connector("made")
    wait_for(lambda: scene.configured("made") is None, "the connector's end")
    wait_for(lambda: scene.state("made") == [], "the end of its states")


def test_a_java_leader_takes_what_we_have_signed(scene: Scene) -> None:
    tasks = [{**scene.task(scene.file_source("paused")), "batch.size": "2001", "umlaut": "ü"}]
    body, url = orjson.dumps(tasks), f"{scene.java.url}/connectors/paused/tasks"
    json = {"Content-Type": "application/json"}
    key = scene.session_key()
    assert not POLICY.is_due(key, key.created_ms)
    other = SessionKey(b"x" * 32, key.algorithm, key.created_ms)
    assert ask("POST", url, body, json)[0] == 400
    assert ask("POST", url, body, {**json, **signature_headers(other, body, POLICY)})[0] == 403
    wait_for(lambda: ask("POST", url, body, {**json, **signature_headers(key, body, POLICY)})[0] in (200, 204), "a yes")
    found = scene.configured("paused")
    assert found is not None and [dict(task) for task in found.tasks] == tasks


def owners(java: ConnectWorker, names: Sequence[str]) -> set[str]:
    """Ids of the workers that have these connectors."""
    return {java.request("GET", f"/connectors/{name}/status")["connector"]["worker_id"] for name in names}


def test_what_a_java_worker_has_signed_is_taken(scene: Scene) -> None:
    """The second worker asks the first one, its leader, to write down how its connectors are split."""
    java, names = scene.java, [f"shared{number}" for number in range(6)]
    for name in names:
        java.create(name, scene.file_source(name))
    with connect.running(scene.bootstrap, settings=scene.settings) as second:
        wait_for(lambda: f"127.0.0.1:{second.port}" in owners(java, names), "a connector of the second worker")
        for name in names:
            second.create(name, {**scene.file_source(name), "batch.size": "7"})
        wait_for(scene.between.signed, "a signed request")
        for name in names:
            second.delete_connector(name)
    key = scene.session_key()
    for request in scene.between.signed():
        assert request.method == "POST" and request.path.startswith("/connectors/shared")
        check_signature(key, request.body, request.headers, POLICY)
        assert orjson.loads(request.body)[0]["batch.size"] == "7"
