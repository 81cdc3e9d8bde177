"""What a task's process is told when it starts, and the words that go to and fro afterwards.

Supervisor -> process, JSON lines on standard input: first the assignment, then `{"command":"stop"|"pause"|"resume"}` or
`{"command":"log_levels","levels":{name: level}}`.
Process -> supervisor, JSON lines: `{"event":"state"|"progress"|"metrics"|"started"|"error"|"result", …}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from .internal_topics import InternalTopics

__all__ = ["FENCED_EXIT", "TaskId", "TaskSpec", "consumer_group", "transactional_id"]

FENCED_EXIT = 3
"""Exit status of a process whose task another incarnation has taken over."""


class TaskId(NamedTuple):
    """`generation` is 1 for sources."""

    connector: str
    generation: int
    task: int

    def __str__(self) -> str:
        generation = f" generation {self.generation}" if self.generation != 1 else ""
        return f"{self.connector}{generation} task {self.task}"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task. `raw` and `settings` as written: `${…}` is expanded in the task's process alone.

    `incarnation`: of the worker's membership in its cluster; what was started under another one is started anew.
    `lease`: path of that membership's lease, of which `incarnation` is the number; "": the worker stands alone.
    `rows_per_s`: a generation that is being built may be slowed down so that the live one keeps up.
    """

    connector: str
    task: int
    tasks: int
    raw: Mapping[str, str]
    task_config: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    data_dir: str = ""
    paused: bool = False
    rows_per_s: float | None = None
    incarnation: int = 0
    lease: str = ""

    @property
    def id(self) -> TaskId:
        return TaskId(self.connector, self.generation, self.task)

    @property
    def group(self) -> str:
        """The consumer group of a sink's generation."""
        return consumer_group(self.connector, self.generation)

    @property
    def transactional_id(self) -> str:
        return transactional_id(self.settings, self.connector, self.task)

    @property
    def internal(self) -> InternalTopics:
        return InternalTopics.of(self.settings)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> TaskSpec:
        return cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})


def consumer_group(connector: str, generation: int) -> str:
    """`connect-NAME` for generation 1, as Kafka Connect; `connect-NAME-gN` after."""
    return f"connect-{connector}" if generation == 1 else f"connect-{connector}-g{generation}"


def transactional_id(settings: Mapping[str, str], connector: str, task: int) -> str:
    """Of a source's task, as Kafka Connect makes it: `GROUP-CONNECTOR-TASK`."""
    return f"{settings.get('group.id', 'headwater')}-{connector}-{task}"
