"""`topic.creation.*`: how the topics of a source are made. Source: Kafka Connect 4.3, `TopicCreationConfig`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headwater.worker.api import Problem

from .connector_options import topic_group_options

PREFIX = "topic.creation."


@dataclass(frozen=True, slots=True)
class TopicGroup:
    """How the topics of one `topic.creation.NAME.*` group are made. None: the worker's or broker's default."""

    name: str
    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    partitions: int | None = None
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def matches(self, topic: str) -> bool:
        return any(p.fullmatch(topic) for p in self.include) and not any(p.fullmatch(topic) for p in self.exclude)


def topic_groups(names: Sequence[str], raw: Mapping[str, str]) -> tuple[tuple[TopicGroup, ...], list[Problem]]:
    """The groups, the default group last. `raw`: the options below `topic.creation.`, that prefix cut off.

    Unlike Kafka Connect, the default group may leave partitions and replication factor to the worker.
    """
    problems: list[Problem] = []
    groups: list[TopicGroup] = []
    left = dict(raw)
    for name in [*(n for n in names if n != "default"), "default"]:
        own = {key.removeprefix(f"{name}."): left.pop(key) for key in list(left) if key.startswith(f"{name}.")}
        if name == "default" and not own:
            continue
        values, wrong = topic_group_options(name == "default").parse(own)
        problems += [Problem(f"{PREFIX}{name}.{p.option}", p.message, p.hint, p.value) for p in wrong]
        if wrong:
            continue
        fixed = ("partitions", "replication.factor", "include", "exclude")
        groups.append(
            TopicGroup(
                name,
                tuple(map(re.compile, [".*"] if name == "default" else values["include"])),
                tuple(map(re.compile, values.get("exclude", ()))),
                _known(values["partitions"]),
                _known(values["replication.factor"]),
                {key: value for key, value in values.items() if key not in fixed},
            )
        )
    hint = "add its group to topic.creation.groups"
    problems += [Problem(PREFIX + key, "belongs to no declared group of topics", hint) for key in left]
    return tuple(groups), problems


def _known(value: int | None) -> int | None:
    return None if value in (None, -1) else value
