"""Dead letters of a source that are put through once more, on the embedded log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import (
    DataError,
    Fatal,
    Record,
    Retriable,
    SourceConnector,
    TopicPartition,
    TopicSettings,
    Transform,
    Values,
)
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.config.policies import ErrorPolicy
from headwater.worker.config.stages import Stage
from headwater.worker.convert.json import JsonConverter
from headwater.worker.log.contract import Isolation, Message, MessageRefused
from headwater.worker.log.embedded import EmbeddedLog
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.runtime.errors import RecordErrors, Where
from headwater.worker.runtime.letter import Letter, letter_of
from headwater.worker.runtime.letter_report import ask_for_replay, report
from headwater.worker.runtime.pipe import SourcePipe
from headwater.worker.runtime.source_letters import SourceLetters
from headwater.worker.runtime.source_replay import SourceReplay
from headwater.worker.runtime.task_spec import TaskSpec
from headwater.worker.runtime.topic_keeper import TopicKeeper

POLICY = ErrorPolicy(tolerance="all", dlq_topic="dead", dlq_replication_factor=1, dlq_context_headers=True)
SPEC = TaskSpec("rows", 0, 1, {})
WHERE = Where("TRANSFORMATION", "Test", "t")


def converter(is_key: bool) -> JsonConverter:
    made = JsonConverter()
    values, problems = JsonConverter.options.parse({"schemas.enable": "false"})
    assert not problems
    made.configure(values, is_key)
    return made


class Failing(Transform):
    """What it raises for a record, by the record's version."""

    errors: dict[int, Exception]

    def apply(self, record: Record) -> Record:
        error = self.errors.get(record.version or 0)
        if error is not None:
            raise error
        return record


class OneLog(EmbeddedLog):
    """As of brokers while a transaction is open in the topic `open_in`: its end cannot be read."""

    open_in = ""

    def end_offsets(
        self, partitions: Iterable[TopicPartition], isolation: Isolation = Isolation.READ_COMMITTED
    ) -> dict[TopicPartition, int]:
        ends = super().end_offsets(partitions, isolation)
        beyond = isolation is Isolation.READ_UNCOMMITTED
        return {tp: at + (beyond and tp.topic == self.open_in) for tp, at in ends.items()}


class Scene:
    """One source task's replay; `t` is the source's topic, `dead` its queue."""

    def __init__(self, log: OneLog) -> None:
        self.log = log
        self.producer = log.producer()
        self.letters = SourceLetters(POLICY, "rows", 0, str)
        self.errors: dict[int, Exception] = {}
        failing = Failing()
        failing.errors = self.errors
        plan = ConnectorPlan("rows", "source", SourceConnector(), Values({}), {}, converter(True), converter(False),
                             stages=(Stage("failing", failing),), errors=POLICY)  # fmt: skip
        metrics = TaskMetrics()
        self.pipe = SourcePipe(plan, RecordErrors(POLICY, metrics, lambda _: False), metrics, self.letters.record)

    def send(self, *messages: Message) -> None:
        """As the committer does it."""
        for message in messages:
            try:
                self.producer.send([message])
            except MessageRefused as refusal:
                self.producer.send([self.letters.message(message, WHERE, refusal)])
        self.producer.flush()

    def fail(self, *records: Record) -> None:
        self.send(*(self.letters.record(record, WHERE, DataError("bad")) for record in records))

    def hand(self, messages: list[Message], bookkeeping: list[Message]) -> None:
        self.send(*messages, *bookkeeping)

    def new_replay(self, settle: Callable[[], bool] = lambda: True) -> SourceReplay:
        return SourceReplay(self.log, SPEC, self.pipe, self.letters, settle, self.hand, lambda: None)

    def replay(self) -> dict[str, int]:
        """What became of all letters so far."""
        ask_for_replay(self.log, SPEC.internal.views, "rows", "dead")
        self.go_on()
        return {name: n for name, n in self.report()["replays"].items() if n}

    def go_on(self) -> None:
        with closing(self.new_replay()) as replay:
            while replay.step():
                continue

    def report(self) -> dict[str, Any]:
        return report(self.log, SPEC.internal.views, "rows", 1, "dead", 100, str)

    def messages(self, topic: str = "t") -> list[Message]:
        partitions = [TopicPartition(topic, n) for n in range(self.log.topics([topic])[topic].partitions)]
        with closing(self.log.consumer()) as consumer:
            end = self.log.end_offsets(partitions)
            consumer.assign(dict.fromkeys(end, 0))
            found: list[Message] = []
            while any(at < end[tp] for tp, at in consumer.position().items()):
                found += consumer.poll(1_000, 0.1)
        return found

    def queued(self) -> list[Letter]:
        return [letter for message in self.messages("dead") if (letter := letter_of(message)) is not None]

    def values(self) -> list[bytes | None]:
        return [message.value for message in self.messages()]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with closing(OneLog(tmp_path / "log.db")) as log:
        log.create_topic("t", 1, {"cleanup.policy": "compact"})
        log.create_topic("dead", 1, {})
        made = Scene(log)
        yield made
        made.producer.close()


