"""New objects as S3's event notifications tell of them, through a queue of SQS.

A message is deleted once the log has all rows of its objects. The queue may tell of an object twice, late, or not at
all; positions and the listing of everything make up for that.
Source: Amazon S3 User Guide, "Event message structure", also wrapped by SNS, and EventBridge's "Object Created".
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from headwater.connectors.object_store import QUEUE, s3_errors

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Messages of one request, SQS's own limit, and of one deletion."""


class Events:
    """`url`: of the queue; `bucket`: events of others are not for us."""

    def __init__(self, client: Any, url: str, bucket: str) -> None:
        self._client, self._url, self._bucket = client, url, bucket
        self._left: dict[str, tuple[str, set[str]]] = {}
        """Message id -> how to delete it, and keys that are not done yet."""
        self._of: dict[str, set[str]] = {}
        """Key -> messages that tell of it."""
        self._finished: list[tuple[str, str]] = []
        self._strange = 0

    def receive(self, wait_s: float) -> set[str]:
        """Keys that were told of, each to be given to `done` once it is. Raises `Retriable`, `Fatal`."""
        whole_s = min(20, math.ceil(wait_s))  # SQS counts in whole seconds; without any it answers at once
        with s3_errors("receive from", self._url, QUEUE):
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=whole_s
            )
        told: set[str] = set()
        for message in answer.get("Messages", ()):
            keys = self._keys(message)
            if keys is None:
                continue
            name, receipt = message["MessageId"], message["ReceiptHandle"]
            if not keys:
                self._finished.append((name, receipt))
                continue
            self._left[name] = receipt, set(keys)
            for key in keys:
                self._of.setdefault(key, set()).add(name)
            told |= keys
        return told

    def done(self, key: str) -> None:
        """All of it is on the log, or it is not there any more."""
        for name in self._of.pop(key, ()):
            receipt, keys = self._left[name]
            keys.discard(key)
            if not keys:
                del self._left[name]
                self._finished.append((name, receipt))

    def delete_finished(self) -> None:
        """Raises `Retriable`, `Fatal`. A message that stays is told of again, and found to be done."""
        while self._finished:
            some = self._finished[:AT_ONCE]
            entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, (_, receipt) in enumerate(some)]
            with s3_errors("delete messages of", self._url, QUEUE):
                self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            del self._finished[: len(some)]

    def close(self) -> None:
        self._client.close()

    def _keys(self, message: dict[str, Any]) -> set[str] | None:
        """Of objects that were made in our bucket. None: it is no such message, and it is left where it is."""
        try:
            return {key for bucket, key in created(json.loads(message["Body"])) if bucket == self._bucket}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._strange += 1
            if self._strange <= 10:
                log.warning("message %s of %s is no event of S3 (%r): it stays in the queue, which may move it to its "
                            "dead letter queue", message.get("MessageId"), self._url, error)  # fmt: skip
            return None


def created(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Bucket and key of each object that this message says was made."""
    if "Message" in body and "Records" not in body:  # from SNS
        body = json.loads(body["Message"])
    if body.get("Event") == "s3:TestEvent":
        return
    if "detail" in body:  # from EventBridge, whose keys are as they are
        if body["detail-type"] == "Object Created":
            yield body["detail"]["bucket"]["name"], body["detail"]["object"]["key"]
        return
    for record in body["Records"]:
        if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
            yield record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
