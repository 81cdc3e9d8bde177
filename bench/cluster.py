"""What a thousand connectors cost a cluster of workers: start, hand-over and memory.

`python bench/cluster.py [--connectors N] [--workers N] [--json]`: starts a Kafka 4.3 broker, writes N connectors to
its config topic as a leader would (STOPPED: they have no processes), then starts the workers one after the other, adds
one connector more, lets a worker leave in good order and kills one. Times are until every worker says of each
connector that it is on a worker that lives, and no worker has more than its share.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from headwater.worker.cluster.assignment import assign  # noqa: E402
from headwater.worker.cluster.config_records import config_messages, connector_records, task_records  # noqa: E402
from headwater.worker.cluster.membership import CONNECTOR, Item  # noqa: E402
from headwater.worker.cluster.own_topics import make_own_topics  # noqa: E402
from headwater.worker.log import open_log  # noqa: E402
from headwater.worker.observe.process_use import process_use  # noqa: E402
from headwater.worker.runtime.internal_topics import InternalTopics  # noqa: E402
from tests.servers import kafka  # noqa: E402
from tests.servers.worker import MemberProcess  # noqa: E402
from tests.system.runtime.scene import kafka_settings  # noqa: E402

PATIENCE_S = 300.0
IDLE_S = 20.0
CONFIG = {
    "connector.class": "PostgresSource",
    "database.hostname": "127.0.0.1",
    "database.user": "postgres",
    "database.password": "${env:DATABASE_PASSWORD}",
    "database.dbname": "shop",
    "table.include.list": "public.orders,public.customers",
    "tasks.max": "1",
}


class Cluster:
    def __init__(self, folder: Path, bootstrap: str, connectors: int, workers: int) -> None:
        self.connectors = connectors
        self.settings = kafka_settings(bootstrap, f"bench-{uuid.uuid4().hex[:6]}")
        env = {"DATABASE_PASSWORD": "none"}
        self.workers = [MemberProcess(folder, f"w{number}", self.settings, env) for number in range(workers)]
        self.alive: list[MemberProcess] = []

    def write(self, folder: Path) -> None:
        """The config topic, before there is a worker."""
        topics = InternalTopics.of(self.settings)
        with closing(open_log(self.settings, folder)) as log:
            make_own_topics(log, topics)
            with closing(log.producer()) as producer:
                for number in range(self.connectors):
                    name = f"connector-{number:04}"
                    records = [
                        *connector_records(name, CONFIG | {"name": name, "topic.prefix": name}, "STOPPED"),
                        *task_records(name, []),
                    ]
                    producer.send(config_messages(topics.configs, records))
                producer.flush()

    def add(self) -> None:
        """One more through the REST API, by a worker that does not lead."""
        name = f"connector-{self.connectors:04}"
        body = {"name": name, "config": CONFIG | {"topic.prefix": name}, "initial_state": "STOPPED"}
        self.alive[-1].request("POST", "/connectors", body)
        self.connectors += 1

    def shared(self) -> bool:
        """Does every worker say that each connector is on one that lives, which has no more than its share?"""
        ids = {f"127.0.0.1:{worker.port}" for worker in self.alive}
        for worker in self.alive:
            told: dict[str, Any] = worker.get("/connectors?expand=status")
            owners = Counter(one["status"]["connector"]["worker_id"] for one in told.values())
            states = {one["status"]["connector"]["state"] for one in told.values()}
            if set(owners) != ids or states != {"STOPPED"} or sum(owners.values()) != self.connectors:
                return False
            if max(owners.values()) - min(owners.values()) > 1:
                return False
        return True

    def until_shared(self) -> float:
        """Seconds."""
        began = time.monotonic()
        while not self.shared():
            if time.monotonic() - began > PATIENCE_S:
                raise RuntimeError(f"not within {PATIENCE_S:.0f} s:\n{self.alive[0].tail()}")
            time.sleep(0.1)
        return time.monotonic() - began

    def use(self) -> dict[str, Any]:
        """Memory of each worker, and the share of a processor that it takes while nothing happens."""
        before = [process_use(worker.pid) for worker in self.alive]
        time.sleep(IDLE_S)
        after = [process_use(worker.pid) for worker in self.alive]
        return {
            "memory of a worker, MB": [round(one.memory_bytes / 1e6) for one in after if one],
            "processor of a worker at rest, %": [
                round(100 * (new.cpu_s - old.cpu_s) / IDLE_S, 1)
                for old, new in zip(before, after, strict=True)
                if old and new
            ],
        }


def timed(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def assigned_s(connectors: int, members: int) -> float:
    """How long the leader computes when one of the members, with all of their tasks, has gone."""
    items = [Item(f"connector-{number:04}", task) for number in range(connectors) for task in (CONNECTOR, 0)]
    shares = assign({f"m{number}": frozenset() for number in range(members)}, items)
    left = {name: share.assigned for name, share in list(shares.items())[1:]}
    return timed(lambda: assign(left, items))


def run(connectors: int, workers: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}

    def note(what: str, value: Any) -> None:
        figures[what] = round(value, 1) if isinstance(value, float) else value
        print(f"{what}: {figures[what]}", file=sys.stderr)

    note(f"assign {connectors} connectors and {connectors} tasks anew, ms", 1000 * assigned_s(connectors, workers))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(kafka.running("4.3"))
        cluster = Cluster(folder, broker.bootstrap, connectors, workers)
        note("write the config topic, s", timed(lambda: cluster.write(folder / "writer")))
        for worker in cluster.workers:
            stack.callback(worker.kill)
        for number, worker in enumerate(cluster.workers, 1):
            note(f"worker {number} starts, s", timed(worker.start))
            cluster.alive.append(worker)
            note(f"shared by {number}, s after", cluster.until_shared())
        for what, value in cluster.use().items():
            note(what, value)
        for path in ("/connectors", "/connectors?expand=status"):
            note(f"GET {path}, ms", 1000 * timed(lambda path=path: cluster.alive[0].get(path)))  # type: ignore[misc]
        note("POST /connectors, one more, ms", 1000 * timed(cluster.add))
        note("shared with the new one, s after", cluster.until_shared())
        cluster.alive.pop().stop()
        note("one has left in good order: shared by the others, s after", cluster.until_shared())
        if len(cluster.alive) > 1:
            cluster.alive.pop(0).kill()
            note("kill -9 of the leader: shared by the others, s after", cluster.until_shared())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connectors", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = run(given.connectors, given.workers)
    if given.json:
        print(json.dumps(figures))
    else:
        for what, value in figures.items():
            print(f"{what:<60} {value}")


if __name__ == "__main__":
    main()
