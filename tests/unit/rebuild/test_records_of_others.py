"""Records in the internal topics that no Headwater, or a newer one, has written: they hide nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.cluster.view_state import ViewState, dump_state, view_key
from headwater.worker.log import open_log
from headwater.worker.log.contract import Message
from headwater.worker.rebuild.topic_marks import CompleteMark, complete_marks
from headwater.worker.rebuild.views_log import ViewsLog
from headwater.worker.runtime.internal_topics import InternalTopics

FOREIGN = (b"x", b"\xff\xfe", b"", b"[]", b"5", b'"complete"', b'["view"]', b'["view",5]', b'{"view":"a"}', b"[[1],2]")


def test_they_hide_neither_views_nor_marks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = InternalTopics()
    with closing(open_log({}, tmp_path)) as log, closing(ViewsLog(log, names)) as views, closing(log.producer()) as out:
        complete_marks(log, names)
        log.create_topic(names.topics, 1, {"cleanup.policy": "compact"})
        out.send([Message(topic, key, b"garbage") for topic in (names.views, names.topics) for key in FOREIGN])
        out.send(
            [
                Message(names.views, view_key("orders"), dump_state(ViewState("orders"))),
                Message(names.views, view_key("newer"), b'{"format": 99}'),
                Message(names.topics, b'["complete","items"]', b'{"version": 7, "connector": "shop"}'),
            ]
        )
        out.flush()
        views.refresh()
        assert views.states() == {"orders": ViewState("orders")}
        assert "view newer is not shown" in caplog.text
        assert complete_marks(log, names) == {"items": CompleteMark(7, "shop")}
