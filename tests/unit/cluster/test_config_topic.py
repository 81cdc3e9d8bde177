from __future__ import annotations

from pathlib import Path

from headwater.worker.cluster import config_topic as records
from headwater.worker.cluster.config_topic import ConfigTopic, Configured
from headwater.worker.log import Message, open_log


def test_records_are_kafka_connects(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    topic = ConfigTopic(log, "configs")
    raw = {"name": "shop", "connector.class": "X"}
    changes = records.connector_records("shop", raw) + records.target_records("shop", "STOPPED")
    changes += records.task_records("shop", [{"a": "1"}, {"a": "2"}]) + records.files_records(["shop"])
    assert [(m.key, m.value) for m in topic.messages(changes)] == [
        (b"connector-shop", b'{"properties":{"name":"shop","connector.class":"X"}}'),
        (b"target-state-shop", b'{"state":"PAUSED","state.v2":"STOPPED"}'),
        (b"task-shop-0", b'{"properties":{"a":"1"}}'),
        (b"task-shop-1", b'{"properties":{"a":"2"}}'),
        (b"commit-shop", b'{"tasks":2}'),
        (b"headwater-files", b'{"format":1,"connectors":["shop"]}'),
    ]
    topic.write(changes)
    assert topic.refresh()
    shop = Configured("shop", raw, "STOPPED", ({"a": "1"}, {"a": "2"}), new_tasks=True)
    assert topic.connectors() == {"shop": shop}
    assert topic.from_files() == ["shop"]
    topic.write(records.forget_records(shop))
    topic.refresh()
    assert topic.connectors() == {}
    log.close()


def test_records_of_a_java_worker_are_read(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    topic = ConfigTopic(log, "configs")
    producer = log.producer()
    producer.send(
        [
            Message("configs", b"connector-old", b'{"schema":{},"payload":{"properties":{"name":"old"}}}'),
            Message("configs", b"target-state-old", b'{"state":"PAUSED"}'),
            Message("configs", b"target-state-stopped", b'{"state":"PAUSED","state.v2":"STOPPED"}'),
            Message("configs", b"connector-stopped", b'{"properties":{"name":"stopped"}}'),
            Message("configs", b"task-stopped-0", b'{"properties":{"task.class":"T","name":"stopped"}}'),
            Message("configs", b"commit-stopped", b'{"tasks":1}'),
            Message("configs", b"commit-stopped", b'{"tasks":0}'),
            Message("configs", b"tasks-fencing-stopped", b'{"task-count":1}'),
            Message("configs", b"connector-gone", b'{"properties":{"name":"gone"}}'),
            Message("configs", b"connector-gone", None),
            Message("configs", b"target-state-gone", None),
            Message("configs", b"session-key", b'{"key":"x","algorithm":"HmacSHA256","creation-timestamp":1}'),
            Message("configs", b"restart-connector-old", b'{"include-tasks":true,"only-failed":false}'),
            Message("configs", b"logger-cluster-io.debezium", b'{"level":"INFO"}'),
            Message("configs", b"connector-broken", b"{"),
        ]
    )
    producer.flush()
    topic.refresh()
    stopped = Configured("stopped", {"name": "stopped"}, "STOPPED", fenced=1)
    assert topic.connectors() == {"old": Configured("old", {"name": "old"}, "PAUSED"), "stopped": stopped}
    log.close()


def test_new_task_configs_are_newer_than_the_count_of_fenced_tasks(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    topic = ConfigTopic(log, "configs")
    fencing = records.fencing_records("shop", 2)
    assert [(m.key, m.value) for m in topic.messages(fencing)] == [(b"tasks-fencing-shop", b'{"task-count":2}')]
    topic.write(records.connector_records("shop", {}) + records.task_records("shop", [{}, {}]) + fencing)
    for reader in (topic, ConfigTopic(log, "configs")):
        reader.refresh()
        assert reader.connectors() == {"shop": Configured("shop", {}, tasks=({}, {}), fenced=2)}
    topic.write(records.task_records("shop", [{}]))
    for reader in (topic, ConfigTopic(log, "configs")):
        reader.refresh()
        assert reader.connectors() == {"shop": Configured("shop", {}, tasks=({},), fenced=2, new_tasks=True)}
    topic.write(records.forget_records(topic.connectors()["shop"]) + records.connector_records("shop", {}))
    topic.refresh()
    assert topic.connectors()["shop"].fenced == 2  # made again it may meet tasks of before
    log.close()
