"""Tasks in processes of their own, as a worker runs them, on a log of a test's own or with names of its own there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from headwater.worker.api import Record, Retriable, TopicPartition
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.log import Log, Message, open_log
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.letter_report import ask_for_replay
from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskSpec, consumer_group

from .driver import Row, SinkDriver, SourceDriver, record_of
from .planning import config_of, planned

__all__ = ["LogTasks", "kafka_settings"]

MODULE = "headwater.worker.runtime.task_process"
PATIENCE_S = 240.0
GRACE_S = 60.0
LOOK_S = 0.05


def kafka_settings(bootstrap: str, group: str) -> dict[str, str]:
    """Of a worker on a single broker, with internal topics of its own."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "config.storage.topic": f"{group}-configs",
        "config.storage.replication.factor": "1",
        "offset.storage.topic": f"{group}-offsets",
        "offset.storage.replication.factor": "1",
        "offset.storage.partitions": "1",
        "status.storage.topic": f"{group}-status",
        "status.storage.replication.factor": "1",
        "topics.storage.topic": f"{group}-topics",
        "views.storage.topic": f"{group}-views",
    }


class LogTasks:
    """`settings`: the worker's. One task a connector; its name is the connector's."""

    def __init__(self, settings: Mapping[str, str], data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.settings, self.data = dict(settings), data
        self._supervisor = Supervisor(grace_s=GRACE_S)
        self._supervisor.start()
        self._log: Log | None = None
        self._plans: dict[str, ConnectorPlan] = {}

    def close(self) -> None:
        self._supervisor.stop_all()
        if self._log is not None:
            self._log.close()

    @property
    def log(self) -> Log:
        if self._log is None:
            self._log = open_log(self.settings, self.data)
        return self._log

    def run_source(self, driver: SourceDriver, name: str) -> None:
        self._run(config_of(name, driver.connector_class, driver.config(name)))

    def run_sink(self, driver: SinkDriver, name: str, topic: str, target: str, **options: str) -> None:
        """Dots in the names of options are written as `_`."""
        more = {option.replace("_", "."): text for option, text in options.items()}
        self._run(config_of(name, driver.connector_class, {"topics": topic, **driver.config(target), **more}))

    def _run(self, raw: dict[str, str]) -> None:
        plan, task_config = planned(raw)
        self._plans[plan.name] = plan
        spec = TaskSpec(plan.name, 0, 1, raw, task_config, settings=self.settings, data_dir=str(self.data))
        who = {"connector": plan.name, "generation": 1, "task": 0}
        self._supervisor.run(plan.name, Work(MODULE, spec.as_dict(), who))

    def stop(self, name: str) -> None:
        """In good order."""
        self._supervisor.stop(name)
        self.until(lambda: not self._supervisor.snapshot(name))

    def kill(self, name: str) -> None:
        """kill -9, if it runs; it is started again."""
        for state in self._supervisor.snapshot(name):
            if state["pid"]:
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.killpg(state["pid"], signal.SIGKILL)

    def until(self, check: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """A log that cannot be reached for a moment is asked again."""
        end = time.monotonic() + timeout_s
        while not _holds(check):
            if time.monotonic() > end:
                told = [f"{s['connector']} {s['state']} {s.get('trace', '')}" for s in self._supervisor.snapshot()]
                raise AssertionError(f"it did not come about in {timeout_s:.0f} s; {'; '.join(told)}")
            time.sleep(LOOK_S)

    def replay(self, name: str, queue: str) -> None:
        """Ask for the connector's dead letters to be put through once more."""
        ask_for_replay(self.log, InternalTopics.of(self.settings).views, name, queue)

    def make_topic(self, name: str, partitions: int = 2) -> None:
        self.log.create_topic(name, partitions, {})

    def append(self, connector: str, topic: str, rows: Iterable[Row]) -> None:
        """As a source with the same converters as this sink would."""
        plan = self._plans[connector]
        messages = [self._message(plan, record_of(topic, row)) for row in rows]
        self.append_raw(*messages)

    def append_raw(self, *messages: Message) -> None:
        with closing(self.log.producer()) as producer:
            producer.send(messages)
            producer.flush()

    def _message(self, plan: ConnectorPlan, record: Record) -> Message:
        key = plan.key_converter.encoder(record.topic, record.key_schema)(record.key)
        value = plan.value_converter.encoder(record.topic, record.value_schema)(record.value)
        return Message(record.topic, key, value)

    def records(self, connector: str, topic: str) -> list[Record]:
        """All that a read-committed reader sees, one partition after the other, decoded as this connector encodes."""
        plan = self._plans[connector]
        found = []
        for message in self.messages(topic):
            key_schema, key = plan.key_converter.decode(topic, message.key)
            value_schema, value = plan.value_converter.decode(topic, message.value)
            found.append(Record(topic, key, value, key_schema, value_schema, partition=message.partition))
        return found

    def messages(self, topic: str) -> list[Message]:
        partitions = self._partitions(topic)
        ends = self.log.end_offsets(partitions) if partitions else {}
        found: list[Message] = []
        with closing(self.log.consumer()) as consumer:
            if not partitions:
                return []
            consumer.assign(self.log.begin_offsets(partitions))
            while any(consumer.position()[tp] < end for tp, end in ends.items()):
                found += consumer.poll(5000, 1.0)
        return sorted(found, key=lambda message: (message.partition or 0, message.offset))

    def _partitions(self, topic: str) -> list[TopicPartition]:
        info = self.log.topics([topic]).get(topic)
        return [] if info is None else [TopicPartition(topic, number) for number in range(info.partitions)]

    def committed(self, connector: str, topic: str) -> dict[TopicPartition, int]:
        """The next offsets that the sink's group has stored."""
        return self.log.committed(consumer_group(connector, 1), self._partitions(topic))

    def read_to_the_end(self, connector: str, topic: str) -> bool:
        """Has the sink's group stored the log's end, over markers of transactions as well?"""
        ends, stored = self.log.end_offsets(self._partitions(topic)), self.committed(connector, topic)
        return all(stored.get(tp, 0) >= end for tp, end in ends.items())

    def failing(self, connector: str) -> bool:
        """Has the task met an error that it does not get over?"""
        return any(state["state"] in ("RESTARTING", "FAILED") for state in self._supervisor.snapshot(connector))


def _holds(check: Callable[[], object]) -> bool:
    try:
        return bool(check())
    except Retriable:
        return False
