from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from headwater.worker.log import Log, LogError, Message
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import UnknownTopic

from .conftest import LogFactory
from .reading import write_transaction


def test_it_is_made_compacted_and_follows_the_topic(log: Log, log_factory: LogFactory) -> None:
    topic = log_factory.name()
    state = CompactedDict(log, topic, partitions=3)
    assert log.topics([topic])[topic].compacted
    assert log.topics([topic])[topic].partitions == 3
    assert state.refresh() == []
    other = CompactedDict(log_factory.open(), topic)
    for number in range(20):
        other.put(b"%d" % number, b"v%d" % number)
    other.put(b"7", None)
    assert state.get(b"3") is None
    changes = state.refresh()
    assert dict(changes) == {b"%d" % number: b"v%d" % number for number in range(20)} | {b"7": None}
    assert state.get(b"3") == b"v3"
    assert state.get(b"7") is None
    assert dict(state.items()) == {b"%d" % number: b"v%d" % number for number in range(20) if number != 7}
    assert state.refresh() == []
    assert other.get(b"3") is None
    other.refresh()
    assert dict(other.items()) == dict(state.items())
    state.close()
    state.close()
    other.close()


def test_it_sees_what_a_transaction_wrote(log: Log, log_factory: LogFactory) -> None:
    topic = log_factory.name()
    state = CompactedDict(log, topic)
    for value in (b"1", b"2"):
        write_transaction(log, log_factory.name("id"), [Message(topic, b"position", value)], {})
    assert state.refresh() == [(b"position", b"1"), (b"position", b"2")]
    assert state.get(b"position") == b"2"
    state.close()


def test_a_topic_that_was_deleted_is_told(log: Log, log_factory: LogFactory) -> None:
    topic = log_factory.name()
    state = CompactedDict(log, topic)
    for value in (b"1", b"2", b"3"):
        state.put(b"a", value)
    state.refresh()
    log.delete_topic(topic)
    _until_told(state)
    made_again = CompactedDict(log, topic)
    assert made_again.made
    _until_told(state)
    assert state.get(b"a") == b"3" and made_again.refresh() == []
    made_again.close()
    state.close()


def _until_told(state: CompactedDict) -> None:
    """Brokers need a moment before each of them knows what became of the topic."""
    deadline = time.monotonic() + 120
    while True:
        try:
            state.refresh()
        except UnknownTopic:
            return
        assert time.monotonic() < deadline, "nobody notices that the topic is gone"
        time.sleep(0.1)


def test_a_topic_that_loses_keys_is_refused(log: Log, make_topic: Callable[..., str]) -> None:
    with pytest.raises(LogError, match="compact"):
        CompactedDict(log, make_topic())