def row(version: int | None, key: str = "k") -> Record:
    return Record("t", key, f"v{version}", version=version)


def test_what_failed_in_a_replay_does_not_overtake_what_failed_meanwhile(scene: Scene) -> None:
    scene.fail(row(1))
    scene.errors[1] = DataError("still bad")
    ask_for_replay(scene.log, SPEC.internal.views, "rows", "dead")
    scene.fail(row(2), row(2, "other"))
    scene.go_on()
    scene.errors.clear()
    assert scene.replay() == {"failed": 1, "replayed": 2, "superseded": 1}
    assert scene.values() == [b'"v2"', b'"v2"']


def test_without_versions_the_order_of_failing_counts(scene: Scene) -> None:
    def message(value: bytes) -> Message:
        return Message("t", b"k", value)

    refused = MessageRefused("too large", message(b""))
    scene.send(*(scene.letters.message(message(value), WHERE, refused) for value in (b"2", b"3")))
    first = scene.letters.message(message(b"1"), WHERE, refused)
    letter = letter_of(Message("dead", first.key, first.value, first.headers, 0, 0, 0))
    assert letter is not None
    scene.send(scene.letters.again(letter))
    assert scene.replay() == {"failed": 1, "replayed": 2}
    assert scene.values() == [b"2", b"3"] and scene.report()["waiting"] == 1


def test_a_row_whose_delete_may_be_forgotten_stays(scene: Scene) -> None:
    scene.log.alter_topic("t", {"delete.retention.ms": "0"})
    scene.fail(row(1))
    assert scene.replay() == {"failed": 1} and not scene.values()
    scene.errors[1] = DataError("bad once more")
    assert scene.replay() == {"failed": 2}
    first, second, third = scene.queued()
    assert first.first_ms == second.first_ms == third.first_ms and first.first_ms
    assert "was deleted meanwhile" in second.reason["exception.message"]
    scene.errors.clear()
    scene.log.alter_topic("t", {"delete.retention.ms": str(24 * 3600 * 1000)})
    assert scene.replay() == {"failed": 2, "replayed": 1} and scene.values() == [b'"v1"']


def test_what_its_topic_refuses_again_counts_its_attempts(scene: Scene) -> None:
    scene.log.alter_topic("t", {"max.message.bytes": "100"})
    scene.send(Message("t", b"k", b"x" * 200))
    assert scene.replay() == {"failed": 1} and scene.replay() == {"failed": 2}
    letters = scene.queued()
    assert [letter.attempt for letter in letters] == [1, 2, 3] and len({letter.first_ms for letter in letters}) == 1


def test_nothing_is_put_through_while_progress_may_be_unread(scene: Scene) -> None:
    """The records of a predecessor's last transaction, which is still open, would be written twice."""
    scene.fail(row(1))
    ask_for_replay(scene.log, SPEC.internal.views, "rows", "dead")
    scene.log.open_in = SPEC.internal.views
    scene.go_on()
    assert not scene.values()
    scene.log.open_in = ""
    scene.go_on()
    assert scene.values() == [b'"v1"']


def test_a_transaction_of_its_own_is_ended_before_it_is_waited_for(scene: Scene) -> None:
    scene.fail(row(1))
    ask_for_replay(scene.log, SPEC.internal.views, "rows", "dead")
    scene.log.open_in = "t"

    def settle() -> bool:
        scene.log.open_in = ""
        return True

    with closing(scene.new_replay(settle)) as replay:
        assert replay.step()
    assert scene.values() == [b'"v1"']


def test_a_replay_that_would_end_the_task_each_time_is_given_up(scene: Scene) -> None:
    scene.fail(row(1), row(2, "other"))
    scene.errors[2] = Fatal("no such plan: hunter2")
    scene.letters.redact = lambda text: text.replace("hunter2", "***")
    with pytest.raises(Fatal):
        scene.replay()
    found = scene.report()
    assert found["waiting"] == 2 and not scene.values()
    assert [one["error"] for one in found["given_up"]] == ["Fatal: no such plan: ***"]
    scene.go_on()  # the task that is started after it reads on
    assert not scene.values()
    scene.errors.clear()
    assert scene.replay() == {"replayed": 2} and not scene.report()["given_up"]


