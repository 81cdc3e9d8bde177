"""Whatever is asked of any worker is done, wherever it has to be done; and done wholly, or not at all."""

from __future__ import annotations

import itertools
import threading
import urllib.error
from collections import Counter
from typing import Any

import pytest

from tests.plugins.counting.source import make_upstream
from tests.servers.worker import MemberProcess
from tests.system.runtime.scene import eventually, once_each

from .cluster import Cluster
from .counted import moved

pytestmark = [pytest.mark.system, pytest.mark.long]


class Asker:
    """Asks another worker each time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._turns = itertools.cycle(cluster.workers)

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        return self.cluster.ask(next(self._turns), method, path, body)

    def all_say(self, path: str, wanted: object, part: Any = lambda answer: answer) -> None:
        """`part` of what each worker answers becomes `wanted`."""

        def said() -> bool:
            return all(part(answer_of(worker, path)) == wanted for worker in self.cluster.alive)

        eventually(said, 300)


def answer_of(worker: MemberProcess, path: str) -> Any:
    """404: None."""
    try:
        return worker.get(path)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


def states(status: Any) -> list[str]:
    return [] if status is None else [status["connector"]["state"], *(task["state"] for task in status["tasks"])]


def test_asked_of_any_worker(three: Cluster) -> None:
    scene, ask = three.scene, Asker(three)
    counter, view = f"/connectors/{scene.counter}", f"/connectors/{scene.view}"
    wanted = {scene.counter: 2, scene.view: 1}
    ask("PUT", f"{counter}/config", scene.source(tasks_max=2))
    ask("PUT", f"{view}/config", scene.sink())
    three.settled(wanted)
    eventually(lambda: scene.rows() == Counter(once_each(200)), 300)

    for _ in three.workers:
        ask("PUT", f"{counter}/pause")
        ask.all_say(f"{counter}/status", ["PAUSED"] * 3, states)
        ask("PUT", f"{counter}/resume")
        ask.all_say(f"{counter}/status", ["RUNNING"] * 3, states)
    ask("PUT", f"{counter}/pause")
    ask.all_say(f"{counter}/status", ["PAUSED"] * 3, states)
    make_upstream(scene.upstream, 300)
    ask("PUT", f"{counter}/stop")
    ask.all_say(f"{counter}/status", ["STOPPED"], states)
    assert scene.numbers() == Counter(once_each(200)), "who rests does not count"

    ask("DELETE", f"{counter}/offsets")
    ask.all_say(f"{counter}/offsets", {"offsets": []})
    ask("PUT", f"{counter}/resume")
    three.settled(wanted)
    twice = Counter(once_each(200)) + Counter(once_each(300))
    eventually(lambda: scene.numbers() == twice and scene.rows() == twice, 300)
    ask("PUT", f"{counter}/stop")
    ask.all_say(f"{counter}/status", ["STOPPED"], states)
    ahead = [{"partition": {"task": task}, "offset": {"format": 1, "n": 400 + task}} for task in (0, 1)]
    ask("PATCH", f"{counter}/offsets", {"offsets": ahead})
    ask.all_say(f"{counter}/offsets", ahead, lambda answer: sorted(answer["offsets"], key=str))
    make_upstream(scene.upstream, 500)
    ask("PUT", f"{counter}/resume")
    twice += Counter(range(402, 501))
    eventually(lambda: scene.numbers() == twice and scene.rows() == twice, 300)

    before = three.settled(wanted)
    for key in before:
        after = restarted_task(three, ask, key, wanted)
        assert moved(before, after) == {key}
        before = after
    ask("POST", f"{counter}/restart?includeTasks=true")
    eventually(lambda: len(moved(before, three.told(three.workers[0]))) == 2, 300)
    assert moved(before, three.settled(wanted)) == {(scene.counter, 0), (scene.counter, 1)}
    levels_and_topics(three, ask, counter)

    ask("PATCH", f"{counter}/config", {"tasks.max": "3"})
    three.settled(wanted | {scene.counter: 3})
    ask("DELETE", counter)
    ask.all_say(counter, None)
    three.settled({scene.view: 1})
    ask.all_say("/connectors", [scene.view])


def restarted_task(three: Cluster, ask: Asker, key: tuple[str, int], wanted: dict[str, int]) -> Any:
    before = three.settled(wanted)
    ask("POST", f"/connectors/{key[0]}/tasks/{key[1]}/restart")
    eventually(lambda: moved(before, three.told(three.workers[0])), 300)
    return three.settled(wanted)


def levels_and_topics(three: Cluster, ask: Asker, counter: str) -> None:
    scene = three.scene
    for level in ("DEBUG", "WARN", "INFO"):
        ask("PUT", "/admin/loggers/headwater.worker.runtime?scope=cluster", {"level": level})
        ask.all_say("/admin/loggers/headwater.worker.runtime", level, lambda answer: answer and answer["level"])
    ask.all_say(f"{counter}/topics", {scene.counter: {"topics": [scene.topic]}})
    ask("PUT", f"{counter}/topics/reset")
    ask.all_say(f"{counter}/topics", {scene.counter: {"topics": []}})
    make_upstream(scene.upstream, 600)
    ask.all_say(f"{counter}/topics", {scene.counter: {"topics": [scene.topic]}})


def test_a_leader_dies_while_it_writes(three: Cluster) -> None:
    """Stopped connectors are created without pause by two who ask, and the leader is killed, twice."""
    done: set[str] = set()
    ending = threading.Event()
    scene = three.scene

    def create(number: int, by: MemberProcess) -> None:
        for count in itertools.count():
            name = f"c{number}-{count}"
            body = {"name": name, "config": scene.source(name=name, tasks_max=2), "initial_state": "STOPPED"}
            if ending.is_set():
                return
            try:
                by.request("POST", "/connectors", body)
                done.add(name)
            except (OSError, urllib.error.HTTPError):
                ending.wait(0.2)

    for _ in range(2):
        leader = three.leader()
        ending.clear()
        others = [worker for worker in three.workers if worker is not leader]
        askers = [
            threading.Thread(target=create, args=(number + len(done), by), daemon=True)
            for number, by in enumerate(others)
        ]
        for one in askers:
            one.start()
        before = len(done)
        eventually(lambda before=before: len(done) >= before + 3, 300)  # type: ignore[misc]
        leader.kill()
        before = len(done)
        eventually(lambda before=before: len(done) >= before + 2, 300)  # type: ignore[misc]
        ending.set()
        for one in askers:
            one.join(120)
        leader.start()
        eventually(lambda: whole(three, done), 300)
    assert not three.processes()


def whole(three: Cluster, done: set[str]) -> bool:
    """All that was promised is there, on every worker the same, and nothing is there by half."""
    told = [worker.get("/connectors?expand=status&expand=info") for worker in three.workers]
    assert all(one["info"]["config"]["tasks.max"] == "2" for one in told[0].values())
    said = [{name: states(one["status"]) for name, one in answer.items()} for answer in told]
    return (
        said[0] == said[1] == said[2] and done <= set(said[0]) and all(one == ["STOPPED"] for one in said[0].values())
    )
