"""The plugin's entry, and its options."""

from __future__ import annotations

from typing import ClassVar

from headwater.worker.api import (
    Features,
    Finding,
    Option,
    Options,
    OptionType,
    Problem,
    Sink,
    SinkConnector,
    Values,
    at_least,
)

from ..cluster import WRITES, cluster_options, reachable
from ..converting import BYTES, converter_options, converter_problems
from ..naming import topic_form
from .sink import KafkaSink

OPTIONS = Options(
    *cluster_options("target", WRITES | {"batch.size": ""}),
    Option("topic", validate=topic_form, importance="high", group="writing",
           doc="Topic to write. ${topic}: the name that the record has after the transforms."),
    Option("keep.partitions", OptionType.BOOLEAN, False, "Each record goes to the partition of the same number, which "
           "must be there. false: the key decides.", group="writing"),
    Option("target.partitions", OptionType.INT, None, "Partitions of a topic that is made. Default: the brokers'.",
           validate=at_least(1), group="writing"),
    Option(r"target\.topic\..+", pattern=True, group="writing",
           doc="A setting of a topic that is made, e.g. target.topic.cleanup.policy: compact. It keeps its records for "
           "ever unless target.topic.retention.ms says otherwise: they are as old as they were."),
    *converter_options("target"),
)  # fmt: skip


class KafkaSinkConnector(SinkConnector):
    options: ClassVar[Options] = OPTIONS
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features(deletes=True)
    doc: ClassVar[str] = "Writes topics of the log into a Kafka cluster, at least once, in order."

    def validate(self, values: Values) -> list[Problem]:
        problems = converter_problems(values, "target")
        for part in ("key", "value"):
            theirs, ours = values.get(f"target.{part}.converter"), values.get(f"{part}.converter")
            if theirs is not None and theirs.endswith(BYTES) and not str(ours or "").endswith(BYTES):
                hint = (
                    f"set {part}.converter: {BYTES} to copy bytes as they are, or target.{part}.converter to write it"
                )
                problems.append(Problem(f"target.{part}.converter", "cannot write what was read as data", hint))
            elif (
                theirs
                and theirs.endswith("JsonConverter")
                and str(ours).endswith(BYTES)
                and not values.get("transforms")
            ):
                hint = (
                    f"set target.{part}.converter: {BYTES} to copy bytes as they are, or {part}.converter to read them"
                )
                problems.append(Problem(f"target.{part}.converter", "would write bytes as base64", hint))
        return problems

    def task(self) -> Sink:
        return KafkaSink()

    def check(self, values: Values) -> list[Finding]:
        return [reachable(values, "target")]
