"""Producer for Kafka: librdkafka's idempotent producer, with or without transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from headwater.worker.api import Fenced, HeadwaterError, Retriable, TopicPartition

from .contract import LogError, Message
from .kafka_client_logs import client_logger
from .kafka_errors import Connection, refused_settings
from .kafka_messages import Placed, Placement
from .kafka_offsets import their_partition
from .kafka_settings import MAX_BLOCK
from .kafka_topics import KafkaTopics

_CLOSE_S: Final = 5.0
_ROOM_S: Final = 0.05
_librdkafka: Final = client_logger(__name__)


class _State(Enum):
    NEW = auto()  # transactional, before init_transactions
    IDLE = auto()
    OPEN = auto()
    FAILED = auto()  # the transaction has to be aborted
    DEAD = auto()  # librdkafka takes no more calls: the caller has to make a new producer
    FENCED = auto()
    CLOSED = auto()


class KafkaProducer:
    def __init__(self, settings: Mapping[str, str], topics: KafkaTopics, transactional_id: str | None) -> None:
        """`settings`: librdkafka's. Raises `ConfigError`."""
        self._id = transactional_id
        self._topics = topics
        self._connection = Connection(settings["bootstrap.servers"])
        self._state = _State.IDLE if transactional_id is None else _State.NEW
        self._undelivered: tuple[KafkaError, str] | None = None
        self._placement = Placement(topics, int(settings.get("batch.size", "1000000")), self._flush_for_room)
        self._groups: dict[str, Any] = {}
        self._answer_s = int(settings[MAX_BLOCK]) / 1000
        self.patience_s: float | None = int(settings["transaction.timeout.ms"]) / 1000
        given: dict[str, Any] = {
            **{name: value for name, value in settings.items() if name != MAX_BLOCK},
            "enable.idempotence": "true",
            "delivery.report.only.error": True,
            "error_cb": self._connection.heard,
            "on_delivery": self._on_delivery,
        }
        if transactional_id is not None:
            given["transactional.id"] = transactional_id
        else:
            # A broker takes any batch as this producer's first to a partition (KIP-360; in a transaction it looks,
            # KIP-890). Were a second one under way when a new partition refuses the first, because its leader is not
            # ready, the first would then be taken for a repeated one: acknowledged, not written. Seen with Kafka 4.1.
            given.setdefault("max.in.flight.requests.per.connection", "1")
        try:
            self._producer = confluent_kafka.Producer(given, logger=_librdkafka)
        except (KafkaException, ValueError) as error:
            raise refused_settings(error) from error
        self._connection.listen = lambda: self._producer.poll(0)

    def init_transactions(self) -> None:
        self._needs_id()
        self._expect(_State.NEW, "init_transactions")
        self._ask(lambda: self._producer.init_transactions(self._answer_s), "could not be initialised", _State.NEW)
        self._state = _State.IDLE

    def begin(self) -> None:
        self._needs_id()
        self._expect(_State.IDLE, "begin")
        self._undelivered = None
        self._placement.begin()
        self._ask(self._producer.begin_transaction, "could not be begun", _State.DEAD)
        self._state = _State.OPEN

    def send(self, messages: Iterable[Message]) -> None:
        self._expect(_State.IDLE if self._id is None else _State.OPEN, "send")
        placement, produce = self._placement, self._producer.produce
        placed = placement.place(messages)
        tight = placement.tight
        try:
            for one in placed:
                message, partition, timestamp_ms = one
                if tight:
                    placement.make_room(message)
                headers: Any = list(message.headers) if message.headers else None
                try:
                    produce(
                        message.topic,
                        message.value,
                        message.key,
                        partition,
                        timestamp=timestamp_ms,
                        headers=headers,
                    )
                except BufferError:
                    self._produce_later(one)
            self._producer.poll(0)
        except KafkaException as error:
            raise self._failed(error, "records could not be sent") from error

    def _produce_later(self, placed: Placed) -> None:
        """As soon as there is room in librdkafka's queue."""
        message, partition, timestamp_ms = placed
        headers: Any = list(message.headers) if message.headers else None
        deadline = time.monotonic() + self._answer_s
        while True:
            self._producer.poll(_ROOM_S)
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.key,
                    partition,
                    timestamp=timestamp_ms,
                    headers=headers,
                )
                return
            except BufferError as error:
                if time.monotonic() > deadline:
                    full = KafkaException(KafkaError(KafkaError._QUEUE_FULL))
                    raise self._failed(full, f"no broker took records for {self._answer_s:.0f} s") from error

    def send_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        self._expect(_State.OPEN, "send_offsets")
        if not offsets:
            return
        places = [their_partition(partition, offset) for partition, offset in offsets.items()]
        what = f"offsets of group {group} could not be sent"
        self._ask(
            lambda: self._producer.send_offsets_to_transaction(places, self._metadata(group), self._answer_s),
            what,
            _State.FAILED,
        )

    def _metadata(self, group: str) -> Any:
        """librdkafka makes a group's metadata from a consumer alone; this one knows no broker and asks nobody."""
        found = self._groups.get(group)
        if found is None:
            asked = confluent_kafka.Consumer({"group.id": group, "bootstrap.servers": "", "log_level": 0})
            found = self._groups[group] = asked.consumer_group_metadata()
            asked.close()
        return found

    def commit(self) -> None:
        self._expect(_State.OPEN, "commit")
        self._ask(lambda: self._producer.commit_transaction(self._answer_s), "could not be committed", _State.FAILED)
        self._state = _State.IDLE

    def abort(self) -> None:
        """Nothing open: does nothing. After `Retriable` this producer has to be replaced: a new one's
        `init_transactions` settles what became of the transaction."""
        if self._state in (_State.OPEN, _State.FAILED):
            self._ask(lambda: self._producer.abort_transaction(self._answer_s), "could not be aborted", _State.DEAD)
            self._state = _State.IDLE
        else:
            self._expect(_State.IDLE, "abort")

    def flush(self) -> None:
        self._expect(_State.IDLE if self._id is None else _State.OPEN, "flush")
        self._flush_for_room()

    def _flush_for_room(self) -> None:
        try:
            left = self._producer.flush(self._answer_s)
        except KafkaException as error:
            raise self._failed(error, "records could not be sent") from error
        failed, self._undelivered = self._undelivered, None
        if failed is not None:
            cause, topic = failed
            raise self._failed(KafkaException(cause), f"records for topic {topic} were not taken")
        if left:
            late = KafkaException(KafkaError(KafkaError._TIMED_OUT))
            raise self._failed(late, f"{left} records were not acknowledged within {self._answer_s:.0f} s")

    def close(self) -> None:
        """Without transactions: flushes first, and raises what `flush` does."""
        state, self._state = self._state, _State.CLOSED
        if state is _State.CLOSED:
            return
        try:
            if self._id is None and state is _State.IDLE:
                self._state = state
                self.flush()
            elif state in (_State.OPEN, _State.FAILED):
                self._producer.abort_transaction(_CLOSE_S)
        except KafkaException as error:
            _librdkafka.info("the open transaction of %s is left to its successor: %s", self._id, error)
        finally:
            self._state = _State.CLOSED
            self._drop()

    def _drop(self) -> None:
        """Nothing waits in the client's queues, so that its threads end at once."""
        try:
            self._producer.purge()
            self._producer.flush(0)
        except KafkaException as error:
            _librdkafka.debug("closing: %s", error)

    def _on_delivery(self, error: KafkaError | None, message: confluent_kafka.Message) -> None:
        """Called for failures alone."""
        if error is not None and self._undelivered is None:
            self._undelivered = (error, message.topic() or "?")

    def _ask(self, call: Callable[[], None], what: str, after: _State) -> None:
        """`after`: the state that an error leaves behind."""
        try:
            call()
        except KafkaException as error:
            subject = what if what.startswith("offsets") else f"the transaction of {self._id} {what}"
            raise self._failed(error, subject, after) from error

    def _failed(self, error: KafkaException, what: str, after: _State | None = None) -> HeadwaterError:
        """The error to raise; notes what this producer is good for from now on."""
        cause: KafkaError = error.args[0]
        if self._undelivered is not None and not cause.fatal():
            first, topic = self._undelivered
            cause, what = first, f"{what}: topic {topic}"
        if self._connection.fatal is not None:
            cause = self._connection.fatal
        found = self._connection.error(cause, what)
        if isinstance(found, Fenced):
            self._state = _State.FENCED
        elif cause.fatal():
            self._state = _State.DEAD
        elif after is not None:
            self._state = after
        elif self._id is not None:
            self._state = _State.FAILED
        self._placement.doubt(cause)
        return found

    def _needs_id(self) -> None:
        if self._id is None:
            raise LogError("this producer was made without a transactional id")

    def _expect(self, state: _State, call: str) -> None:
        if self._state is state:
            return
        if self._state is _State.FENCED:
            raise Fenced(f"another producer has taken over the transactional id {self._id}; this task stops")
        if self._state is _State.DEAD:
            raise Retriable(f"{call} is not possible on this producer any more, a new one has to be made")
        raise LogError(f"{call} is not possible on this producer now (it is {self._state.name.lower()})")
