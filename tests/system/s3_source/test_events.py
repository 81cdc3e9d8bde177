"""A queue tells of new objects; its messages go once the log has their rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import moto_client
from .store import S3Driver, Store

pytestmark = pytest.mark.system

HOUR = 3_600_000


@dataclass
class Queue:
    client: Any
    url: str

    def left(self) -> int:
        """Messages that were not deleted, whether somebody has them or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def queue(moto: str, moto_store: Store) -> Iterator[Queue]:
    """The bucket tells it of each object that is made."""
    client = moto_client(moto, "sqs")
    url = client.create_queue(QueueName=f"q-{moto_store.bucket}", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    moto_store.client.put_bucket_notification_configuration(
        Bucket=moto_store.bucket, NotificationConfiguration=told
    )  # fmt: skip
    yield Queue(client, url)
    client.delete_queue(QueueUrl=url)


def driver(store: Store, queue: Queue, **options: Any) -> S3Driver:
    given = {"format": "lines", "sqs_url": queue.url, "listing_full_interval_ms": HOUR, **options}
    return S3Driver(store, **given)


def test_objects_in_any_order(moto_store: Store, queue: Queue) -> None:
    moto_store.put("in/m", "before\n")
    reader = driver(moto_store, queue).start()
    reader.until(lambda: any(p.caught_up for p in reader.progress))
    for name in ("z", "a b+é", "m/n", "k"):
        moto_store.put(f"in/{name}", f"{name}\n")
    moto_store.put("elsewhere/x", "not ours\n")
    reader.until(lambda: len(reader.log) == 5)
    assert sorted(reader.lines) == sorted(["before", "z", "a b+é", "m/n", "k"])
    reader.until(lambda: queue.left() == 0)
    reader.die()


def test_a_message_stays_until_the_log_has_its_rows(moto_store: Store, queue: Queue) -> None:
    reader = driver(moto_store, queue).start()
    reader.until(lambda: any(p.caught_up for p in reader.progress))
    moto_store.put("in/a", "1\n2\n")
    while not reader.read(ack=False):
        assert queue.left() == 1 or not reader.log
    assert queue.left() >= 1
    reader.die()  # the rows are durable, but the task died before it heard so
    reader.start().until(lambda: queue.left() == 0)
    assert reader.lines == ["1", "2"]
    reader.die()


def test_what_is_told_twice_is_read_once(moto_store: Store, queue: Queue) -> None:
    reader = driver(moto_store, queue, remember_ms=0).start()
    reader.until(lambda: any(p.caught_up for p in reader.progress))
    moto_store.put("in/a", "1\n2\n")
    event = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": moto_store.bucket}, "object": {"key": "in/a"}}}
    for _ in range(3):
        queue.client.send_message(QueueUrl=queue.url, MessageBody=json.dumps({"Records": [event]}))
    gone = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": moto_store.bucket}, "object": {"key": "in/b"}}}
    queue.client.send_message(QueueUrl=queue.url, MessageBody=json.dumps({"Records": [event, gone]}))
    reader.until(lambda: queue.left() == 0)
    assert Counter(reader.lines) == {"1": 1, "2": 1}
    reader.die()


def test_what_the_queue_does_not_tell_is_found_by_listing(moto_store: Store, queue: Queue) -> None:
    moto_store.client.put_bucket_notification_configuration(
        Bucket=moto_store.bucket, NotificationConfiguration={}
    )  # fmt: skip
    reader = driver(moto_store, queue, listing_full_interval_ms=100).start()
    reader.until(lambda: any(p.caught_up for p in reader.progress))
    moto_store.put("in/a", "1\n")
    reader.until(lambda: reader.lines == ["1"])
    reader.die()


def test_other_messages_are_left_alone(moto_store: Store, queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    queue.client.send_message(QueueUrl=queue.url, MessageBody="no event")
    reader = driver(moto_store, queue).start()
    reader.until(lambda: "is no event of S3" in caplog.text)
    assert queue.left() == 1
    reader.die()
