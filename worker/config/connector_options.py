"""The options that every connector has and no plugin declares.

Names, types and defaults: `SourceConnectorConfig` and `SinkConnectorConfig` of Kafka Connect 4.3.1.
`restart.*` are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headwater.worker.api import Option, Options, OptionType, Unsupported, at_least, regular_expression

BOOLEAN, CLASS, INT, LIST, LONG, PASSWORD = (
    OptionType.BOOLEAN, OptionType.CLASS, OptionType.INT, OptionType.LIST, OptionType.LONG, OptionType.PASSWORD,
)  # fmt: skip

ONE_VERSION: Final = "pip decides which version of a plugin is installed: leave this option out"


def plain_name(value: Any) -> str | None:
    """Kafka Connect's rule for connector names: not empty, no control characters; ours: usable in a URL and a file."""
    if not value:
        return "must not be empty"
    if any(ord(c) < 32 or c == "\x7f" for c in value):
        return "must not hold control characters"
    return "must not hold a slash" if "/" in value else None


def unique(value: list[str]) -> str | None:
    twice = sorted({item for item in value if value.count(item) > 1})
    return f"names {', '.join(twice)} more than once" if twice else None


def _minus_one_or(minimum: int) -> Callable[[Any], str | None]:
    return lambda value: None if value == -1 or value >= minimum else f"must be -1 or at least {minimum}"


def _overrides(client: str) -> tuple[Option, Option]:
    secret = r"(.*\.)?(password|passphrase|secret|sasl\.jaas\.config|ssl\.keystore\.key|.*client\.secret)"  # noqa: S105
    doc = f"A setting of this connector's Kafka {client}, by the {client}'s own name."
    return (
        Option(rf"{client}\.override\.{secret}", PASSWORD, pattern=True, group="Clients", importance="low"),
        Option(rf"{client}\.override\..+", doc=doc, pattern=True, group="Clients", importance="low"),
    )


COMMON: Final = Options(
    Option("name", validate=plain_name, doc="Names the connector; unique among all of a worker's.", importance="high",
           group="Common"),
    Option("connector.class", doc="The plugin: a short name or the Java class that it replaces (`headwater plugins`).",
           importance="high", group="Common"),
    Unsupported("connector.plugin.version", ONE_VERSION),
    Option("tasks.max", INT, 1, "The work is split into this many tasks at most.", validate=at_least(1),
           importance="high", group="Common"),
    Option("tasks.max.enforce", BOOLEAN, True, "Refuse a plugin's plan that has more tasks than tasks.max.",
           importance="low", group="Common"),
    Option("key.converter", CLASS, None, "Keys <-> bytes. Default: the worker's. Its own options follow as "
           "`key.converter.…`.", importance="low", group="Common"),
    Option("value.converter", CLASS, None, "Values <-> bytes. Default: the worker's. Its own options follow as "
           "`value.converter.…`.", importance="low", group="Common"),
    Option("header.converter", CLASS, None, "Header values <-> bytes. Default: the worker's. With none they are "
           "written as text and read as they are; SimpleHeaderConverter guesses a type when it reads.",
           importance="low", group="Common"),
    Option("config.action.reload", default="restart", choices=("none", "restart"), importance="low", group="Common",
           doc="Accepted for Kafka Connect's sake. `${…}` is read when a task starts, under either value."),
    Option("transforms", LIST, (), "Names of the transforms, in their order; each is set up by "
           "`transforms.NAME.type` and its options.", validate=unique, importance="low", group="Transforms"),
    Option("predicates", LIST, (), "Names of the predicates that transforms refer to; `predicates.NAME.type`.",
           validate=unique, importance="low", group="Transforms"),
    Option("errors.retry.timeout", LONG, 0, "ms for which a failed operation on a record is tried again; -1: for ever.",
           validate=_minus_one_or(0), group="Errors"),
    Option("errors.retry.delay.max.ms", LONG, 60_000, "Longest wait between two tries, ms.", validate=at_least(1),
           group="Errors"),
    Option("errors.tolerance", default="none", choices=("none", "all"), group="Errors",
           doc="`all`: skip a record that cannot be handled (into the dead letter queue where there is one); "
           "`none`: the task fails."),
    Option("errors.log.enable", BOOLEAN, False, "Log each tolerated error too.", group="Errors"),
    Option("errors.log.include.messages", BOOLEAN, False, "Log the record's key and value with the error. They may "
           "hold personal data.", group="Errors"),
    Option("errors.deadletterqueue.topic.name", default="", group="Errors",
           doc="Topic that takes the records that could not be handled. Needs errors.tolerance=all. Sources have "
           "one as well, which Kafka Connect's do not."),
    Option("errors.deadletterqueue.topic.replication.factor", INT, 3, "Replicas of that topic where Headwater makes "
           "it; -1: the broker's default.", validate=_minus_one_or(1), group="Errors"),
    Option("errors.deadletterqueue.context.headers.enable", BOOLEAN, False, "Add headers `__connect.errors.…` that "
           "say where the record came from and what went wrong.", group="Errors"),
    Option("restart.backoff.initial.ms", LONG, 1_000, "Wait before a failed task is started again, ms; doubles with "
           "every failure in a row.", validate=at_least(0), group="Restart"),
    Option("restart.backoff.max.ms", LONG, 60_000, "Longest wait before a failed task is started again, ms.",
           validate=at_least(1), group="Restart"),
    Option("restart.max.attempts", INT, 10, "Starts in a row without progress before a task stays FAILED; "
           "-1: no limit, 0: never start it again.", validate=_minus_one_or(0), group="Restart"),
    Option("task.memory.max.bytes", LONG, None, "A task of this connector whose process uses more memory is stopped in "
           "good order and started again; 0: no limit. Default: the worker's.", validate=at_least(0), group="Restart"),
    *_overrides("producer"),
    *_overrides("consumer"),
    *_overrides("admin"),
)  # fmt: skip

