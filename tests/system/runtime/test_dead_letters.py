"""Dead letters of a sink: shown, mended, put through once more; killed in the middle. On both logs."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from headwater.worker.config.secrets import Redactor
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.letter_report import ask_for_replay, report
from headwater.worker.runtime.record_json import load_record
from headwater.worker.runtime.supervisor import Supervisor
from tests.plugins.counting.source import VALUE, make_upstream
from tests.servers.process import kill_group

from .scene import Scene, eventually, once_each, state_of, work

pytestmark = pytest.mark.system


class Queue:
    """The dead letter queue of the scene's view, or of another connector."""

    def __init__(self, scene: Scene, connector: str = "") -> None:
        self.scene = scene
        self.connector = connector or scene.view
        self.name = f"dead-{self.connector}"
        self.views = InternalTopics.of(scene.settings).views

    def options(self, context: bool = True) -> dict[str, str]:
        return {
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": self.name,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": str(context).lower(),
        }

    def report(self, most: int = 5) -> dict[str, Any]:
        with closing(self.scene.log()) as log:
            return report(log, self.views, self.connector, 1, self.name, most, Redactor(["hush"]).redact)

    def ask(self) -> str:
        with closing(self.scene.log()) as log:
            return ask_for_replay(log, self.views, self.connector, self.name).id

    def replay(self) -> dict[str, Any]:
        """The report once the tasks are done with it."""
        self.ask()
        eventually(lambda: not self.report(0)["asked_for"])
        return self.report()


def failing(raw: dict[str, str], at: int, to: int = -1) -> dict[str, str]:
    stage = {"transforms": "odd", "transforms.odd.type": "Misbehave", "transforms.odd.how": "error"}
    return raw | stage | {"transforms.odd.at": str(at), "transforms.odd.to": str(to)}


def mend(supervisor: Supervisor, scene: Scene, raw: dict[str, str]) -> None:
    """The connector runs with another config; returns when it does."""
    name = raw["name"]
    before = state_of(supervisor, name)["pid"]
    supervisor.run("sink" if name == scene.view else "source", work(scene.spec(raw)))
    eventually(lambda: state_of(supervisor, name)["pid"] not in (None, before))
    eventually(lambda: state_of(supervisor, name)["state"] == "RUNNING")


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in report["replays"].items() if count}


def test_mended_letters_reach_the_view_once(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    scene = Scene(tmp_path, 200, any_log)
    queue = Queue(scene)
    raw = scene.sink(table_refuses=70) | queue.options()
    supervisor.run("source", work(scene.spec(scene.source(count_keys=1_000))))
    supervisor.run("sink", work(scene.spec(failing(raw, 50, 59))))
    eventually(lambda: len(scene.rows()) == 190)
    found = queue.report()
    assert found["waiting"] == 11 and len(found["letters"]) == 5
    causes = {(c["stage"], c["exception"].rpartition(".")[2]): c["count"] for c in found["causes"]}
    assert causes == {("TRANSFORMATION", "DataError"): 10, ("TASK_PUT", "DataError"): 1}
    letter = next(x for x in queue.report(20)["letters"] if x["stage"] == "TASK_PUT")
    assert '"n":70' in letter["value"] and letter["message"] == "70 is refused" and letter["attempt"] == 1
    assert letter["record"].startswith(scene.topic) and letter["headers"] == {"headwater.version": "70"}

    found = queue.replay()
    assert found["waiting"] == 11 and counts(found) == {"failed": 11}
    assert {letter["attempt"] for letter in found["letters"]} == {2}

    mend(supervisor, scene, failing(raw, 55))
    found = queue.replay()
    assert found["waiting"] == 2 and counts(found) == {"failed": 13, "replayed": 9}
    mend(supervisor, scene, scene.sink() | queue.options())
    found = queue.replay()
    assert found["waiting"] == 0 and counts(found) == {"failed": 13, "replayed": 11}
    assert scene.rows() == once_each(200)
    assert counts(queue.replay()) == {"failed": 13, "replayed": 11}
    assert scene.rows() == once_each(200)


def test_a_letter_does_not_overtake_newer_records(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]
) -> None:
    """Numbers 95 to 99 fail; 95 to 98 are followed by others of their keys before the replay, 99 is not."""
    scene = Scene(tmp_path, 99, any_log)
    queue = Queue(scene)
    raw = scene.sink() | queue.options(context=False)
    supervisor.run("source", work(scene.spec(scene.source(count_keys=99))))
    supervisor.run("sink", work(scene.spec(failing(raw, 95, 99))))
    eventually(lambda: len(scene.rows()) == 95)
    make_upstream(scene.upstream, 100 + 97)
    eventually(lambda: len(scene.rows()) == 95 + 98)
    mend(supervisor, scene, raw)
    found = queue.replay()
    assert found["waiting"] == 0
    assert counts(found) == {"superseded": 4, "replayed": 1}
    rows = scene.rows()
    assert rows[99] == 1 and not any(rows[n] for n in (95, 96, 97, 98))


