"""`headwater run` as its user starts it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.plugins.counting.source import make_upstream
from tests.servers.worker import COMMAND

from .conftest import Scene

pytestmark = pytest.mark.system


def wait_for(condition: Callable[[], object], timeout_s: float = 300) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def run(scene: Scene, *options: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    files = [str(scene.source_file), str(scene.view_file)]
    command = [*COMMAND, "run", *files, "--data", str(scene.folder / "data"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def test_until_caught_up_and_again(scene: Scene) -> None:
    ended = run(scene, "--until-caught-up", "--listen", "none", "--json")
    assert ended.returncode == 0, ended.stderr
    assert scene.rows() == list(range(501))
    assert [status["name"] for status in json.loads(ended.stdout)] == ["counter", "view"]
    assert "counter: created\nview: created\n" in ended.stderr
    assert ended.stderr.rstrip().count("caught up: everything that was there is where it belongs") == 1
    assert "\x1b" not in ended.stderr
    make_upstream(scene.upstream, 700)
    ended = run(scene, "--until-caught-up", "--listen", "none")
    assert ended.returncode == 0, ended.stderr
    assert "counter: unchanged\n" in ended.stderr
    assert ended.stdout == ""
    assert scene.rows() == list(range(701))


def test_a_connector_that_fails_for_good_ends_the_wait(scene: Scene) -> None:
    scene.write_source("transforms: {bad: {type: Misbehave, at: 100, how: error}}\nrestart.max.attempts: 0\n")
    ended = run(scene, "--until-caught-up", "--listen", "none")
    assert ended.returncode == 1
    assert "error: connector counter task 0 has FAILED" in ended.stderr
    assert "100 is not wanted" in ended.stderr


def test_nothing_starts_with_a_broken_file_or_a_port_that_is_taken(scene: Scene) -> None:
    scene.write_source("count.topics: x\n")
    ended = run(scene, "--until-caught-up", "--listen", "none")
    assert ended.returncode == 1
    assert f"{scene.source_file}:6: count.topics: unknown option (did you mean count.topic?)" in ended.stderr
    scene.write_source()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run(scene, "--listen", f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"error: the REST API cannot listen on 127.0.0.1:{port}: " in ended.stderr
    assert not (scene.folder / "data").exists()


def test_two_workers_cannot_share_a_data_directory(scene: Scene) -> None:
    scene.worker.start()
    ended = run(scene, "--listen", "none")
    assert ended.returncode == 1
    assert f"is used by another worker, process {scene.worker.pid}" in ended.stderr


def test_a_data_directory_that_cannot_be_made_is_named(scene: Scene) -> None:
    (scene.folder / "file").write_text("")
    ended = run(scene, "--listen", "none", "--data", str(scene.folder / "file" / "data"))
    assert ended.returncode == 1
    assert f"error: the data directory {scene.folder}/file/data cannot be used: Not a directory" in ended.stderr
    assert "--data DIR" in ended.stderr and "mistake" not in ended.stderr


def test_edits_are_applied_to_what_they_concern_alone(scene: Scene) -> None:
    worker = scene.worker.start()
    wait_for(lambda: len(scene.rows()) == 501)

    def pid(name: str) -> int:
        return int(worker.get(f"/connectors/{name}/status")["tasks"][0]["pid"] or 0)

    view_pid, counter_pid = pid("view"), pid("counter")

    def said(text: str) -> bool:
        return text in worker.log.read_text()

    scene.write_source("cuont.topic: x\n")
    wait_for(lambda: said(":6: cuont.topic: unknown option (did you mean count.topic?)"))
    assert said("the edit is not applied; everything runs on as before")
    make_upstream(scene.upstream, 600)
    wait_for(lambda: len(scene.rows()) == 601)

    scene.write_source("errors.log.enable: true\n")
    wait_for(lambda: said("counter: changed"))
    wait_for(lambda: pid("counter") not in (0, counter_pid))
    make_upstream(scene.upstream, 700)
    wait_for(lambda: len(scene.rows()) == 701)
    assert scene.rows() == list(range(701))
    assert pid("view") == view_pid

    scene.source_file.write_text("connectors: []\n")
    wait_for(lambda: said("counter: deleted"))
    wait_for(lambda: worker.get("/connectors") == ["view"])


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_graceful_end_reads_nothing_twice(scene: Scene, sig: signal.Signals) -> None:
    files = [str(scene.source_file), str(scene.view_file), "--data", str(scene.folder / "data"), "--listen", "none"]
    process = subprocess.Popen([*COMMAND, "run", *files], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(scene.rows()) > 0)
    process.send_signal(sig)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "stopping: tasks write what they hold" in stderr
    ended = run(scene, "--until-caught-up", "--listen", "none")
    assert ended.returncode == 0, ended.stderr
    assert scene.rows() == list(range(501))


def test_brokers_that_do_not_answer_are_named_and_keep_nobody_waiting(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections come about, and that is all
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        workers = []
        for name in ("waits", "interrupted"):
            file = scene.folder / f"{name}.yaml"
            file.write_text(f"bootstrap.servers: {address}\n")
            command = [*COMMAND, "run", str(scene.source_file), "--worker", str(file), "--listen", "none"]
            command += ["--data", str(scene.folder / name)]
            workers.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        waits, interrupted = workers
        silent.settimeout(120)
        asked = [silent.accept()[0] for _ in workers]
        time.sleep(1)
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.communicate(timeout=120)[1].endswith("interrupted\n")
        assert interrupted.returncode == 130
        said = waits.communicate(timeout=120)[1]
        assert waits.returncode == 1
        assert address in said and "This worker was not started" in said, said
        for one in asked:
            one.close()