SOURCE: Final = Options(
    Option("topic.creation.groups", LIST, (), "Names of groups of topics that are made alike: "
           "`topic.creation.NAME.include`, …", validate=unique, importance="low", group="Topic creation"),
    Option("exactly.once.support", default="requested", choices=("requested", "required", "disabled"),
           doc="`disabled`: at least once, positions are written after the records; `required`: refuse to run without "
           "exactly once.", group="Delivery"),
    Option("transaction.boundary", default="poll", choices=("poll", "interval", "connector"),
           doc="Where the log's transactions end. `poll`: with what was read at once; `interval`: after "
           "transaction.boundary.interval.ms; `connector`: where the connector says so, if it can. Without exactly "
           "once there are none.", group="Delivery"),
    Option("transaction.boundary.interval.ms", LONG, None, "How long a transaction of transaction.boundary=interval "
           "stays open, ms; sooner it ends at 16 MiB or 50,000 records, at a stop, and at half of the producer's "
           "transaction.timeout.ms. Default: the worker's offset.flush.interval.ms.", validate=at_least(0),
           importance="low", group="Delivery"),
    Option("offsets.storage.topic", default=None, doc="Keep this connector's positions in a topic of its own.",
           validate=plain_name, importance="low", group="Delivery"),
)  # fmt: skip

SINK: Final = Options(
    Option("topics", LIST, (), "Topics to read, by name.", validate=unique, importance="high", group="Common"),
    Option("topics.regex", default="", validate=regular_expression, importance="high", group="Common",
           doc="Topics to read, by a regular expression that matches the whole name. Either this or `topics`."),
)  # fmt: skip

OF_KIND: Final = {"source": SOURCE, "sink": SINK}


def topic_group_options(default_group: bool) -> Options:
    """Options of one `topic.creation.NAME.` group. What is not listed is a config of the topic itself."""
    entries = [
        Option("partitions", INT, None, "Partitions of a new topic; -1: the default.", validate=_minus_one_or(1)),
        Option("replication.factor", INT, None, "Replicas of a new topic; -1: the default.", validate=_minus_one_or(1)),
        Option(r"[a-z]+(\.[a-z]+)+", doc="A config of the topic, e.g. retention.ms.", pattern=True),
    ]
    if not default_group:
        patterns = "Regular expressions that match whole topic names."
        entries += [
            Option("include", LIST, doc=patterns, validate=_all_expressions),
            Option("exclude", LIST, (), patterns, validate=_all_expressions),
        ]
    return Options(*entries)


def _all_expressions(value: list[str]) -> str | None:
    return next((wrong for item in value if (wrong := regular_expression(item))), None)
