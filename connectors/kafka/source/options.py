"""What the user says about a topic-to-topic job."""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Option, Options, OptionType, at_least, regular_expression

from ..cluster import READS, cluster_options
from ..converting import converter_options
from ..naming import topic_form

ALL: Final = "all"
LATEST: Final = "latest"


OPTIONS: Final = Options(
    *cluster_options("source", READS),
    Option("topics", OptionType.LIST, [], "Topics to read, by name.", importance="high", group="reading"),
    Option("topics.regex", default="", validate=regular_expression, importance="high", group="reading",
           doc="Topics to read, by a regular expression that matches the whole name; new ones are found every 30 s. "
           "The brokers' own topics are left out. Either this or `topics`."),
    Option("copy", default=ALL, choices=(ALL, LATEST), group="reading",
           doc="all: every record. latest: of what is there at the start only the record of each key with the highest "
           "version (headwater.version, else the last one), no tombstones; then every new record."),
    Option("batch.size", OptionType.INT, 2000, "Records of one batch at most.", validate=at_least(1), group="reading",
           importance="low"),
    Option("topic", validate=topic_form, importance="high", group="writing",
           doc="Topic to write. ${topic}: the name of the topic that was read. With the name unchanged it must be "
           "another cluster: a topic that is copied into itself is noticed and refused."),
    Option("keep.partitions", OptionType.BOOLEAN, True, "Each record goes to the partition of the same number, and a "
           "new topic gets as many partitions as the one that is read. false: the key decides; set "
           "topic.creation.default.partitions.", group="writing"),
    Option("copy.topic.settings", OptionType.BOOLEAN, True, "A new topic gets the cleanup policy, retention and size "
           "limit of the one that is read. false: it keeps its records for ever, unless topic.creation.default.… says "
           "otherwise.", group="writing"),
    *converter_options("source"),
)  # fmt: skip
