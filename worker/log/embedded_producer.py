"""Producer of the embedded log: buffers a transaction and applies it whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final

from headwater.worker.api import Fenced, TopicPartition

from .contract import LogError, Message, MessageRefused
from .embedded_append import PRODUCER_EPOCH, Rows, Transaction, apply_transaction, check_epoch, next_epoch
from .embedded_catalog import Catalog, Topic
from .embedded_prefixes import PrefixWriter
from .embedded_store import Store
from .headers import pack_headers
from .partitioner import partition_for

_RECORD_OVERHEAD_BYTES: Final = 80
"""What Kafka adds to a record that is alone in its batch: what this log takes, a broker takes too."""

_FLUSH_BYTES: Final = 8 << 20
_FLUSH_RECORDS: Final = 20_000


class _State(Enum):
    NEW = auto()  # transactional, before init_transactions
    IDLE = auto()
    OPEN = auto()
    FAILED = auto()  # a commit failed: only abort goes on from here
    FENCED = auto()
    CLOSED = auto()


class EmbeddedProducer:
    def __init__(self, store: Store, transactional_id: str | None) -> None:
        """Owns `store`."""
        self._store = store
        self._catalog = Catalog(store)
        self._id = transactional_id
        self._epoch = -1
        self._state = _State.IDLE if transactional_id is None else _State.NEW
        self._prefixes = PrefixWriter()
        self._pending = Transaction()
        self._pending_records = 0
        self._pending_bytes = 0
        self._turn = 0

    @property
    def patience_s(self) -> None:
        return None

    def init_transactions(self) -> None:
        if self._id is None:
            raise LogError("this producer was made without a transactional id")
        self._expect(_State.NEW, "init_transactions")
        self._epoch = next_epoch(self._store, self._id, _now_ms())
        self._state = _State.IDLE

    def begin(self) -> None:
        if self._id is None:
            raise LogError("this producer was made without a transactional id")
        self._expect(_State.IDLE, "begin")
        self._check_epoch()
        self._state = _State.OPEN

    def send(self, messages: Iterable[Message]) -> None:
        self._expect(_State.IDLE if self._id is None else _State.OPEN, "send")
        self._catalog.refresh()
        rows = self._place(messages)
        self._pending.add(rows)
        self._pending_records += sum(len(more.keys) for more in rows.values())
        self._pending_bytes += sum(more.bytes for more in rows.values())
        if self._id is None and (self._pending_records >= _FLUSH_RECORDS or self._pending_bytes >= _FLUSH_BYTES):
            self.flush()

    def send_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        self._expect(_State.OPEN, "send_offsets")
        self._catalog.refresh()
        placed = {self._catalog.partition_id(partition): offset for partition, offset in offsets.items()}
        self._pending.offsets.setdefault(group, {}).update(placed)

    def commit(self) -> None:
        self._expect(_State.OPEN, "commit")
        try:
            if self._pending.empty():
                self._check_epoch()
            else:
                apply_transaction(self._store, self._pending, self._fence(), self._prefixes)
        except Fenced:
            self._state = _State.FENCED
            self._forget()
            raise
        except BaseException:
            self._state = _State.FAILED
            raise
        self._state = _State.IDLE
        self._forget()

    def abort(self) -> None:
        """Nothing of an open transaction has reached the file yet. Nothing open: does nothing."""
        if self._state in (_State.OPEN, _State.FAILED):
            self._state = _State.IDLE
            self._forget()
        else:
            self._expect(_State.IDLE, "abort")

    def flush(self) -> None:
        if self._id is not None:
            self._expect(_State.OPEN, "flush")
            return
        self._expect(_State.IDLE, "flush")
        if not self._pending.empty():
            # Kept after an error: the next flush tries the same records again.
            apply_transaction(self._store, self._pending, None, self._prefixes)
            self._forget()

    def close(self) -> None:
        """Without transactions: flushes first, and raises what `flush` does."""
        if self._state is _State.CLOSED:
            return
        try:
            if self._id is None:
                self.flush()
        finally:
            self._state = _State.CLOSED
            self._forget()
            self._store.close()

    def _place(self, messages: Iterable[Message]) -> dict[int, Rows]:
        """Choose partitions and check every message before any of them is buffered."""
        placed: dict[int, Rows] = {}
        name, topic, limit, refuse_null, turn = "", None, 0, False, self._turn
        only: int | None = None
        now_ms = _now_ms()
        for message in messages:
            if topic is None or message.topic != name:
                name = message.topic
                topic = self._catalog.topic(name)
                limit = topic.settings.max_message_bytes - _RECORD_OVERHEAD_BYTES
                refuse_null = topic.settings.compact
                only = topic.partition_ids[0] if len(topic.partition_ids) == 1 else None
            key, value = message.key, message.value
            headers = pack_headers(message.headers) if message.headers else None
            size = (len(key) if key else 0) + (len(value) if value else 0) + (len(headers) if headers else 0)
            if size > limit or (refuse_null and key is None):
                raise _refusal(message, topic, size)
            partition_id = _choose(message, topic, turn) if only is None or message.partition is not None else only
            rows = placed.get(partition_id)
            if rows is None:
                rows = placed[partition_id] = Rows(name)
            rows.timestamps_ms.append(now_ms if message.timestamp_ms is None else message.timestamp_ms)
            rows.keys.append(key)
            rows.headers.append(headers)
            rows.values.append(value)
            rows.bytes += size
        self._turn = turn + 1
        return placed

    def _fence(self) -> tuple[str, int] | None:
        return None if self._id is None else (self._id, self._epoch)

    def _check_epoch(self) -> None:
        assert self._id is not None
        try:
            check_epoch(self._store.read(PRODUCER_EPOCH, (self._id,)), (self._id, self._epoch))
        except Fenced:
            self._state = _State.FENCED
            raise

    def _expect(self, state: _State, call: str) -> None:
        if self._state is state:
            return
        if self._state is _State.FENCED:
            raise Fenced(f"another producer has taken over the transactional id {self._id}; this task stops")
        raise LogError(f"{call} is not possible on this producer now (it is {self._state.name.lower()})")

    def _forget(self) -> None:
        self._pending = Transaction()
        self._pending_records = 0
        self._pending_bytes = 0


def _choose(message: Message, topic: Topic, turn: int) -> int:
    """The partition's id. A message without a key goes where this call's turn is: round robin by batch."""
    ids = topic.partition_ids
    number = message.partition
    if number is None:
        return ids[turn % len(ids) if message.key is None else partition_for(message.key, len(ids))]
    if not 0 <= number < len(ids):
        raise MessageRefused(
            f"topic {message.topic} has no partition {number}, only {len(ids)}; nothing of this call was sent", message
        )
    return ids[number]


def _refusal(message: Message, topic: Topic, size: int) -> MessageRefused:
    where = message.topic if message.partition is None else f"{message.topic}-{message.partition}"
    if topic.settings.compact and message.key is None:
        reason = "is compacted and cannot take a message without a key"
    else:
        reason = (
            f"cannot take a message of {size:,} bytes: its max.message.bytes is {topic.settings.max_message_bytes:,}, "
            f"of which {_RECORD_OVERHEAD_BYTES} are Kafka's own. Raise that option of the topic"
        )
    return MessageRefused(f"topic {where} {reason}; nothing of this call was sent", message)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
