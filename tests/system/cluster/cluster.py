"""Workers of one cluster on one broker, and what they tell of their tasks."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.servers.kafka import KafkaServer
from tests.servers.process import children_of, name_of
from tests.servers.worker import MemberProcess
from tests.system.runtime.scene import Scene, kafka_settings

PATIENCE_S = 180.0
SESSION_MS = 6000
SETTINGS = {
    "session.timeout.ms": str(SESSION_MS),
    "heartbeat.interval.ms": "1000",
    "scheduled.rebalance.max.delay.ms": "2000",
}
TASK_MODULE = b"headwater.worker.runtime.task_process"
JOB_MODULE = b"headwater.worker.rebuild.job_process"
UNKNOWN: dict[str, Any] = {"connector": {"state": "", "worker_id": ""}, "tasks": []}


class Placed(NamedTuple):
    """How a task stands by what a worker says."""

    state: str
    worker_id: str
    pid: int | None


Told = dict[tuple[str, int], Placed]


class Cluster:
    """`settings`: of all workers, on top of those that every test has. May be added to before `start`."""

    def __init__(
        self, folder: Path, broker: KafkaServer, group: str, workers: int, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.settings = {**kafka_settings(broker.bootstrap, group), **SETTINGS, **(settings or {})}
        self.scene = Scene(folder / "scene", 200, self.settings)
        self.workers: list[MemberProcess] = []
        for _ in range(workers):
            self.add()

    def add(self, **settings: str) -> MemberProcess:
        """One more, not started. `settings`: its own, `_` for `.` in their names."""
        own = {name.replace("_", "."): value for name, value in settings.items()}
        self.workers.append(MemberProcess(self.folder, f"w{len(self.workers)}", {**self.settings, **own}))
        return self.workers[-1]

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def close(self) -> None:
        for worker in self.workers:
            if worker.running():
                worker.thaw()
            worker.kill()

    @property
    def alive(self) -> list[MemberProcess]:
        return [worker for worker in self.workers if worker.running()]

    def worker(self, worker_id: str) -> MemberProcess:
        return next(worker for worker in self.workers if worker_id == id_of(worker))

    def leader(self) -> MemberProcess:
        """Waits until the group agrees who that is."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = {sample.labels["leader_name"] for worker in self.alive for sample in samples(worker, _LEADER)}
            leaders = [worker for worker in self.alive if found == {f"{worker.url}/"}]
            if leaders:
                return leaders[0]
            assert time.monotonic() < deadline, f"nobody leads: {found}"
            time.sleep(0.2)

    # What a user asks of them.

    def ask(self, by: MemberProcess, method: str, path: str, body: object = None) -> Any:
        """Asked again where the answer is that the group is being assigned anew, as Connect's users have to."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return by.request(method, path, body)
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace")
                busy = error.code == 409 and ("rebalance" in text or "leader" in text)
                if not (busy or error.code in (500, 503)) or time.monotonic() > deadline:
                    raise AssertionError(f"{method} {path} by {by.url}: {error.code} {text}") from None
            time.sleep(0.2)

    def create(self, config: dict[str, str], by: int = 0) -> None:
        self.ask(self.workers[by], "PUT", f"/connectors/{config['name']}/config", config)

    def status(self, name: str, by: MemberProcess | None = None) -> dict[str, Any]:
        try:
            found: dict[str, Any] = (by or self.alive[0]).get(f"/connectors/{name}/status")
        except urllib.error.HTTPError:
            return UNKNOWN
        return found

    def owners(self, name: str, by: MemberProcess | None = None) -> list[str]:
        """Worker ids of the connector's running tasks, in their order."""
        return [task["worker_id"] for task in self.status(name, by)["tasks"] if task["state"] == "RUNNING"]

    def runs(self, name: str, tasks: int) -> bool:
        """All tasks run, on workers that live, and every worker says the same."""
        ids = {id_of(worker) for worker in self.alive}
        told = [self.owners(name, worker) for worker in self.alive]
        return all(len(owners) == tasks and owners == told[0] and set(owners) <= ids for owners in told)

    # All of them together.

    def told(self, by: MemberProcess) -> Told:
        """Every task of every connector, as this worker says; of a view's other generations as NAME@GENERATION."""
        found: Told = {}
        answer: dict[str, Any] = by.get("/connectors?expand=status")
        for name, one in answer.items():
            others = {f"{name}@{number}": tasks for number, tasks in one["status"]["generations"].items()}
            for key, tasks in {name: one["status"]["tasks"], **others}.items():
                found |= {(key, task["id"]): Placed(task["state"], task["worker_id"], task["pid"]) for task in tasks}
        return found

    def processes(self) -> dict[int, str]:
        """Pids of all processes of tasks that run under these workers, with their worker's id."""
        found = ((pid, worker) for worker in self.alive for pid in children_of(worker.pid))
        return {pid: id_of(worker) for pid, worker in found if TASK_MODULE in command_line(pid) and not is_spare(pid)}

    def spares(self) -> int:
        """How many processes stand ready."""
        return sum(is_spare(pid) for worker in self.alive for pid in children_of(worker.pid))

    def settled(self, tasks: Mapping[str, int]) -> Told:
        """Wait until each of so many tasks by connector runs once, and all workers say the same; where they run."""
        wanted = {(name, number) for name, count in tasks.items() for number in range(count)}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                told = [self.told(worker) for worker in self.alive]
            except (OSError, TimeoutError) as error:
                told, why = [], str(error)
            else:
                why = self._unsettled(told, wanted)
            if not why:
                return told[0]
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {why}"
            time.sleep(0.1)

    def settled_evenly(self, tasks: Mapping[str, int]) -> Told:
        """`settled`, and no worker has two tasks more than another."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            told = self.settled(tasks)
            owners = [placed.worker_id for placed in told.values()]
            counts = [owners.count(id_of(worker)) for worker in self.alive]
            if max(counts) - min(counts) <= 1:
                return told
            assert time.monotonic() < deadline, f"tasks by worker: {counts}"
            time.sleep(0.1)

    def _unsettled(self, told: list[Told], wanted: set[tuple[str, int]]) -> str:
        first = told[0]
        current = {key for key in first if "@" not in key[0]}
        if current != wanted:
            return f"missing {wanted - current}, too many {current - wanted}"
        if others := [one for one in told if one != first]:
            apart = [(key, had, others[0].get(key)) for key, had in first.items() if had != others[0].get(key)]
            return f"workers differ: {apart}"
        if resting := {key: placed for key, placed in first.items() if placed.state != "RUNNING"}:
            return f"not running: {resting}"
        processes = self.processes()
        if {placed.pid: placed.worker_id for placed in first.values()} != processes:
            return f"said to run: {first}; running: {processes}"
        return ""

    def logs(self) -> str:
        return "\n".join(f"=== {worker.url}\n{worker.tail(20_000)}" for worker in self.workers)


_LEADER = "kafka_connect_connect_worker_rebalance_metrics_leader_name_info"


def id_of(worker: MemberProcess) -> str:
    return f"127.0.0.1:{worker.port}"


def samples(worker: MemberProcess, name: str) -> list[Sample]:
    with urllib.request.urlopen(f"{worker.url}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return [sample for family in families for sample in family.samples if sample.name == name]


def is_spare(pid: int) -> bool:
    """A process that was started ahead and has no task yet."""
    return name_of(pid) == "headwater-spare"


def command_line(pid: int) -> bytes:
    """Empty: it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
