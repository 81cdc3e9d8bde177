"""One connector of a worker, and the topics around it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import httpx

from headwater.worker.api import TopicPartition
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.log.contract import Message
from headwater.worker.runtime.task_spec import consumer_group
from tests.rest_worker import wait_for

REASONS = {"topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name",
           "exception.class.name", "exception.message", "exception.stacktrace"}  # fmt: skip
"""Kafka Connect's headers of a dead letter, without their prefix; the first three are those of a sink's."""


class Connector:
    """All its topics have one partition."""

    def __init__(self, worker: Standalone, client: httpx.Client, name: str) -> None:
        self._worker, self._client, self.name = worker, client, name

    def put(self, config: Mapping[str, str | None]) -> None:
        """Make it, or change it. Options that are None are left out."""
        given = {name: text for name, text in config.items() if text is not None}
        answer = self._client.put(f"/connectors/{self.name}/config", json=given)
        assert answer.is_success, answer.text

    def waiting(self) -> int:
        """How many of its letters wait."""
        found: int = self._client.get(f"/connectors/{self.name}/dead-letters").json().get("waiting", 0)
        return found

    def done_with(self, offset: int) -> bool:
        """Has the sink made durable what lies before this offset of the topic of its name?"""
        place = TopicPartition(self.name, 0)
        return self._worker.log.committed(consumer_group(self.name, 1), [place]).get(place, 0) >= offset

    def append(self, *messages: Message) -> None:
        with closing(self._worker.log.producer()) as producer:
            producer.send(messages)
            producer.flush()

    def messages(self, topic: str) -> list[Message]:
        """None where there is no such topic yet."""
        if topic not in self._worker.log.topics([topic]):
            return []
        place = TopicPartition(topic, 0)
        with closing(self._worker.log.consumer()) as consumer:
            consumer.assign(self._worker.log.begin_offsets([place]))
            end = self._worker.log.end_offsets([place])[place]
            found: list[Message] = []
            while consumer.position()[place] < end:
                found += consumer.poll(100, 1.0)
        return found

    def delete(self) -> None:
        wait_for(lambda: self._client.delete(f"/connectors/{self.name}").status_code in (204, 404))
