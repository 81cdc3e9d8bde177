"""Which dead letters a sink's task puts through once more, and what it says of them; on the embedded log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import DataError, Fatal, Sink, SinkBatch, TopicPartition
from headwater.worker.config.plan import ErrorPolicy
from headwater.worker.log import Log, Message, open_log
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.runtime.dead_letters import DeadLetters
from headwater.worker.runtime.errors import Where
from headwater.worker.runtime.letter_report import ask_for_replay, report
from headwater.worker.runtime.replay import Replay
from headwater.worker.runtime.replay_records import Done, done_key, dump_done
from headwater.worker.runtime.task_spec import TaskSpec

TP = TopicPartition("orders", 0)
POLICY = ErrorPolicy(tolerance="all", dlq_topic="dead", dlq_replication_factor=1, dlq_context_headers=True)
SPEC = TaskSpec("view", 0, 1, {})
VIEWS = SPEC.internal.views


class Rows(Sink):
    """Keeps what it is given; it holds no offsets."""

    def __init__(self) -> None:
        self.batches: list[SinkBatch] = []

    def write(self, batch: SinkBatch) -> None:
        self.batches.append(batch)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(open_log({}, tmp_path)) as log:
        log.create_topic("orders", 1, {})
        yield log


class Scene:
    """One task that has read all of `orders`, and what its replays have written."""

    def __init__(self, log: Log, sink: Sink | None = None, reveals: bool = False) -> None:
        self.reveals = reveals
        self.error: Exception | None = None
        self.log = log
        self.asked = 0
        """How often a replay asked whether to go on."""
        self.written: list[Message] = []
        self.moves: list[tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]] = []
        self.dead = DeadLetters(log, POLICY, SPEC, ["orders"], {}, str)
        self.sink = sink or Rows()
        self.replay = self._replay()

    def _replay(self) -> Replay:
        replay = Replay(self.log, SPEC, self.dead, self._write, str, self._alive, self.reveals)
        replay.opened(self.sink)
        return replay

    def _alive(self) -> None:
        self.asked += 1

    def restart(self) -> None:
        """Another task takes over."""
        self.replay.close()
        self.replay = self._replay()

    def _write(
        self,
        messages: Sequence[Message],
        first: Mapping[TopicPartition, int],
        moved: Mapping[TopicPartition, int],
    ) -> None:
        if self.error is not None:
            raise self.error
        self.dead.flush()
        self.written += messages
        self.moves.append((first, moved))

    def append(self, *messages: Message) -> None:
        with closing(self.log.producer()) as producer:
            producer.send(messages)
            producer.flush()

    def fail(self, *messages: Message) -> None:
        for message in messages:
            self.dead.add(message, Where("TASK_PUT", "Rows", "it"), ValueError("no good"))
        self.dead.flush()

    def ask(self) -> str:
        return ask_for_replay(self.log, VIEWS, "view", "dead").id

    def run(self) -> dict[str, int]:
        """To the end of what is asked for; what became of letters so far."""
        self.replay._looked_at = float("-inf")
        while self.step():
            pass
        return {name: count for name, count in self.report()["replays"].items() if count}

    def step(self) -> bool:
        return self.replay.step(self.log.end_offsets([TP]), {})

    def report(self, most: int = 10) -> dict[str, Any]:
        return report(self.log, VIEWS, "view", 1, "dead", most, str)

    def close(self) -> None:
        self.replay.close()
        self.dead.close()


def order(offset: int, key: bytes | None, value: bytes | None = b"x") -> Message:
    return Message("orders", key, value, (), 0, 0, offset)


@pytest.fixture
def scene(log: Log) -> Iterator[Scene]:
    scene = Scene(log)
    yield scene
    scene.close()


class ByValue(Rows):
    rows_by_log_key = False


@pytest.mark.parametrize("key", [None, b"k"])
def test_a_view_whose_rows_are_not_named_by_the_logs_keys_keeps_them(log: Log, key: bytes | None) -> None:
    scene = Scene(log, ByValue())
    with closing(scene):
        scene.append(order(0, key), order(1, key))
        scene.fail(order(0, key))
        scene.ask()
        assert scene.run() == {"failed": 1}
        assert not scene.written
        assert "not named by the keys on the log" in str(scene.report()["letters"])


def test_a_replay_that_ends_says_nothing_of_an_earlier_one_that_was_given_up(log: Log, scene: Scene) -> None:
    """Given up for the letters of another partition, say: this one has none, and nothing but the end is told of it."""
    scene.dead.add(Message("others", b"k", b"x", (), 0, 0, 0), Where("TASK_PUT", "Rows", "it"), ValueError("no good"))
    scene.dead.flush()
    queue = log.topics(["dead"])["dead"].topic_id
    with closing(CompactedDict(log, VIEWS)) as stored:
        stored.put(done_key("view", 1, *TP), dump_done(Done(queue, error="Fatal: no room", request="earlier")))
    assert scene.report()["given_up"] == [{"id": "earlier", "error": "Fatal: no room"}]
    scene.ask()
    scene.run()
    assert scene.report()["given_up"] == []


def test_a_delete_that_is_gone_from_the_log_reaches_the_view(log: Log, scene: Scene) -> None:
    """As in a compacted topic, some time after the delete has failed; not so one with a value."""
    scene.append(order(0, b"others"), order(1, b"others"))
    scene.fail(order(0, b"k", None), order(1, b"m"))
    scene.ask()
    assert scene.run() == {"replayed": 1, "superseded": 1}
    assert [(message.key, message.value) for message in scene.written] == [(b"k", None)]


class Held:
    """A log whose readers get nothing of the views topic from the offset `at` on: a transaction is open there."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.at: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def consumer(self) -> Any:
        return HeldConsumer(self, self._log.consumer())


