"""What messages of a queue say of objects, in every wrapping that AWS gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.connectors.s3.source.events import created


def record(key: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"eventName": event, "s3": {"bucket": {"name": "lake"}, "object": {"key": key, "eTag": "e", "size": 1}}}


DIRECT = {"Records": [record("in/a+b%C3%A9.json"), record("in/gone", "ObjectRemoved:Delete"),
                      record("in/large", "s3:ObjectCreated:CompleteMultipartUpload")]}  # fmt: skip
BRIDGE = {"detail-type": "Object Created", "detail": {"bucket": {"name": "lake"}, "object": {"key": "in/a+b"}}}


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (DIRECT, ["in/a bé.json", "in/large"]),
        ({"Type": "Notification", "Message": json.dumps(DIRECT)}, ["in/a bé.json", "in/large"]),
        (BRIDGE, ["in/a+b"]),
        (BRIDGE | {"detail-type": "Object Deleted"}, []),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}, []),
    ],
)
def test_objects_that_were_made(body: dict[str, Any], keys: list[str]) -> None:
    assert list(created(body)) == [("lake", key) for key in keys]


@pytest.mark.parametrize("body", [{}, {"Records": [{}]}, {"Message": "no JSON"}])
def test_other_messages(body: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        list(created(body))
