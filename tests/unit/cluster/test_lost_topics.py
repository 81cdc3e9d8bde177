"""The topics that a cluster's memory is in are deleted while a worker runs: it says so at once, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.cluster.config_records import config_messages, connector_records
from headwater.worker.cluster.config_topic import ConfigTopic
from headwater.worker.cluster.config_writer import ConfigWriter
from headwater.worker.cluster.view_records import ViewRecords
from headwater.worker.log import Log, open_log
from headwater.worker.log.contract import UnknownTopic

WAY_BACK = r"What runs goes on, .*stop all workers, put {} back .*create the connectors"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log({}, tmp_path)
    yield opened
    opened.close()


def write(log: Log) -> None:
    writer = ConfigWriter(log, "lone", lambda: True)
    writer.write(config_messages("configs", connector_records("a", {"name": "a"})))
    writer.release()


def test_readers_say_what_to_do(log: Log) -> None:
    with closing(ConfigTopic(log, "configs")) as configs, closing(ViewRecords(log, "views")) as views:
        write(log)
        configs.refresh()
        for topic in ("configs", "views"):
            log.delete_topic(topic)
        for _ in range(2):
            with pytest.raises(UnknownTopic, match=WAY_BACK.format("configs")):
                configs.refresh()
        with pytest.raises(UnknownTopic, match=WAY_BACK.format("views")):
            views.refresh()
        log.create_topic("configs", 1, {"cleanup.policy": "compact"})
        with pytest.raises(UnknownTopic, match="configs was deleted and made again since it was read"):
            configs.refresh()
        assert list(configs.connectors()) == ["a"]  # what was known is not forgotten


def test_the_writer_says_what_to_do(log: Log) -> None:
    messages = config_messages("configs", connector_records("a", {"name": "a"}))
    log.create_topic("configs", 1, {"cleanup.policy": "compact"})
    writer = ConfigWriter(log, "lone", lambda: True, look_every_s=0)
    writer.write(messages)
    log.delete_topic("configs")
    with pytest.raises(UnknownTopic, match=r"Nothing was written: topic configs was deleted while .*" + WAY_BACK[:10]):
        writer.write(messages)
    log.create_topic("configs", 1, {"cleanup.policy": "compact"})
    with pytest.raises(UnknownTopic, match="topic configs was deleted and made again while"):
        writer.write(messages)
    writer.release()
    write(log)  # one that starts takes the topic as it is
