"""Members of a sink's group die at the worst moment."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Consumer, open_log
from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.system


def joined(consumer: Consumer, topic: str, member: int) -> set[TopicPartition]:
    """The partitions that it has, as it polls."""
    has: set[TopicPartition] = set()

    def given(partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        has.update(partitions)
        return dict.fromkeys(partitions)

    consumer.subscribe([topic], (member, 2), given, has.difference_update)
    return has


def poll_until(consumers: list[Consumer], condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, what
        for consumer in consumers:
            consumer.poll(100, 0.1)


def test_one_dies_while_partitions_move(kafka: KafkaServer, tmp_path: Path) -> None:
    """Its successor is there before anybody has missed it, and no partition stays without a reader."""
    settings, name = {"bootstrap.servers": kafka.bootstrap}, f"dying-{time.time_ns()}"
    given = json.dumps({"settings": settings, "data_dir": str(tmp_path), "group": name, "topic": name})
    command = [sys.executable, "-m", "tests.system.kafka_log.dying_member_process", given]
    with closing(open_log(settings, tmp_path)) as log:
        log.create_topic(name, 8, {})
        dying = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert dying.stdout is not None
            assert dying.stdout.readline() == "8\n"
            with closing(log.consumer(name)) as second, closing(log.consumer(name)) as first:
                seconds = joined(second, name, 1)
                poll_until([second], lambda: dying.poll() is not None, "the first one is asked for partitions")
                firsts = joined(first, name, 0)
                poll_until(
                    [first, second], lambda: len(firsts) == len(seconds) == 4, "partitions have no reader any more"
                )
                assert not firsts & seconds
        finally:
            dying.kill()
            dying.communicate()


def test_what_is_stored_while_partitions_are_let_go_counts(kafka: KafkaServer, tmp_path: Path) -> None:
    """Inside a callback of librdkafka: nobody waits for a request's time limit, and the next owner goes on there."""
    name = f"letting-go-{time.time_ns()}"
    with closing(open_log({"bootstrap.servers": kafka.bootstrap}, tmp_path)) as log:
        log.create_topic(name, 8, {})
        with closing(log.consumer(name)) as first, closing(log.consumer(name)) as second:
            let_go: list[TopicPartition] = []

            def store(taken: Sequence[TopicPartition]) -> None:
                first.commit(dict.fromkeys(taken, 1))
                let_go.extend(taken)

            first.subscribe([name], (0, 2), dict.fromkeys, store)
            poll_until([first], lambda: len(first.position()) == 8, "the first one has no partitions")
            seconds = joined(second, name, 1)
            poll_until([first, second], lambda: len(seconds) == 4, "the second one has no partitions")
            assert len(let_go) == 8
            assert second.position() == dict.fromkeys(seconds, 1)
            assert log.committed(name) == dict.fromkeys(let_go, 1)