class HeldConsumer:
    def __init__(self, log: Held, consumer: Any) -> None:
        self._log = log
        self._consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def poll(self, most: int, timeout_s: float) -> list[Message]:
        at = self._log.at
        found: list[Message] = self._consumer.poll(most, timeout_s)
        free = [m for m in found if at is None or m.topic != VIEWS or m.offset < at]
        if len(free) < len(found):
            self._consumer.seek({TopicPartition(VIEWS, 0): at})
        return free


def test_what_is_done_is_not_begun_anew_while_that_cannot_be_read(log: Log) -> None:
    """A task that takes over would see the request, and not what came of it."""
    held: Any = Held(log)
    scene = Scene(held)
    with closing(scene):
        scene.append(order(0, None))
        scene.fail(order(0, None))
        scene.ask()
        assert scene.run() == {"replayed": 1} and len(scene.written) == 1
        held.at = 1
        scene.restart()
        assert not scene.step() and len(scene.written) == 1
        held.at = None
        assert scene.run() == {"replayed": 1} and len(scene.written) == 1


def test_letters_are_fenced_by_their_own_partition_as_well(scene: Scene) -> None:
    """It is named, from where it stands to there, beside what stands for it."""
    scene.append(order(0, None), order(1, None))
    scene.fail(order(0, None))
    scene.ask()
    scene.run()
    [(first, moved)] = scene.moves
    stands_for = next(iter(set(first) - {TP}))
    assert first == {TP: 2, stands_for: 0} and moved == {TP: 2, stands_for: 1}


@pytest.mark.parametrize("reveals", [True, False])
def test_why_a_replay_was_given_up_does_not_quote_what_was_decrypted(log: Log, reveals: bool) -> None:
    scene = Scene(log, reveals=reveals)
    with closing(scene):
        scene.append(order(0, None))
        scene.fail(order(0, None))
        scene.ask()
        scene.error = Fatal("no room for Anna")
        with pytest.raises(Fatal):
            scene.run()
        [given_up] = scene.report()["given_up"]
        assert given_up["error"].startswith("Fatal") and ("Anna" in given_up["error"]) is not reveals


def test_the_task_is_asked_whether_to_go_on_also_where_a_queue_holds_no_letters(scene: Scene) -> None:
    scene.append(Message("dead", b"k", b"of somebody else's", (), 0))
    scene.ask()
    scene.run()
    assert scene.asked


def test_a_report_without_letters_still_counts_causes(scene: Scene) -> None:
    """It is asked for every second while a replay is waited for."""
    scene.fail(order(0, b"a"), order(1, b"b"))
    where = Where("TASK_PUT", "Rows", "it")
    scene.dead.add(order(2, b"c"), where, ValueError("worse"))
    scene.dead.add(order(3, b"c"), where, DataError("of another kind"))
    scene.dead.flush()
    found = scene.report(0)
    assert found["letters"] == [] and found["waiting"] == 4
    assert [(cause["count"], cause["message"]) for cause in found["causes"]] == [(3, "worse"), (1, "of another kind")]
    assert [letter["record"] for letter in scene.report(2)["letters"]] == ["orders-0@3", "orders-0@2"]
