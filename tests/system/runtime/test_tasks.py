"""Tasks in their processes: killed, cut off, stopped, broken. Counted at the upstream, on the log and in the view."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from headwater.worker.observe.health import Stall
from headwater.worker.runtime.supervisor import Supervisor
from tests.plugins.counting.source import FAR_AHEAD_MS, make_upstream, set_mood

from .scene import Scene, eventually, once_each, state_of, work

pytestmark = pytest.mark.system


def test_every_number_reaches_the_view_once(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 5_000)
    supervisor.run("source", work(scene.spec(scene.source())))
    supervisor.run("sink", work(scene.spec(scene.sink())))
    eventually(lambda: sum(scene.rows().values()) >= 5_001)
    assert scene.rows() == once_each(5_000)
    assert state_of(supervisor, "counter")["state"] == "RUNNING"
    eventually(lambda: state_of(supervisor, "counter")["caught_up"])
    message = next(m for m in scene.messages() if b'"n":4711' in (m.value or b""))
    assert dict(message.headers) == {"headwater.version": b"4711"}
    assert message.timestamp_ms == FAR_AHEAD_MS + 4711


def test_a_full_queue_stops_reading_but_not_acknowledging(tmp_path: Path, supervisor: Supervisor) -> None:
    """The log is held up by a lock on its file: memory stays bounded and the upstream still hears from the task."""
    scene = Scene(tmp_path, 10_000_000)
    supervisor.run("source", work(scene.spec(scene.source(count_padding=10_000, count_batch=500))))
    eventually(lambda: len(scene.messages()) > 100)
    pid = state_of(supervisor, "counter")["pid"]
    with open(scene.data / "log.db-lock", "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        time.sleep(2)
        before, read = _memory_kb(pid), state_of(supervisor, "counter")["metrics"]["records_in"]
        acked = scene.asked("SELECT count(*) FROM acked")[0][0]
        time.sleep(8)
        assert state_of(supervisor, "counter")["metrics"]["records_in"] == read
        assert _memory_kb(pid) < before + 20_000
        assert scene.asked("SELECT count(*) FROM acked")[0][0] > acked
        fcntl.flock(held, fcntl.LOCK_UN)
    eventually(lambda: state_of(supervisor, "counter")["metrics"].get("records_in", 0) > read)


def _memory_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def test_a_source_that_is_down_is_opened_again(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 1_000)
    set_mood(scene.upstream, "down")
    supervisor.run("source", work(scene.spec(scene.source())))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "RESTARTING")
    assert "down" in state_of(supervisor, "counter")["reason"]
    pid = state_of(supervisor, "counter")["pid"]
    set_mood(scene.upstream, "")
    eventually(lambda: len(scene.numbers()) == 1_001)
    assert state_of(supervisor, "counter")["state"] == "RUNNING"
    assert state_of(supervisor, "counter")["pid"] == pid
    assert scene.numbers() == once_each(1_000)


def test_a_view_that_is_down_is_written_when_it_is_back(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 1_000)
    down = tmp_path / "down"
    down.touch()
    supervisor.run("source", work(scene.spec(scene.source())))
    supervisor.run("sink", work(scene.spec(scene.sink(table_mood_file=down))))
    eventually(lambda: state_of(supervisor, "view")["state"] == "RESTARTING")
    down.unlink()
    eventually(lambda: len(scene.rows()) == 1_001)
    assert scene.rows() == once_each(1_000)


def test_what_cannot_run_becomes_failed_and_harms_nobody(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 1_000)
    broken = Scene(tmp_path / "broken", 10)
    set_mood(broken.upstream, "broken")
    bad = {**broken.source(restart_max_attempts=2), "name": "bad"}
    supervisor.run("bad", work(scene.spec(bad)))
    supervisor.run("source", work(scene.spec(scene.source())))
    eventually(lambda: state_of(supervisor, "bad")["state"] == "FAILED")
    failed = state_of(supervisor, "bad")
    assert failed["reason"] == "the upstream is broken"
    assert "Fatal: the upstream is broken" in failed["trace"]
    assert failed["restarts"] == 2
    eventually(lambda: len(scene.numbers()) == 1_001)
    set_mood(broken.upstream, "")
    assert supervisor.restart("bad")
    eventually(lambda: state_of(supervisor, "bad")["state"] == "RUNNING")


def test_a_wrong_config_is_not_tried_again(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 10)
    supervisor.run("bad", work(scene.spec({**scene.source(), "count.batch": "many"})))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    assert "count.batch: must be a whole number" in state_of(supervisor, "counter")["reason"]
    assert state_of(supervisor, "counter")["restarts"] == 0


def misbehaving(raw: dict[str, str], how: str, **options: str) -> dict[str, str]:
    stage = {"transforms": "odd", "transforms.odd.type": "Misbehave", "transforms.odd.at": "50"}
    return raw | stage | {"transforms.odd.how": how} | {n.replace("_", "."): v for n, v in options.items()}


def test_a_crash_in_native_code_is_told_and_ends_at_the_process(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 100)
    raw = misbehaving(scene.source(count_batch=10), "crash", restart_max_attempts="1")
    supervisor.run("source", work(scene.spec(raw)))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    assert "SIGSEGV" in state_of(supervisor, "counter")["reason"]
    assert "misbehave.py" in state_of(supervisor, "counter")["trace"]
    numbers = scene.numbers()
    assert numbers == once_each(len(numbers) - 1) and len(numbers) <= 50


def test_prints_of_a_plugin_do_not_break_the_line(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 100)
    supervisor.run("source", work(scene.spec(misbehaving(scene.source(), "print"))))
    eventually(lambda: len(scene.numbers()) == 101)
    assert state_of(supervisor, "counter")["state"] == "RUNNING"


def test_a_plugin_that_exits_has_failed(tmp_path: Path, supervisor: Supervisor) -> None:
    """Not ended in good order, for which it would be started again and again."""
    scene = Scene(tmp_path, 100)
    supervisor.run("source", work(scene.spec(misbehaving(scene.source(), "exit", restart_max_attempts="0"))))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    assert "misbehave.py" in state_of(supervisor, "counter")["trace"]
    assert "SystemExit" in state_of(supervisor, "counter")["trace"]


@pytest.mark.parametrize("how", ["error", "bug", "odd"])
def test_a_bad_record_stops_the_task_or_is_skipped(tmp_path: Path, supervisor: Supervisor, how: str) -> None:
    scene = Scene(tmp_path, 100)
    raw = misbehaving(scene.source(count_batch=10), how, restart_max_attempts="0")
    supervisor.run("source", work(scene.spec(raw)))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    told = state_of(supervisor, "counter")
    assert "errors.tolerance" in told["reason"]
    assert "misbehave.py" in told["trace"] or how != "odd"
    assert all(len(told[text]) < 200_000 for text in ("reason", "trace"))
    assert scene.numbers() == once_each(49)
    supervisor.run("source", work(scene.spec(raw | {"errors.tolerance": "all"})))
    eventually(lambda: len(scene.numbers()) == 100)
    eventually(lambda: state_of(supervisor, "counter")["metrics"].get("records_skipped") == 1)


@pytest.mark.parametrize("how", ["error", "odd"])
def test_bad_records_of_a_sink_go_to_the_dead_letter_queue(tmp_path: Path, supervisor: Supervisor, how: str) -> None:
    """`odd`: also where the error is longer than what the queue takes, and is no text that can be encoded."""
    scene = Scene(tmp_path, 100)
    supervisor.run("source", work(scene.spec(scene.source())))
    raw = misbehaving(
        scene.sink(table_refuses=70),
        how,
        errors_tolerance="all",
        errors_deadletterqueue_topic_name="dead",
        errors_deadletterqueue_context_headers_enable="true",
    )
    supervisor.run("sink", work(scene.spec(raw)))
    eventually(lambda: len(scene.rows()) == 99)
    assert scene.numbers("dead") == {50: 1, 70: 1}
    originals = {m.offset: m for m in scene.messages() if m.value and b'"n":70' in m.value}
    refused = next(m for m in scene.messages("dead") if m.value and b'"n":70' in m.value)
    headers: dict[str, Any] = dict(refused.headers)
    original = originals[int(headers["__connect.errors.offset"])]
    assert (refused.key, refused.value) == (original.key, original.value)
    assert headers["headwater.version"] == b"70"
    assert headers["__connect.errors.topic"] == b"numbers"
    assert headers["__connect.errors.stage"] == b"TASK_PUT"
    assert headers["__connect.errors.connector.name"] == b"view"
    assert b"70 is refused" in headers["__connect.errors.exception.message"]


def test_a_dead_letter_is_durable_before_the_view_is(tmp_path: Path, supervisor: Supervisor) -> None:
    """Also where the sink makes earlier batches durable when it is given the next one, and is killed right after."""
    scene = Scene(tmp_path, 30_000)  # more than the sink is given at once
    supervisor.run("source", work(scene.spec(scene.source(count_batch=1000))))
    eventually(lambda: state_of(supervisor, "counter").get("caught_up"))
    died = tmp_path / "died"
    options = {"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead", "table.dies.file": str(died)}
    supervisor.run("sink", work(scene.spec(scene.sink(table_refuses=70) | options)))
    eventually(lambda: len(scene.rows()) == 30_000)
    assert died.exists()
    assert scene.numbers("dead") == {70: 1}


def test_a_record_too_large_for_its_topic(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 3)
    raw = scene.source(count_padding=2_000, restart_max_attempts=0) | {
        "topic.creation.default.partitions": "2",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.max.message.bytes": "1000",
    }
    supervisor.run("source", work(scene.spec(raw)))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    reason = state_of(supervisor, "counter")["reason"]
    assert "numbers" in reason and "max.message.bytes" in reason


def test_another_partition_count_is_an_error(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 3)
    supervisor.run("source", work(scene.spec(scene.source())))
    eventually(lambda: len(scene.numbers()) == 4)
    supervisor.run(
        "source", work(scene.spec(scene.source(restart_max_attempts=0, topic_creation_default_partitions=5)))
    )
    make_upstream(scene.upstream, 10)
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    assert "partition" in state_of(supervisor, "counter")["reason"]


def test_pause_and_resume(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 100)
    spec = scene.spec(scene.source())
    supervisor.run("source", work(spec))
    eventually(lambda: len(scene.numbers()) == 101)
    supervisor.pause("source", replace(work(spec), paused=True))
    eventually(lambda: state_of(supervisor, "counter")["state"] == "PAUSED")
    make_upstream(scene.upstream, 200)
    time.sleep(1)
    assert len(scene.numbers()) == 101
    supervisor.pause("source", work(spec))
    eventually(lambda: len(scene.numbers()) == 201)


def test_a_task_that_hangs_is_killed_after_its_grace(tmp_path: Path) -> None:
    impatient = Supervisor(grace_s=0.5, stall=Stall(after_s=1))
    impatient.start()
    scene = Scene(tmp_path, 100)
    try:
        impatient.run("source", work(scene.spec(scene.source())))
        eventually(lambda: len(scene.numbers()) == 101)
        set_mood(scene.upstream, "hang")
        eventually(lambda: state_of(impatient, "counter").get("stalled"))
        assert "has not returned" in state_of(impatient, "counter")["stalled"]
        pid = state_of(impatient, "counter")["pid"]
        impatient.stop("source")
        eventually(lambda: state_of(impatient, "counter")["state"] == "GONE", 5)
        assert not os.path.exists(f"/proc/{pid}")
    finally:
        impatient.stop_all()


def test_secrets_stay_out_of_sight(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTING_SECRET", "tops3cret!")
    scene = Scene(tmp_path, 100)
    raw = misbehaving(scene.source(restart_max_attempts=0, count_password="${env:COUNTING_SECRET}"), "leak")
    supervisor.run("source", work(scene.spec(raw)))
    eventually(lambda: state_of(supervisor, "counter")["pid"])
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    eventually(lambda: state_of(supervisor, "counter")["state"] == "FAILED")
    failed = state_of(supervisor, "counter")
    assert "could not connect with ***" in failed["trace"]
    logged = "".join(capfd.readouterr())
    assert "could not connect" in logged
    for text in (lines, str(failed), logged):
        assert "tops3cret!" not in text


def test_log_levels_reach_tasks_that_run_and_those_that_start(
    tmp_path: Path, supervisor: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    scene, other = Scene(tmp_path, 10), Scene(tmp_path / "other", 10)
    logged: list[str] = []

    def said(text: str) -> bool:
        logged.append("".join(capfd.readouterr()))
        return text in "".join(logged)

    def said_of_more() -> bool:
        make_upstream(scene.upstream, 10 + 10 * len(logged))
        return said("[counter task 0] misbehave: number ")

    supervisor.run("source", work(scene.spec(misbehaving(scene.source(), "talk"))))
    eventually(lambda: len(scene.numbers()) == 11)
    assert not said("number 10")
    supervisor.set_log_levels({"counting.misbehave": "DEBUG"})
    eventually(said_of_more)
    supervisor.run("other", work(other.spec({**misbehaving(other.source(), "talk"), "name": "other"})))
    eventually(lambda: said("[other task 0] misbehave: number 10"))


def test_a_task_dies_with_its_supervisor(tmp_path: Path) -> None:
    scene = Scene(tmp_path, 10)
    code = (
        "import sys, orjson\n"
        "from headwater.worker.runtime.supervisor import Supervisor\n"
        "from headwater.worker.runtime.supervised import Work\n"
        "supervisor = Supervisor(); supervisor.start()\n"
        "supervisor.run('x', Work('headwater.worker.runtime.task_process', orjson.loads(sys.stdin.read()), {}))\n"
        "import time; time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert parent.stdin is not None
    parent.stdin.write(orjson.dumps(scene.spec(scene.source()).as_dict()))
    parent.stdin.close()
    eventually(lambda: len(scene.asked("SELECT * FROM opened")) == 1)
    pid = scene.asked("SELECT pid FROM opened")[0][0]
    parent.kill()
    parent.wait()
    eventually(lambda: not os.path.exists(f"/proc/{pid}") or _zombie(pid))


def _zombie(pid: int) -> bool:
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
