"""Workers, tasks and the other cluster's broker die while topics are copied in every way, and written to meanwhile."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.servers.kafka import KafkaServer, running
from tests.servers.process import kill_one
from tests.servers.worker import WorkerProcess
from tests.topic_contents import on_broker, on_embedded_log

from .jobs import (
    KEYS,
    PARTITIONS,
    TOPIC,
    Place,
    Writer,
    by_partition,
    check_keyed,
    config,
    eventually,
    keyed,
    make_topic,
    numbered,
    of_the_broker,
    of_the_log,
    source,
)

pytestmark = pytest.mark.system

FIRST = 4000
"""Records that are there before the worker starts."""
ALL = 14_000
KILLS = 10


def connectors(broker: KafkaServer) -> list[dict[str, str]]:
    return [
        source(broker.bootstrap, "copied", tasks_max="2"),
        source(broker.bootstrap, "newest", copy="latest", topic_creation_default_cleanup_policy="delete"),
        keyed(broker.bootstrap),
        config(
            "out", connector_class="KafkaSink", topics="copied", target_bootstrap_servers=broker.bootstrap,
            topic="written", keep_partitions="true", target_partitions=str(PARTITIONS),
        ),
    ]  # fmt: skip


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_job_comes_through(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    choose = random.Random(seed)
    with running("4.1") as broker:  # not 4.3: killed in a transaction, 4.3.1 may leave it open for ever
        make_topic(broker)
        writer = Writer(broker, seed, ALL)
        writer.put(FIRST)
        writer.finish()
        file = tmp_path / "topics.json"
        file.write_text(json.dumps(connectors(broker)))
        worker = WorkerProcess([file], tmp_path / "data").start()
        try:
            writer.start()
            for number in range(KILLS):
                time.sleep(choose.random())
                disturb(worker, broker, choose, number)
            writer.join()
            everything = [numbered(m.partition(), m.value()) for m in on_broker(broker.bootstrap, TOPIC)]
            assert len(everything) == ALL
            eventually(lambda: len(on_embedded_log(worker.data, "copied")) >= ALL, worker)
            eventually(lambda: len(on_embedded_log(worker.data, "keyed")) >= ALL, worker)
            eventually(lambda: newest(of_the_log(worker, "newest")) == newest(everything), worker)
            eventually(lambda: len(set(of_the_broker(broker, "written"))) >= ALL, worker)
        finally:
            worker.stop(timeout_s=120)
        out = of_the_broker(broker, "written")
    assert by_partition(of_the_log(worker, "copied")) == by_partition(everything), "once each, in order"
    assert by_partition(dict.fromkeys(out)) == by_partition(everything), "at least once, in order"
    check_newest(worker, everything)
    check_keyed(worker, ALL)


def disturb(worker: WorkerProcess, broker: KafkaServer, choose: random.Random, number: int) -> None:
    """The worker and the broker once each at a fixed turn, so that no run goes without."""
    if number == KILLS // 3:
        broker.kill()
        time.sleep(choose.random())
        broker.start()
    elif number == KILLS // 2:
        broker.freeze()
        time.sleep(1 + choose.random())
        broker.thaw()
    elif number == 2 * KILLS // 3:
        worker.kill()
        worker.start()
    else:
        for pid in choose.sample(children := worker.children(), min(len(children), choose.randrange(1, 4))):
            kill_one(pid)


def check_newest(worker: WorkerProcess, everything: Iterable[Place]) -> None:
    """Of each key the newest record that was there at the start, then every one: an end of all that it has."""
    found = [(m.key, numbered(m.partition, m.value)) for m in on_embedded_log(worker.data, "newest")]
    count = Counter(place for _, place in found)
    assert set(count.values()) == {1}
    whole, kept = defaultdict(list), defaultdict(list)
    for m in on_embedded_log(worker.data, "copied"):
        whole[m.key].append(numbered(m.partition, m.value))
    for key, place in found:
        kept[key].append(place)
    assert {key: whole[key][-len(places) :] for key, places in kept.items()} == kept
    assert kept.keys() == whole.keys() and len(found) < len(list(everything)) - FIRST + KEYS + 1


def newest(places: Iterable[Place]) -> dict[int, int]:
    """Of each partition."""
    return {partition: max(numbers) for partition, numbers in by_partition(places).items()}
