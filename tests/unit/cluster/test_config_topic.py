from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.worker.cluster import config_records as records
from headwater.worker.cluster.config_state import Configured, RestartRequest
from headwater.worker.cluster.config_topic import ConfigTopic
from headwater.worker.cluster.session_keys import SessionKey
from headwater.worker.log import Log, Message, open_log
from headwater.worker.log.compacted import CompactedDict
from tests.written_configs import write_configs

KEY = SessionKey(b"0123", "HmacSHA256", 5)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log({}, tmp_path)
    yield opened
    opened.close()


def write(log: Log, *messages: tuple[bytes, bytes | None]) -> None:
    """As another worker would."""
    CompactedDict(log, "configs").close()  # makes the topic
    producer = log.producer()
    producer.send([Message("configs", key, value) for key, value in messages])
    producer.flush()
    producer.close()


def put(log: Log, changes: records.Records) -> None:
    write_configs(log, "configs", changes)


def read(log: Log) -> dict[str, Configured]:
    """As a worker that starts."""
    topic = ConfigTopic(log, "configs")
    topic.refresh()
    topic.close()
    return topic.connectors()


def test_records_are_kafka_connects(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    raw = {"name": "shop", "connector.class": "X"}
    changes = records.connector_records("shop", raw, "STOPPED")
    changes += records.task_records("shop", [{"a": "1"}, {"a": "2"}]) + records.files_records(["shop"])
    changes += records.restart_records(RestartRequest("shop", True)) + records.logger_records("io.debezium", "DEBUG")
    changes += records.session_key_records(KEY) + records.stop_records("gone")
    assert [(m.key, m.value) for m in records.config_messages("configs", changes)] == [
        (b"target-state-shop", b'{"state":"PAUSED","state.v2":"STOPPED"}'),
        (b"connector-shop", b'{"properties":{"name":"shop","connector.class":"X"}}'),
        (b"task-shop-0", b'{"properties":{"a":"1"}}'),
        (b"task-shop-1", b'{"properties":{"a":"2"}}'),
        (b"commit-shop", b'{"tasks":2}'),
        (b"headwater-files", b'{"format":1,"connectors":["shop"]}'),
        (b"restart-connector-shop", b'{"include-tasks":true,"only-failed":false}'),
        (b"logger-cluster-io.debezium", b'{"level":"DEBUG"}'),
        (b"session-key", b'{"key":"MDEyMw==","algorithm":"HmacSHA256","creation-timestamp":5}'),
        (b"commit-gone", b'{"tasks":0}'),
        (b"target-state-gone", b'{"state":"PAUSED","state.v2":"STOPPED"}'),
    ]
    put(log, changes)
    assert topic.refresh()
    shop = Configured("shop", raw, "STOPPED", ({"a": "1"}, {"a": "2"}), new_tasks=True)
    assert topic.connectors() == {"shop": shop}
    assert topic.from_files() == ["shop"]
    assert topic.session_key() == KEY
    put(log, records.forget_records(shop))
    topic.refresh()
    assert topic.connectors() == {}


def test_records_of_a_java_worker_are_read(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    write(
        log,
        (b"connector-old", b'{"schema":{},"payload":{"properties":{"name":"old"}}}'),
        (b"target-state-old", b'{"state":"PAUSED"}'),
        (b"target-state-stopped", b'{"state":"PAUSED","state.v2":"STOPPED"}'),
        (b"connector-stopped", b'{"properties":{"name":"stopped","nothing":null}}'),
        (b"task-stopped-0", b'{"properties":{"task.class":"T","name":"stopped"}}'),
        (b"commit-stopped", b'{"tasks":1}'),
        (b"commit-stopped", b'{"tasks":0}'),
        (b"tasks-fencing-stopped", b'{"task-count":1}'),
        (b"connector-gone", b'{"properties":{"name":"gone"}}'),
        (b"connector-gone", None),
        (b"target-state-gone", None),
        (b"session-key", b'{"key":"MDEyMw==","algorithm":"HmacSHA256","creation-timestamp":5}'),
        (b"session-key", b'{"key":"x","algorithm":"HmacSHA256","creation-timestamp":1}'),
        (b"session-key", None),
        (b"restart-connector-old", b'{"include-tasks":true,"only-failed":false}'),
        (b"logger-cluster-io.debezium", b'{"level":"INFO"}'),
        (b"connector-broken", b"{"),
        (b"connector-broken", b'{"properties":1}'),
        (b"target-state-old", b'{"state":"DANCING"}'),
        (b"task-old-x", b'{"properties":{}}'),
        (b"something-else", b"{}"),
    )
    topic.refresh()
    stopped = Configured("stopped", {"name": "stopped"}, "STOPPED", fenced=1)
    assert topic.connectors() == {
        "old": Configured("old", {"name": "old"}, "PAUSED", planned=False),
        "stopped": stopped,
    }
    assert topic.session_key() == KEY


def test_new_task_configs_are_newer_than_the_count_of_fenced_tasks(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    fencing = records.fencing_records("shop", 2)
    assert [(m.key, m.value) for m in records.config_messages("configs", fencing)] == [
        (b"tasks-fencing-shop", b'{"task-count":2}')
    ]
    write_configs(
        log, "configs", records.connector_records("shop", {}) + records.task_records("shop", [{}, {}]) + fencing
    )
    topic.refresh()
    assert topic.connectors() == read(log) == {"shop": Configured("shop", {}, tasks=({}, {}), fenced=2)}
    put(log, records.task_records("shop", [{}]))
    topic.refresh()
    assert topic.connectors() == read(log) == {"shop": Configured("shop", {}, tasks=({},), fenced=2, new_tasks=True)}
    write_configs(
        log, "configs", records.forget_records(topic.connectors()["shop"]) + records.connector_records("shop", {})
    )
    topic.refresh()
    again = Configured("shop", {}, fenced=2, new_tasks=True, planned=False)
    assert topic.connectors() == read(log) == {"shop": again}
    # Made again, it may meet tasks of before; its task configs of before are none of its own.


def test_task_configs_count_from_their_commit_on(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    put(log, records.connector_records("shop", {}) + records.task_records("shop", [{"a": "1"}]))
    put(log, records.task_records("shop", [{"a": "2"}, {"a": "3"}])[:-1])
    topic.refresh()
    assert topic.connectors()["shop"].tasks == ({"a": "1"},)
    put(log, records.task_records("shop", [{}, {}])[-1:])
    topic.refresh()
    assert topic.connectors()["shop"].tasks == ({"a": "2"}, {"a": "3"})


def test_a_plan_of_which_compaction_has_taken_a_part_is_inconsistent(log: Log) -> None:
    write(log, (b"connector-shop", b'{"properties":{}}'), (b"task-shop-1", b'{"properties":{}}'))
    write(log, (b"commit-shop", b'{"tasks":2}'), (b"task-shop-0", b'{"properties":{}}'))
    assert read(log)["shop"] == Configured("shop", {}, new_tasks=True, inconsistent=True)
    write(log, (b"commit-shop", b'{"tasks":1}'))
    assert read(log)["shop"] == Configured("shop", {}, tasks=({},), new_tasks=True)


def test_what_a_deleted_connector_has_left_behind_does_not_count(log: Log) -> None:
    write(log, (b"task-shop-0", b'{"properties":{}}'), (b"commit-shop", b'{"tasks":1}'))
    write(log, (b"connector-shop", b'{"properties":{}}'))
    assert read(log)["shop"] == Configured("shop", {}, planned=False)


def test_a_connector_without_a_name_is_passed_by(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody could ask for it, let alone delete it."""
    write(log, (b"connector-", b'{"properties":{}}'), (b"connector-shop", b'{"properties":{}}'))
    assert list(read(log)) == ["shop"]
    assert "record connector- of topic configs is passed by" in caplog.text


def test_task_configs_older_than_the_config_are_those_of_another_plan(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    planned = []
    for changes in (
        records.connector_records("shop", {}),
        records.task_records("shop", [{}]),
        records.connector_records("shop", {"tasks.max": "2"}),
        records.target_records("shop", "PAUSED"),
        records.task_records("shop", [{}]),
    ):
        put(log, changes)
        topic.refresh()
        planned.append(topic.connectors()["shop"].planned)
    assert planned == [False, True, False, False, True]


def test_restarts_and_logger_levels_are_events(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    write_configs(
        log, "configs", records.restart_records(RestartRequest("before")) + records.logger_records("before", "INFO")
    )
    topic.refresh()
    assert (topic.take_restarts(), topic.take_logger_levels()) == ([], [])
    asked = [RestartRequest("a", True, False), RestartRequest("b", False, True), RestartRequest("a")]
    for request in asked:
        put(log, records.restart_records(request))
    put(log, records.logger_records("root", "WARN"))
    topic.refresh()
    topic.refresh()
    assert (topic.take_restarts(), topic.take_logger_levels()) == (asked, [("root", "WARN")])
    assert (topic.take_restarts(), topic.take_logger_levels()) == ([], [])


def test_the_offset_is_one_past_the_last_record(log: Log) -> None:
    topic = ConfigTopic(log, "configs")
    topic.refresh()
    assert topic.offset == -1
    put(log, records.connector_records("a", {}) + records.connector_records("b", {}))
    assert topic.offset == -1
    topic.refresh()
    assert (topic.offset, topic.position) == (2, 2)
