"""A reader who keeps count all the while: of each key every event, in the order in which it could be seen."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

import orjson

from headwater.worker.api import VERSION_HEADER, TopicPartition
from headwater.worker.log import Message
from tests.live_writer import TABLES

from .history import Event, Key
from .streams import Stream

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Count:
    """Of one pass over the topics. `take` raises `AssertionError` for what no reader may ever see.

    `gaps`: compaction may have taken an event that has a successor; a tombstone alone then has transaction 0.
    """

    def __init__(self, gaps: bool) -> None:
        self._gaps = gaps
        self.events: dict[tuple[str, Key], list[Event]] = defaultdict(list)
        self.rows: dict[tuple[str, Key], Message] = {}
        """What is left when all events were applied: the newest message of each key that is not deleted."""
        self.places: list[Place] = []
        self.snapshot = 0
        """How many rows of snapshots."""
        self._next: dict[TopicPartition, int] = {}
        self._versions: dict[tuple[str, Key], int] = {}
        self._read: set[tuple[str, Key]] = set()

    def take(self, message: Message) -> None:
        assert message.partition is not None
        place = (message.topic, message.partition, message.offset)
        tp = TopicPartition(message.topic, message.partition)
        assert message.offset >= self._next.get(tp, 0), f"{place}: after offset {self._next[tp] - 1}"
        self._next[tp] = message.offset + 1
        self.places.append(place)
        table = message.topic.rsplit(".", 1)[1]
        value = None if message.value is None else orjson.loads(message.value)["payload"]
        key = table, _key(table, message, value)
        if value is None:
            self._tombstone(key, place)
        elif value["op"] == "r":
            assert key not in self._read, f"{place}: {key} was read twice by the snapshot"
            assert key not in self.events, f"{place}: {key} was read by the snapshot after it had changed"
            self._read.add(key)
            self.snapshot += 1
        else:
            version = int(dict(message.headers)[VERSION_HEADER] or b"")
            assert version >= self._versions.get(key, 0), f"{place}: the version of {key} fell"
            self._versions[key] = version
            self.events[key].append((int(value["source"]["txId"]), str(value["op"])))
        if value is None or value["op"] == "d":
            self.rows.pop(key, None)
        else:
            self.rows[key] = message

    def _tombstone(self, key: tuple[str, Key], place: Place) -> None:
        events = self.events[key]
        follows = bool(events) and events[-1][1] == "d"
        assert follows or self._gaps, f"{place}: a tombstone of {key} that follows no delete"
        events.append((events[-1][0] if follows else 0, "t"))

    def keys(self) -> dict[str, set[Key]]:
        """Keys that are there in the end, by table."""
        found: dict[str, set[Key]] = {table: set() for table in TABLES}
        for table, key in self.rows:
            found[table].add(key)
        return found


def _key(table: str, message: Message, value: dict[str, dict[str, object]] | None) -> Key:
    if not TABLES[table]:
        assert value is not None, f"{message.topic}@{message.offset}: a tombstone without a key"
        return (str(value["after"]["text"]),)
    assert message.key is not None
    payload = orjson.loads(message.key)["payload"]
    return tuple(str(payload[column]) for column in TABLES[table])


class CountingReader(threading.Thread):
    """Reads from before the first record until `stop`."""

    def __init__(self, open_stream: Callable[[], Stream], gaps: bool) -> None:
        super().__init__(name="counting reader", daemon=True)
        self.count = Count(gaps)
        self.error: BaseException | None = None
        self._open_stream = open_stream
        self._ending = threading.Event()

    def run(self) -> None:
        try:
            stream = self._open_stream()
            try:
                while not self._ending.is_set():
                    for message in stream.poll(0.5):
                        self.count.take(message)
            finally:
                stream.close()
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        """Raises what it has met."""
        self._ending.set()
        self.join()
        if self.error is not None:
            raise self.error


def count_again(stream: Stream, gaps: bool) -> Count:
    """A second reader that comes when all is over and reads from the begin."""
    count = Count(gaps)
    try:
        while True:
            messages = stream.poll(2.0)
            for message in messages:
                count.take(message)
            if not messages and stream.at_end():
                return count
    finally:
        stream.close()
