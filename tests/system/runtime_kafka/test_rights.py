"""A broker that refuses: the message names the resource and the right; granted, the task runs by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from headwater.worker.runtime.supervisor import Supervisor
from tests.servers.kafka_security import GuardedKafka, running
from tests.system.runtime.scene import Scene, eventually, kafka_settings, once_each, state_of, work

pytestmark = pytest.mark.system

ALL = [AclOperation.ALL]


def as_user(broker: GuardedKafka) -> dict[str, str]:
    """A connector that comes in as the broker's user, on a worker that may do anything."""
    settings = broker.worker_settings(broker.password)
    clients = ("producer", "consumer", "admin")
    return {f"{client}.override.{name}": text for client in clients for name, text in settings.items()}


def test_a_refused_right_is_named_and_its_grant_is_enough(tmp_path: Path, supervisor: Supervisor) -> None:
    group = "rights"
    with running([(ResourceType.TOPIC, group, ALL), (ResourceType.TRANSACTIONAL_ID, group, ALL)]) as broker:
        scene = Scene(tmp_path, 100, kafka_settings(broker.server.bootstrap, group))
        patient = {"restart.max.attempts": "-1", **as_user(broker)}
        supervisor.run("source", work(scene.spec(scene.source() | patient)))
        eventually(lambda: "ACL" in state_of(supervisor, scene.counter)["reason"])
        said = state_of(supervisor, scene.counter)["reason"]
        assert scene.topic in said and "Create" in said
        broker.grant([(ResourceType.TOPIC, "numbers", ALL)])
        eventually(lambda: scene.numbers() == once_each(100))

        supervisor.run("sink", work(scene.spec(scene.sink() | patient)))
        eventually(lambda: "ACL" in state_of(supervisor, scene.view)["reason"])
        assert f"group connect-{scene.view}" in state_of(supervisor, scene.view)["reason"]
        broker.grant([(ResourceType.GROUP, "connect-", ALL)])
        eventually(lambda: scene.rows() == once_each(100))
        assert broker.password not in str(supervisor.snapshot())
