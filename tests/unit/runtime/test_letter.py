from __future__ import annotations

import pytest

from headwater.worker.log.contract import Message
from headwater.worker.runtime.letter import MARK, Place, letter_of, mark

OF_JAVA = [
    ("__connect.errors.topic", b"orders"),
    ("__connect.errors.partition", b"2"),
    ("__connect.errors.offset", b"41"),
    ("__connect.errors.connector.name", b"view"),
    ("__connect.errors.task.id", b"3"),
    ("__connect.errors.stage", b"VALUE_CONVERTER"),
]


def message(*headers: tuple[str, bytes | None]) -> Message:
    return Message("dead", b"k", b"v", headers, 5, 0, 9)


def test_ours() -> None:
    said = mark("view", 1, 2, 3, topic="orders", partition=2, offset=41, topic_id="x")
    letter = letter_of(message(("own", b"1"), (MARK, said), ("__connect.errors.stage", b"TASK_PUT")))
    assert letter is not None
    assert (letter.connector, letter.generation, letter.task, letter.attempt) == ("view", 2, 1, 3)
    assert letter.place == Place("orders", 2, 41) and letter.topic_id == "x" and letter.at == (0, 9)
    assert letter.record == Message("orders", b"k", b"v", (("own", b"1"),), 5, 2, 41)
    assert letter.reason == {"stage": "TASK_PUT"}


def test_of_kafka_connect() -> None:
    letter = letter_of(message(("own", None), *OF_JAVA))
    assert letter is not None and letter.place == Place("orders", 2, 41)
    assert (letter.connector, letter.generation, letter.task, letter.attempt) == ("view", 1, 3, 1)
    assert letter.record.headers == (("own", None),) and letter.reason["stage"] == "VALUE_CONVERTER"


def test_a_letter_of_a_letter_keeps_what_the_first_said() -> None:
    said = mark("other", 0, 1, 1, topic="dead", partition=0, offset=7, topic_id="")
    letter = letter_of(message(*OF_JAVA, (MARK, said)))
    assert letter is not None and letter.connector == "other"
    assert list(letter.record.headers) == OF_JAVA
    twice = letter_of(message(*OF_JAVA, *OF_JAVA))
    assert twice is not None and list(twice.record.headers) == OF_JAVA


@pytest.mark.parametrize("said", [b"", b"[]", b'{"format":2}', b'{"format":1}', None])
def test_what_is_no_letter(said: bytes | None) -> None:
    assert letter_of(message(("own", b"1"))) is None
    assert letter_of(message((MARK, said))) is None
    assert letter_of(message(*OF_JAVA[:1])) is None
