"""The plugin's entry: what the worker knows of a topic-to-topic job without asking the other cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from headwater.worker.api import (
    Features,
    Finding,
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

from ..cluster import reachable
from ..converting import BYTES, converter_problems
from .options import OPTIONS
from .position import read_place
from .task import KafkaSource


class KafkaSourceConnector(SourceConnector):
    options: ClassVar[Options] = OPTIONS
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features(exactly_once=True)
    doc: ClassVar[str] = "Reads topics of a Kafka cluster, the worker's own or another, into topics of the log."

    def validate(self, values: Values) -> list[Problem]:
        problems = converter_problems(values, "source")
        if bool(values.get("topics")) == bool(values.get("topics.regex")):
            problems.append(Problem("topics", "either topics or topics.regex is needed, not both"))
        elif values.get("topics.regex") and values.get("topic") and "${topic}" not in values["topic"]:
            problems.append(Problem("topic", "several topics would become one", "put ${topic} into it"))
        for part in ("key", "value"):
            theirs, ours = values.get(f"source.{part}.converter"), values.get(f"{part}.converter")
            if theirs is not None and theirs.endswith(BYTES) and not str(ours or "").endswith(BYTES):
                hint = (
                    f"set {part}.converter: {BYTES} to copy them as they are, or source.{part}.converter to read them"
                )
                problems.append(Problem(f"{part}.converter", "cannot write bytes that nobody has read", hint))
        return problems

    def plan_tasks(self, values: Values, max_tasks: int) -> list[TaskConfig]:
        return [{"task.index": str(n), "task.count": str(max_tasks)} for n in range(max_tasks)]

    def task(self) -> Source:
        return KafkaSource()

    def check(self, values: Values) -> list[Finding]:
        return [reachable(values, "source")]

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        check_offsets(offsets, read_place)
