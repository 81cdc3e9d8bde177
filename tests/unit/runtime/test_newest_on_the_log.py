"""What the log says of keys of dead letters, on the embedded log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, Message, TopicInfo, open_log
from headwater.worker.runtime.letter import Place
from headwater.worker.runtime.newest_of_keys import NewestOfKeys
from headwater.worker.runtime.newest_versions import NewestVersions, remembers_ms

TP = TopicPartition("orders", 0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(open_log({}, tmp_path)) as log:
        log.create_topic("orders", 1, {})
        yield log


def append(log: Log, *keys: bytes | None, version: int | None = None, topic: str = "orders") -> None:
    headers = () if version is None else (("headwater.version", b"%d" % version),)
    with closing(log.producer()) as producer:
        producer.send([Message(topic, key, b"x", headers, None, 0) for key in keys])
        producer.flush()


def test_the_newest_of_its_key(log: Log) -> None:
    append(log, b"a", b"b", b"c", b"a", None)
    places = [(Place("orders", 0, 0), b"a"), (Place("orders", 0, 1), b"b")]
    with closing(NewestOfKeys(log, places)) as newest:
        assert newest.read({TP: 3}, 60.0)
        assert newest.read({TP: 5}, 60.0)
        assert newest.superseded(*places[0]) and not newest.superseded(*places[1])
        append(log, b"b")
        assert not newest.superseded(*places[1])  # the task has not come there yet
        assert newest.read({TP: 6}, 60.0) and newest.superseded(*places[1])
        assert not any(newest.unknown(*place) for place in places)


def test_a_record_that_compaction_took_had_a_later_one(log: Log) -> None:
    append(log, b"a", b"b")
    with closing(NewestOfKeys(log, [(Place("orders", 0, 0), b"gone")])) as newest:
        assert newest.read({TP: 2}, 60.0)
        assert newest.superseded(Place("orders", 0, 0), b"gone")


def test_a_delete_that_compaction_took_may_have_been_the_last(log: Log) -> None:
    append(log, b"a", b"b", b"a")
    places = [(Place("orders", 0, 0), b"gone"), (Place("orders", 0, 0), b"a")]
    with closing(NewestOfKeys(log, places)) as newest:
        assert newest.read({TP: 3}, 60.0)
        assert [newest.superseded(*place, deletes=True) for place in places] == [False, True]


def test_what_is_deleted_while_it_is_looked_for_is_unknown(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, b"a", b"b")
    place = Place("orders", 0, 0), b"deleted"
    with closing(NewestOfKeys(log, [place])) as newest:
        monkeypatch.setattr(log, "begin_offsets", lambda partitions: dict.fromkeys(partitions, 1))
        assert newest.read({TP: 2}, 60.0)
        assert newest.unknown(*place) and not newest.superseded(*place)


def test_partitions_of_others_are_not_waited_for(log: Log) -> None:
    append(log, b"a")
    with closing(NewestOfKeys(log, [(Place("orders", 0, 0), b"a")])) as newest:
        assert newest.read({}, 60.0)
    with closing(NewestOfKeys(log, ())) as nothing:
        assert nothing.read({TP: 1}, 60.0)


def test_versions(log: Log) -> None:
    append(log, b"old", version=5)
    append(log, b"old", b"new", version=9)
    append(log, b"none")

    def message(key: bytes, version: int | None) -> Message:
        return Message("orders", key, b"y", () if version is None else (("headwater.version", b"%d" % version),))

    asked = [message(b"old", 7), message(b"new", 9), message(b"new", 10), message(b"none", 1), message(b"other", 1)]
    with closing(NewestVersions(log, [*asked, Message("elsewhere", b"k", b"y")])) as newest:
        assert newest.read(60.0)
        fates = [newest.fate(one, None) for one in asked]
        assert [fates[0], fates[2], fates[4]] == ["superseded", "replayed", "replayed"]
        assert "more than once" in fates[1] and "no versions" in fates[3]
        assert "no versions" in newest.fate(message(b"old", None), None)
        assert newest.fate(Message("elsewhere", b"k", b"y"), None) == "replayed"


def test_a_topic_that_was_made_meanwhile_is_read_at_the_end(log: Log) -> None:
    asked = Message("new", b"a", b"y")
    with closing(NewestVersions(log, [asked, Message("orders", b"a", b"y")])) as newest:
        assert newest.read(60.0) and newest.fate(asked, None) == "replayed"
        log.create_topic("new", 1, {})
        append(log, b"a", topic="new")
        assert newest.read(60.0, whole=True) and "no versions" in newest.fate(asked, None)


@pytest.mark.parametrize(
    ("config", "begin", "expected"),
    [
        ({"cleanup.policy": "compact"}, 0, 86_400_000),
        ({"cleanup.policy": "compact,delete", "delete.retention.ms": "7", "retention.ms": "5"}, 1, 5),
        ({"cleanup.policy": "compact,delete", "delete.retention.ms": "7", "retention.ms": "5"}, 0, 7),
        ({}, 0, None),
        ({}, 1, 604_800_000),
        ({"retention.ms": "-1"}, 1, None),
        ({"retention.ms": "-1", "retention.bytes": "1000"}, 1, 0),
    ],
)
def test_for_how_long_a_topic_remembers(config: dict[str, str], begin: int, expected: int | None) -> None:
    info = TopicInfo("orders", "id", 2, config)
    assert remembers_ms(info, {TP: begin, TopicPartition("orders", 1): 0}) == expected