@pytest.mark.long
def test_killed_in_the_middle_of_a_replay(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    limit = 4_999
    scene = Scene(tmp_path, limit, any_log)
    queue = Queue(scene)
    raw = scene.sink(restart_max_attempts=-1) | queue.options()
    supervisor.run("source", work(scene.spec(scene.source(count_keys=100_000, count_batch=1_000))))
    for task in range(2):
        supervisor.run(f"sink{task}", work(scene.spec(failing(raw, 0, limit - 1), task, 2)))
    eventually(lambda: len(scene.rows()) == 1 and queue.report(0)["waiting"] == limit)
    before = {s["pid"] for s in supervisor.snapshot() if s["connector"] == scene.view}
    for task in range(2):
        supervisor.run(f"sink{task}", work(scene.spec(raw, task, 2)))
    eventually(lambda: all(s["pid"] not in before and s["state"] == "RUNNING" for s in supervisor.snapshot()
                           if s["connector"] == scene.view))  # fmt: skip
    queue.ask()
    killed = 0
    while queue.report(0)["asked_for"]:
        pids = [s["pid"] for s in supervisor.snapshot() if s["connector"] == scene.view and s["pid"]]
        if killed < 4 and sum(scene.rows().values()) > killed * 1_000:
            for pid in pids:
                kill_group(pid)
            killed += 1
        time.sleep(0.05)
    assert killed
    assert scene.rows() == once_each(limit)
    assert queue.report(0)["waiting"] == 0
    assert sum(counts(queue.report(0)).values()) == limit


def test_letters_of_a_source(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    """From a transform, in the transactions of the records beside them; of those that are followed by newer ones of
    their keys, none is written."""
    scene = Scene(tmp_path, 94, any_log)
    queue = Queue(scene, scene.counter)
    raw = scene.source(count_keys=95) | queue.options()
    supervisor.run("source", work(scene.spec(failing(raw, 50, 59))))
    eventually(lambda: len(scene.numbers()) == 85)
    found = queue.report(100)
    assert found["waiting"] == 10 and {c["stage"]: c["count"] for c in found["causes"]} == {"TRANSFORMATION": 10}
    assert {letter["record"] for letter in found["letters"]} == {None}
    assert sorted(letter["key"] for letter in found["letters"]) == [f'{{"id":{n}}}' for n in range(50, 60)]
    assert found["letters"][0]["topic"] == scene.topic
    record = load_record(next(m.value for m in scene.messages(queue.name)) or b"")
    assert record.value["n"] in range(50, 60) and record.version == record.value["n"] and record.value_schema == VALUE

    make_upstream(scene.upstream, 150)
    eventually(lambda: len(scene.numbers()) == 85 + 56)
    assert counts(queue.replay()) == {"failed": 10}
    mend(supervisor, scene, raw)
    found = queue.replay()
    assert found["waiting"] == 0 and counts(found) == {"failed": 10, "superseded": 6, "replayed": 4}
    numbers = scene.numbers()
    assert all(numbers[n] == (n not in range(50, 56)) for n in range(151)) and sum(numbers.values()) == 145
    versions = {orjson.loads(m.value or b"")["payload"]["n"]: dict(m.headers) for m in scene.messages()}
    assert versions[57] == {"headwater.version": b"57"}
    assert counts(queue.replay()) == counts(found) and scene.numbers() == numbers


def test_what_a_topic_refuses(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    scene = Scene(tmp_path, 5, any_log)
    queue = Queue(scene, scene.counter)
    small = {
        "topic.creation.default.partitions": "2",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.max.message.bytes": "2000",
    }
    supervisor.run("source", work(scene.spec(scene.source(count_padding=3_000) | queue.options() | small)))
    eventually(lambda: queue.report(0)["waiting"] == 6)
    found = queue.report(100)
    assert {c["stage"]: c["count"] for c in found["causes"]} == {"KAFKA_PRODUCE": 6}
    assert {letter["topic"] for letter in found["letters"]} == {scene.topic} and not scene.numbers()
    found = queue.replay()
    eventually(lambda: counts(queue.report(0)) == {"failed": 6})
    assert found["waiting"] == 6
    with closing(scene.log()) as log:
        log.alter_topic(scene.topic, {"max.message.bytes": "100000"})
    while queue.replay()["waiting"]:
        time.sleep(0.2)  # the task's producer hears of it in a while
    assert scene.numbers() == once_each(5)


@pytest.mark.long
def test_a_source_killed_in_the_middle_of_a_replay(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]
) -> None:
    limit = 3_999
    scene = Scene(tmp_path, limit, any_log)
    queue = Queue(scene, scene.counter)
    raw = scene.source(count_keys=100_000, count_batch=1_000, restart_max_attempts=-1) | queue.options(context=False)
    supervisor.run("source", work(scene.spec(failing(raw, 0, limit - 1))))
    eventually(lambda: len(scene.numbers()) == 1 and queue.report(0)["waiting"] == limit)
    mend(supervisor, scene, raw)
    queue.ask()
    killed = 0
    while queue.report(0)["asked_for"]:
        pid = state_of(supervisor, scene.counter).get("pid")
        if pid and killed < 3 and len(scene.numbers()) > killed * 1_000:
            kill_group(pid)
            killed += 1
        time.sleep(0.05)
    assert killed
    assert scene.numbers() == once_each(limit)
    assert counts(queue.report(0)) == {"replayed": limit}