def test_what_the_log_does_not_take_for_a_while_is_not_given_up(scene: Scene) -> None:
    scene.fail(row(1))
    scene.errors[1] = DataError("still bad")

    def fail(messages: list[Message], bookkeeping: list[Message]) -> None:
        raise Retriable("no leader")

    scene.hand, hand = fail, scene.hand  # type: ignore[method-assign]
    with pytest.raises(Retriable):
        scene.replay()
    scene.hand = hand  # type: ignore[method-assign]
    assert not scene.report()["given_up"]
    scene.go_on()
    assert scene.report()["replays"]["failed"] == 1


def test_steps_are_bounded_and_dealt_with_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.worker.runtime.source_replay.STEP_LETTERS", 3)
    monkeypatch.setattr("headwater.worker.runtime.source_replay.STEP_BYTES", 1_000)
    big = row(100, "big").replace(value="x" * 2_000)
    scene.fail(*(row(n, f"k{n}") for n in range(5)), big, row(101, "last"))
    steps: list[int] = []

    def counting(messages: list[Message], bookkeeping: list[Message]) -> None:
        steps.append(len(messages))
        hand(messages, bookkeeping)

    scene.hand, hand = counting, scene.hand  # type: ignore[method-assign]
    assert scene.replay() == {"replayed": 7} and steps == [3, 3, 1]
    assert scene.replay() == {"replayed": 7} and len(scene.values()) == 7
    ask_for_replay(scene.log, SPEC.internal.views, "rows", "dead")
    scene.fail(row(1, "k1"))  # behind what was asked for
    scene.go_on()
    assert scene.report()["waiting"] == 1 and steps == [3, 3, 1]


def test_a_refused_message_keeps_its_partition(scene: Scene) -> None:
    scene.log.create_topic("parts", 8, {"max.message.bytes": "100"})
    scene.send(*(Message("parts", b"k%d" % n, b"x" * 200, partition=5) for n in range(4)))
    assert scene.replay() == {"failed": 4}
    scene.log.alter_topic("parts", {"max.message.bytes": "1000"})
    assert scene.replay() == {"failed": 4, "replayed": 4}
    assert [message.partition for message in scene.messages("parts")] == [5] * 4


def test_the_reason_is_shortened_where_the_queue_is_too_small(scene: Scene) -> None:
    letter = scene.letters.record(row(1), WHERE, DataError("x" * 5_000))
    short = scene.letters.shorter(letter)
    assert short is not None and scene.letters.shorter(short) is None and short.value == letter.value
    before, after = (letter_of(replace(one, partition=0)) for one in (letter, short))
    assert before is not None and after is not None and before.record.headers == after.record.headers
    assert "more characters" in after.reason["exception.message"] and before.reason.keys() == after.reason.keys()
    assert max(map(len, after.reason.values())) < 400 < max(map(len, before.reason.values()))


def test_topics_of_records_without_keys_are_not_compacted(scene: Scene) -> None:
    plan = ConnectorPlan("rows", "source", SourceConnector(), Values({}), {}, converter(True), converter(False))
    keeper = TopicKeeper(scene.log, plan, {}, "headwater-topics")
    compacted = TopicSettings(1, {"cleanup.policy": "compact", "max.message.bytes": "5000000"})
    keeper.ensure({"rows.keyed": ["rows.keyed"], "rows.bare": ["rows.bare"]}, lambda _: compacted, {"rows.bare"})
    made = scene.log.topics(["rows.keyed", "rows.bare"])
    assert made["rows.keyed"].compacted and not made["rows.bare"].compacted
    assert made["rows.bare"].config["max.message.bytes"] == "5000000"


def test_what_is_nested_too_deeply_becomes_a_letter_that_stays(scene: Scene) -> None:
    value: list[Any] = []
    for _ in range(5_000):
        value = [value]
    scene.errors[1] = DataError("bad")
    scene.send(*scene.pipe.process([row(1).replace(value=value)]))
    (letter,) = scene.queued()
    assert letter.reason["stage"] == "TRANSFORMATION" and scene.replay() == {"failed": 1}
    assert scene.report()["letters"][0]["value"] == '{"$shown":"list"}'
