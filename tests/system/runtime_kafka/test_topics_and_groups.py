"""Topics that are made, missing, wrong or late; consumer groups as other tools see them."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from headwater.worker.api import Fatal, TopicPartition, TopicSettings
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.config.plan import build_plan
from headwater.worker.log import LogError, open_log
from headwater.worker.runtime import topic_keeper
from headwater.worker.runtime.supervisor import Supervisor
from tests.plugins.counting.source import make_upstream
from tests.servers.kafka import KafkaServer
from tests.servers.maven import java
from tests.system.runtime.scene import Scene, eventually, once_each, state_of, work

pytestmark = pytest.mark.system


def reason(supervisor: Supervisor, connector: str) -> str:
    """Why it has FAILED."""
    eventually(lambda: state_of(supervisor, connector)["state"] == "FAILED")
    return str(state_of(supervisor, connector)["reason"])


def test_topics_are_made_as_their_group_says(tmp_path: Path, supervisor: Supervisor, on_kafka: dict[str, str]) -> None:
    scene = Scene(tmp_path, 100, on_kafka)
    raw = scene.source(restart_max_attempts=0) | {
        "topic.creation.groups": "few, rest",
        "topic.creation.few.include": "numbers-.*",
        "topic.creation.few.partitions": "3",
        "topic.creation.few.replication.factor": "1",
        "topic.creation.few.retention.ms": "-1",
        "topic.creation.rest.include": ".*",
        "topic.creation.rest.partitions": "7",
        "topic.creation.default.partitions": "-1",
        "topic.creation.default.replication.factor": "-1",
        "offsets.storage.topic": f"{on_kafka['group.id']}-own-offsets",
    }
    supervisor.run("source", work(scene.spec(raw)))
    eventually(lambda: len(scene.numbers()) == 101)
    supervisor.run("defaults", work(scene.spec({**scene.source(), "name": "d", "count.topic": f"{scene.topic}d"})))
    eventually(lambda: len(scene.numbers(f"{scene.topic}d")) == 101)
    log = scene.log()
    infos = log.topics([scene.topic, f"{scene.topic}d", raw["offsets.storage.topic"]])
    assert infos[scene.topic].partitions == 3 and infos[f"{scene.topic}d"].partitions == 2
    assert infos[scene.topic].config["retention.ms"] == "-1"
    assert infos[raw["offsets.storage.topic"]].compacted
    log.close()
    assert any(b'"n":100' in (m.value or b"") for m in scene.messages(raw["offsets.storage.topic"]))


def test_what_cannot_be_made_or_written_says_which_option(
    tmp_path: Path, supervisor: Supervisor, on_kafka: dict[str, str]
) -> None:
    once = {"restart.max.attempts": "0"}
    disabled = Scene(tmp_path / "disabled", 10, {**on_kafka, "topic.creation.enable": "false"})
    supervisor.run("disabled", work(disabled.spec({**disabled.source(), **once, "name": "disabled"})))
    too_many = {"topic.creation.default.partitions": "2", "topic.creation.default.replication.factor": "3"}
    scene = Scene(tmp_path, 3, on_kafka)
    supervisor.run("many", work(scene.spec({**scene.source(), **once, **too_many, "name": "many"})))
    large = scene.source(count_padding=2_000, count_topic=f"{scene.topic}-small") | {
        "topic.creation.default.partitions": "2",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.max.message.bytes": "1000",
        "topic.creation.default.message.timestamp.after.max.ms": str(2**63 - 1),
    }
    supervisor.run("large", work(scene.spec({**large, **once, "name": "large"})))
    supervisor.run("tolerant", work(scene.spec({**large, "name": "tolerant", "errors.tolerance": "all"})))
    dead = {"errors.tolerance": "all", "errors.deadletterqueue.topic.name": f"{scene.topic}-dead"}
    supervisor.run("dead", work(scene.spec({**scene.sink(), **once, **dead, "name": "dead"})))

    assert f"topic {disabled.topic} does not exist and topic.creation.enable=false" in reason(supervisor, "disabled")
    assert "topic.creation.default.replication.factor" in reason(supervisor, "many")
    said = reason(supervisor, "large")
    assert f"{scene.topic}-small" in said and "max.message.bytes" in said
    eventually(lambda: state_of(supervisor, "tolerant")["metrics"].get("records_skipped") == 4)
    assert "errors.deadletterqueue.topic.replication.factor" in reason(supervisor, "dead")


def test_three_replicas_on_one_broker_are_refused_by_the_options_name(tmp_path: Path, on_kafka: dict[str, str]) -> None:
    settings = {name: text for name, text in on_kafka.items() if name != "offset.storage.replication.factor"}
    with pytest.raises(LogError, match=r"offset\.storage\.replication\.factor is 3.*-1"):
        Standalone(settings, tmp_path / "data").start()


@pytest.mark.parametrize(
    ("partitions", "policy", "said"),
    [(1, "delete", "cleanup.policy=delete"), (1, "compact,delete", "=compact,delete"), (3, "compact", "3 partitions")],
)
def test_internal_topics_that_lose_or_mix_records_are_refused(
    tmp_path: Path, on_kafka: dict[str, str], partitions: int, policy: str, said: str
) -> None:
    topic = on_kafka["config.storage.topic"]
    with closing(open_log(on_kafka, tmp_path)) as log:
        log.create_topic(topic, partitions, {"cleanup.policy": policy})
    with pytest.raises(LogError, match=f"own topic {topic} cannot be used: .*{said}"):
        Standalone(on_kafka, tmp_path / "data").start()


def test_a_transaction_longer_than_the_brokers_allow_is_refused_by_the_options_name(
    tmp_path: Path, supervisor: Supervisor, on_kafka: dict[str, str]
) -> None:
    scene = Scene(tmp_path, 10, {**on_kafka, "producer.transaction.timeout.ms": "999999999"})
    supervisor.run("source", work(scene.spec(scene.source(restart_max_attempts=0))))
    assert "Lower producer.transaction.timeout.ms" in reason(supervisor, scene.counter)


def test_partitions_that_are_added_under_a_running_source_stop_it(
    tmp_path: Path, on_kafka: dict[str, str], kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    scene = Scene(tmp_path, 10, on_kafka)
    plan = build_plan(scene.source(), on_kafka)
    monkeypatch.setattr(topic_keeper, "LOOK_EVERY_S", 0.0)
    names, shape = {scene.topic: [scene.topic]}, TopicSettings(2, {})
    with closing(scene.log()) as log:
        keeper = topic_keeper.TopicKeeper(log, plan, on_kafka, on_kafka["topics.storage.topic"])
        keeper.ensure(names, lambda _: shape)
        log.delete_topic(scene.topic)
        eventually(lambda: scene.topic not in log.topics())
        log.create_topic(scene.topic, 2, {})
        keeper.ensure(names, lambda _: shape)
        keeper.ensure(names, lambda _: shape)
        assert f"topic {scene.topic} was deleted and made anew" in caplog.text
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_partitions([NewPartitions(scene.topic, 3)])[scene.topic].result()
        eventually(lambda: log.topics([scene.topic])[scene.topic].partitions == 3)
        for one in (keeper, topic_keeper.TopicKeeper(log, plan, on_kafka, on_kafka["topics.storage.topic"])):
            with pytest.raises(Fatal, match=r"was made with 2 partition\(s\) and has 3.*new topic"):
                one.ensure(names, lambda _: shape)


def test_tasks_share_topics_that_appear_later(
    tmp_path: Path,
    supervisor: Supervisor,
    on_kafka: dict[str, str],
    kafka: KafkaServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    scene = Scene(tmp_path, 500, on_kafka)
    raw = {name: text for name, text in scene.sink().items() if name != "topics"} | {"topics.regex": f"{scene.topic}.*"}
    for task in range(2):
        supervisor.run(f"sink{task}", work(scene.spec(raw, task, 2)))
    named = {**scene.sink(), "name": f"{scene.view}-named", "table.file": str(tmp_path / "named.db")}
    supervisor.run("named", work(scene.spec(named)))
    said: list[str] = []
    eventually(lambda: said.append(capfd.readouterr().err) or f"there is no topic {scene.topic};" in "".join(said))
    supervisor.run("first", work(scene.spec(scene.source())))
    eventually(lambda: len(scene.rows()) == 501)
    supervisor.run("later", work(scene.spec(scene.source(name=f"{scene.counter}-b", count_topic=f"{scene.topic}-b"))))
    eventually(lambda: scene.rows() == dict.fromkeys(range(501), 2))
    group = f"connect-{scene.view}"
    eventually(
        lambda: lags(kafka, group) == {(t, str(n)): "0" for t in (scene.topic, f"{scene.topic}-b") for n in (0, 1)}
    )
    eventually(lambda: {s["state"] for s in supervisor.snapshot()} == {"RUNNING"})
    assert lags(kafka, f"connect-{scene.view}-named") == {(scene.topic, str(n)): "0" for n in (0, 1)}


def lags(kafka: KafkaServer, group: str) -> dict[tuple[str, str], str]:
    """LAG by topic and partition, as Kafka's own tool sees it."""
    tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    arguments = ["--bootstrap-server", kafka.bootstrap, "--describe", "--group", group]
    command = [str(java()), "-XX:TieredStopAtLevel=1", "-cp", f"{kafka.libs}/*", tool, *arguments]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    table = [line.split() for line in lines if line.strip()]
    head = next((row for row in table if "LAG" in row), [])
    columns = [head.index(name) for name in ("TOPIC", "PARTITION", "LAG")] if head else []
    return {(row[columns[0]], row[columns[1]]): row[columns[2]] for row in table if row[0] == group}


def test_the_views_own_offsets_win_over_the_groups(
    tmp_path: Path, supervisor: Supervisor, on_kafka: dict[str, str]
) -> None:
    scene = Scene(tmp_path, 500, on_kafka)
    supervisor.run("source", work(scene.spec(scene.source())))
    supervisor.run("sink", work(scene.spec(scene.sink())))
    eventually(lambda: len(scene.rows()) == 501)
    supervisor.stop("sink")
    eventually(lambda: state_of(supervisor, scene.view)["state"] == "GONE")
    log, group = scene.log(), f"connect-{scene.view}"
    partitions = [TopicPartition(scene.topic, n) for n in range(2)]
    log.commit_offsets(group, dict.fromkeys(partitions, 3))
    make_upstream(scene.upstream, 600)
    supervisor.run("sink", work(scene.spec(scene.sink())))
    eventually(lambda: len(scene.rows()) == 601)
    assert scene.rows() == once_each(600)
    eventually(lambda: log.committed(group) == log.end_offsets(partitions))
    log.close()
