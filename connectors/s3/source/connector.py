"""The plugin's entry: what the worker knows of the S3 source without asking a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from headwater.connectors.formats import format_findings, format_problems
from headwater.connectors.object_store import QUEUE, make_client, make_queue_client, s3_errors
from headwater.worker.api import (
    Features,
    Finding,
    HeadwaterError,
    Options,
    Partition,
    Position,
    Problem,
    Source,
    SourceConnector,
    TaskConfig,
    Values,
    check_offsets,
)

from .listing import Bucket
from .options import OPTIONS, VIEW, mode, place, source_problems, with_format
from .position import read_position
from .task import S3Source
from .view_files import ViewFiles


class S3SourceConnector(SourceConnector):
    options: ClassVar[Options] = OPTIONS
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features(resumable=True, ordered=True, exactly_once=True)
    doc: ClassVar[str] = "Reads objects of a bucket, new ones as they appear, row by row into topics."

    def validate(self, values: Values) -> list[Problem]:
        resolved = with_format(values)
        return [*format_problems(resolved), *source_problems(resolved)]

    def plan_tasks(self, values: Values, max_tasks: int) -> list[TaskConfig]:
        count = 1 if values["sqs.url"] else max_tasks  # which of several gets a message, the queue alone decides
        return [{"task.index": str(n), "task.count": str(count)} for n in range(count)]

    def task(self) -> Source:
        return S3Source()

    def check(self, values: Values) -> list[Finding]:
        values = with_format(values)
        findings = [*format_findings(values), _objects(values)]
        if values["sqs.url"]:
            findings.append(_queue(values))
        return findings

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        check_offsets(offsets, read_position)


def _objects(values: Values) -> Finding:
    name, prefix = place(values)
    url = f"s3://{name}/{prefix}"
    try:
        client = make_client(values)
        try:
            bucket = Bucket(client, name)
            if mode(values) == VIEW:
                there = ViewFiles(bucket, prefix).look()
                if not there:
                    return Finding("warning", url, "there is no view yet (current.json); it is waited for")
                return Finding("ok", url, "the view can be read")
            page = bucket.page(prefix, "")
            if not page.objects:
                return Finding("warning", url, "there are no objects yet; they are waited for", "is path right?")
            return Finding("ok", url, f"objects can be listed, the first is {page.objects[0].key}")
        finally:
            client.close()
    except HeadwaterError as error:
        return Finding("error", url, str(error))


def _queue(values: Values) -> Finding:
    url = values["sqs.url"]
    try:
        client = make_queue_client(values, url)
        try:
            with s3_errors("ask", url, QUEUE):
                client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        finally:
            client.close()
    except HeadwaterError as error:
        return Finding("error", url, str(error))
    return Finding("ok", url, "the queue answers")
