"""Which objects are read, and into which topic."""

from __future__ import annotations

import pytest

from headwater.connectors.s3.source.options import OPTIONS
from headwater.connectors.s3.source.targets import topic_of

RESTORES = {"s3.bucket.name": "lake", "format": "jsonl"}


@pytest.mark.parametrize(
    ("config", "key", "topic"),
    [
        ({"path": "s3://lake/in", "topic": "t"}, "in/any", "t"),
        ({"path": "s3://lake/in", "topic": "t"}, "in/folder/", None),
        ({"path": "s3://lake/in", "topic": "t", "exclude": "*.tmp,_*"}, "in/a.tmp", None),
        ({"path": "s3://lake/in", "topic": "t", "exclude": "*.tmp,_*"}, "in/x/_SUCCESS", None),
        ({"path": "s3://lake/in", "topic": "t", "exclude": "in/old/*"}, "in/old/a", None),
        ({"path": "s3://lake/in", "topic.regex.list": "a:.*/a/.*,b:.*"}, "in/a/1", "a"),
        ({"path": "s3://lake/in", "topic.regex.list": "a:.*/a/.*"}, "in/b/1", None),
        (RESTORES, "topics/orders/partition=0/orders+0+0000000000.json", "orders"),
        (RESTORES, "topics/orders/dt=1/hour=2/orders+0+0000000000.json", "orders"),
        (RESTORES, "topics/orders/partition=0/orders+0+0000000000.keys.json", None),
        (RESTORES, "topics/orders/partition=0/orders+0+0000000000.headers.json", None),
        (RESTORES, "topics/orders/partition=0/orders+0+0000000000.headers.json.gz", None),
        (RESTORES, "topics/orders/partition=0/orders+0+0000000000.keys.snappy.parquet", None),
        (RESTORES, "topics/shop.keys/partition=0/shop.keys+0+0000000000.snappy.parquet", "shop.keys"),
        (RESTORES, "topics/stray.json", None),
        (RESTORES | {"mode": "RESTORE_BACKUP", "topic": "copy"}, "topics/orders/p/orders+0+0.json", "copy"),
    ],
)
def test_topics(config: dict[str, str], key: str, topic: str | None) -> None:
    values, problems = OPTIONS.parse(config)
    assert not problems
    assert topic_of(values)(key) == topic
