from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from headwater.worker.api import Batch, Fatal
from headwater.worker.log import Message, open_log
from headwater.worker.runtime.marks import Marks
from headwater.worker.runtime.positions import Positions


def test_positions_are_written_as_kafka_connect_does(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    positions = Positions(log, "offsets", "shop")
    [message] = positions.messages([({"server": "shöp"}, {"format": 1, "lsn": 1}), ({"server": "shöp"}, {"lsn": 2})])
    assert message.key == '["shop",{"server":"shöp"}]'.encode()
    assert message.value == b'{"lsn":2}'
    producer = log.producer()
    other = Message("offsets", b'["another",{"server":"x"}]', b'{"lsn":9}')
    producer.send([message, other, Message("offsets", b"nonsense", b"{}")])
    producer.flush()
    assert positions.load() == [({"server": "shöp"}, {"lsn": 2})]
    log.close()


def test_bytes_of_a_key_that_is_there_are_used_again(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    java = b'["shop",{"b": 2, "a":1}]'
    positions = Positions(log, "offsets", "shop")
    producer = log.producer()
    producer.send([Message("offsets", java, b'{"n":1}')])
    producer.flush()
    assert positions.load() == [({"b": 2, "a": 1}, {"n": 1})]
    assert [m.key for m in positions.messages([({"a": 1, "b": 2}, None)])] == [java]
    log.close()


def test_a_topic_of_positions_that_is_missing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = open_log({}, tmp_path)
    for deleted in (False, True):
        if deleted:
            log.delete_topic("offsets")
        Positions(log, "offsets", "shop")
        Positions(log, "offsets", "other")
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 2 and all("topic offsets" in line and "shop and all others" in line for line in told)
    log.close()


def test_a_damaged_position_stops_the_task(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    positions = Positions(log, "offsets", "shop")
    producer = log.producer()
    producer.send([Message("offsets", b'["shop",{}]', b"{")])
    producer.flush()
    with pytest.raises(Fatal, match="is not JSON"):
        positions.load()
    log.close()


def marks(batch: Batch, origins: dict[str, list[str]], book: Marks) -> dict[str, object]:
    return {
        orjson.loads(m.key or b"")[1]: None if m.value is None else orjson.loads(m.value)["version"]
        for m in book.messages(batch, origins)
    }


def test_marks_follow_the_routes() -> None:
    book = Marks("topics", "shop")
    assert marks(Batch(complete={"a": 7}), {}, book) == {"a": 7}
    assert marks(Batch(complete={"a": 7}), {"routed": ["a"]}, book) == {"routed": 7}
    assert marks(Batch(restarted=("a",)), {"routed": ["a"]}, book) == {"routed": None}


def test_a_topic_of_several_tables_is_complete_with_the_last_of_them() -> None:
    book, origins = Marks("topics", "shop"), {"all": ["a", "b"]}
    assert marks(Batch(complete={"a": 7}), origins, book) == {}
    assert marks(Batch(complete={"b": 5}), origins, book) == {"all": 5}
    assert marks(Batch(restarted=("b",)), origins, book) == {"all": None}
