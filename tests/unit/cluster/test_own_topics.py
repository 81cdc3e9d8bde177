"""The topics that a worker keeps its own affairs in, as they are made."""

from __future__ import annotations

from pathlib import Path

from headwater.worker.cluster.own_topics import make_own_topics
from headwater.worker.cluster.status_topic import StatusTopic
from headwater.worker.log import open_log
from headwater.worker.runtime.internal_topics import InternalTopics


def test_settings_of_the_users_file_reach_them(tmp_path: Path) -> None:
    raw = {
        "config.storage.max.message.bytes": "9000000",
        "offset.storage.delete.retention.ms": "5000",
        "status.storage.max.message.bytes": "7000000",
    }
    log, topics = open_log({}, tmp_path), InternalTopics.of(raw)
    make_own_topics(log, topics)
    status = StatusTopic(log, topics)
    try:
        made = log.topics([topics.configs, topics.views, topics.offsets, topics.status])
        assert {info.config["cleanup.policy"] for info in made.values()} == {"compact"}
        assert made[topics.configs].config["max.message.bytes"] == "9000000"
        assert made[topics.views].config["max.message.bytes"] == "9000000"
        assert made[topics.offsets].config["delete.retention.ms"] == "5000"
        assert made[topics.status].config["max.message.bytes"] == "7000000"
        make_own_topics(log, InternalTopics())  # they stay as they are
        assert log.topics([topics.configs])[topics.configs].config["max.message.bytes"] == "9000000"
    finally:
        status.close()
        log.close()
