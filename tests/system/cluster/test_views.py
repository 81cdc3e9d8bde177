"""A view in a cluster: rebuilt, verified and rolled back through any worker; who works on it is killed."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import psycopg
import pytest

from tests.conftest import Database
from tests.plugins.counting.source import make_upstream
from tests.servers.process import children_of
from tests.servers.worker import MemberProcess
from tests.system.runtime.scene import eventually, once_each

from .cluster import JOB_MODULE, Cluster, command_line

pytestmark = [pytest.mark.system, pytest.mark.long]

FIRST = 20_000


def works_on_it(three: Cluster) -> MemberProcess | None:
    """The worker under which a view's job runs."""
    for worker in three.alive:
        if any(JOB_MODULE in command_line(pid) for pid in children_of(worker.pid)):
            return worker
    return None


def ended(three: Cluster, by: MemberProcess, view: str, job: str) -> dict[str, Any]:
    """How the job ended, as this worker says."""

    def last() -> Any:
        told = three.ask(by, "GET", f"/views/{view}/progress")["last"]
        return told if told is not None and told["id"] == job else None

    found: dict[str, Any] = eventually(last, 600)
    return found


def test_rebuilt_in_a_cluster(three: Cluster, database: Database) -> None:
    scene = three.scene
    turns = itertools.cycle(three.workers)
    view = scene.view
    make_upstream(scene.upstream, FIRST)
    three.create(scene.source(tasks_max=2, count_batch=500, count_keys=10**9), by=1)
    config = {
        "name": view,
        "connector.class": "PostgresSink",
        "topics": scene.topic,
        "tasks.max": "2",
        "collection.name.format": "counted",
        "connection.url": database.url,
        "connection.username": "postgres",
        "connection.password": "none",
    }
    three.create(config, by=2)
    wanted = {scene.counter: 2, view: 2}
    three.settled(wanted)

    def numbers(column: str = "n") -> Counter[int]:
        try:
            with database.connect() as connection:
                return Counter(n for (n,) in connection.execute(f'SELECT "{column}" FROM counted').fetchall())  # type: ignore[misc]
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            return Counter()

    eventually(lambda: len(numbers()) > FIRST, 600)
    assert numbers() == Counter(once_each(FIRST))

    renamed = config | {
        "transforms": "renamed",
        "transforms.renamed.type": "ReplaceField$Value",
        "transforms.renamed.renames": "n:number",
    }
    job = three.ask(next(turns), "POST", f"/views/{view}/rebuild", {"config": renamed})["job"]["id"]
    victim: MemberProcess = eventually(lambda: works_on_it(three), 300)
    eventually(lambda: progressed(three, view), 300)
    victim.kill()
    assert len(numbers()) + len(numbers("number")) > FIRST, "the view serves"
    make_upstream(scene.upstream, FIRST + 500)
    survivor = three.alive[0]
    last = ended(three, survivor, view, job)
    assert last["outcome"] == "done" and last["generation"] == 2, last
    victim.start()
    three.settled(wanted)
    eventually(lambda: numbers("number") == Counter(once_each(FIRST + 500)), 600)
    for worker in three.workers:
        eventually(lambda worker=worker: worker.get(f"/views/{view}")["current"] == 2, 300)  # type: ignore[misc]

    job = three.ask(next(turns), "POST", f"/views/{view}/verify", {})["job"]["id"]
    verified = ended(three, next(turns), view, job)
    assert verified["outcome"] == "done", verified
    job = three.ask(next(turns), "POST", f"/views/{view}/rollback", {})["job"]["id"]
    back = ended(three, next(turns), view, job)
    assert back["outcome"] == "done" and back["generation"] == 1, back
    three.settled(wanted)
    make_upstream(scene.upstream, FIRST + 1000)
    eventually(lambda: numbers() == Counter(once_each(FIRST + 1000)), 600)


def progressed(three: Cluster, view: str) -> bool:
    """The job has told how far it is, or it has come to its end already."""
    told = [three.ask(worker, "GET", f"/views/{view}/progress") for worker in three.alive]
    return all(one["progress"] is not None or one["job"] is None for one in told)
