from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.log import Log, Message, open_log
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import TopicInfo
from headwater.worker.runtime.replay_records import (
    Done,
    done_key,
    dones,
    dump_done,
    new_request,
    request_key,
    request_of,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(open_log({}, tmp_path)) as log:
        yield log


def test_what_is_written_is_read(log: Log) -> None:
    request, value = new_request(TopicInfo("dead", "id-7", 2), {0: 5, 1: 0})
    pending = Done("id-7", {0: 5}, {"replayed": 3}, request=request.id)
    done = Done("id-7", {0: 2}, {"failed": 1}, request=request.id, pending=pending)
    given_up = Done("id-7", {}, {}, "Fatal: no such column", request.id)
    with closing(CompactedDict(log, "views")) as stored:
        stored.put(request_key("view"), value)
        stored.put(done_key("view", 2, "orders", 11), dump_done(done))
        stored.put(done_key("view", 1, "orders", 0), dump_done(given_up))
        stored.put(done_key("other", 1, "orders", 0), dump_done(done))
        stored.put(b'["view","view"]', b'{"format":1}')
        stored.refresh()
        assert request_of(stored, "view") == request and request_of(stored, "other") is None
        assert dones(stored, "view") == {(2, "orders", 11): done, (1, "orders", 0): given_up}


def test_what_a_newer_headwater_has_written_is_passed_by(log: Log) -> None:
    with closing(CompactedDict(log, "views")) as stored:
        with closing(log.producer()) as producer:
            keys = request_key("view"), done_key("view", 1, "orders", 0)
            producer.send([Message("views", key, b'{"format":2}') for key in keys])
            producer.flush()
        stored.refresh()
        assert request_of(stored, "view") is None and dones(stored, "view") == {}
