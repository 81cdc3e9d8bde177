"""What the S3 source is told, in Confluent's words and ours."""

from __future__ import annotations

import pytest

from headwater.connectors.s3.source import S3SourceConnector
from headwater.connectors.s3.source.options import mode, place, with_format
from headwater.worker.api import Values

CLASSES = "io.confluent.connect.s3.format"
READS = {"path": "s3://lake/in", "topic": "t", "format": "jsonl"}


def parsed(config: dict[str, str]) -> tuple[Values, list[str]]:
    connector = S3SourceConnector()
    values, problems = connector.options.parse(config)
    return values, [problem.option for problem in problems or connector.validate(values)]


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (READS, ("lake", "in/", "GENERIC", "jsonl")),
        (READS | {"path": "s3://lake"}, ("lake", "", "GENERIC", "jsonl")),
        ({"s3.bucket.name": "lake", "format.class": f"{CLASSES}.json.JsonFormat"},
         ("lake", "topics/", "RESTORE_BACKUP", "jsonl")),
        ({"s3.bucket.name": "lake", "topics.dir": "a/b", "format.class": f"{CLASSES}.avro.AvroFormat",
          "mode": "generic", "topic.regex.list": r"orders:.*/orders/.*"}, ("lake", "a/b/", "GENERIC", "avro")),
        ({"path": "s3://lake/view/", "mode": "VIEW"}, ("lake", "view/", "VIEW", "parquet")),
    ],
)  # fmt: skip
def test_places(config: dict[str, str], wanted: tuple[str, ...]) -> None:
    values, problems = parsed(config)
    assert problems == []
    assert (*place(values), mode(values), with_format(values)["format"]) == wanted


@pytest.mark.parametrize(
    ("config", "option"),
    [
        ({"topic": "t", "format": "jsonl"}, "path"),
        (READS | {"path": "/local"}, "path"),
        (READS | {"s3.bucket.name": "lake"}, "s3.bucket.name"),
        (READS | {"format": ""}, "format"),
        (READS | {"format.class": f"{CLASSES}.json.JsonFormat"}, "format.class"),
        ({"path": "s3://lake", "topic": "t", "format.class": f"{CLASSES}.bytearray.ByteArrayFormat"}, "format.class"),
        (READS | {"mode": "GENERIC", "topic": ""}, "topic"),
        (READS | {"topic.regex.list": "t:.*"}, "topic.regex.list"),
        ({"path": "s3://lake", "format": "jsonl", "topic.regex.list": "no expression"}, "topic.regex.list"),
        ({"path": "s3://lake", "format": "jsonl", "topic.regex.list": "t:("}, "topic.regex.list"),
        ({"path": "s3://lake", "mode": "VIEW", "format": "csv"}, "format"),
        ({"path": "s3://lake", "mode": "VIEW", "sqs.url": "http://q/1/q"}, "sqs.url"),
        ({"path": "s3://lake", "mode": "VIEW", "exclude": "*secret*"}, "exclude"),
        ({"path": "s3://lake", "mode": "VIEW", "timestamp.field": "at"}, "timestamp.field"),
        ({"path": "s3://lake", "mode": "VIEW", "listing.full.interval.ms": "5"}, "listing.full.interval.ms"),
        ({"path": "s3://lake", "mode": "VIEW", "remember.ms": "5"}, "remember.ms"),
        (READS | {"topics.dir": "a"}, "topics.dir"),
        (READS | {"store.kafka.keys": "true"}, "store.kafka.keys"),
        (READS | {"format": "lines", "key.fields": "id"}, "key.fields"),
        (READS | {"aws.access.key.id": "AKIA"}, "aws.secret.access.key"),
        (READS | {"store.url": "minio:9000"}, "store.url"),
        (READS | {"sqs.url": "my-queue"}, "sqs.url"),
        (READS | {"behavior.on.error": "ignore"}, "behavior.on.error"),
        (READS | {"folders": "a,b"}, "folders"),
        (READS | {"confluent.topic.bootstrap.servers": "broker:9092"}, "confluent.topic.bootstrap.servers"),
        (READS | {"s3.sse.customer.key": "secret"}, "s3.sse.customer.key"),
    ],
)
def test_problems(config: dict[str, str], option: str) -> None:
    assert option in parsed(config)[1]


def test_what_changes_nothing_is_accepted() -> None:
    harmless = {"behavior.on.error": "fail", "directory.delim": "/", "s3.wan.mode": "false", "task.batch.size": "10",
                "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner"}  # fmt: skip
    assert parsed(READS | harmless)[1] == []


def test_tasks() -> None:
    connector = S3SourceConnector()
    assert connector.plan_tasks(parsed(READS)[0], 2) == [
        {"task.index": "0", "task.count": "2"},
        {"task.index": "1", "task.count": "2"},
    ]
    assert len(connector.plan_tasks(parsed(READS | {"sqs.url": "https://sqs.eu-west-1.amazonaws.com/1/q"})[0], 3)) == 1
