"""Reads and writes what the log says of views. Shapes: `cluster.view_state`, `runtime.barrier`."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import orjson

from headwater.worker.api import TopicPartition
from headwater.worker.cluster.view_state import (
    RawConfig,
    UnreadableState,
    ViewState,
    Wish,
    dump_state,
    dump_wish,
    load_state,
    load_wish,
    view_key,
    wish_key,
)
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Fenced, Log, Message
from headwater.worker.runtime.barrier import dump_halt, halt_key
from headwater.worker.runtime.internal_topics import InternalTopics, json_key_parts

log = logging.getLogger(__name__)

Barriers = Mapping[int, Mapping[TopicPartition, int] | None]
"""For each generation where it has to halt; None lets it go on."""


class ViewsLog:
    """Read access to the views topic; belongs to one thread."""

    def __init__(self, log: Log, topics: InternalTopics) -> None:
        self._stored = CompactedDict(log, topics.views)

    def refresh(self) -> None:
        self._stored.refresh()

    def state(self, view: str) -> ViewState:
        """As of the last `refresh`; a view without a record has one generation. Raises `UnreadableState`."""
        value = self._stored.get(view_key(view))
        return ViewState(view) if value is None else load_state(value)

    def states(self) -> dict[str, ViewState]:
        """All views that have a record. One that cannot be read is logged and left out: it must not hide the others."""
        found: dict[str, ViewState] = {}
        for key, value in self._stored.items():
            match json_key_parts(key):
                case ("view", name):
                    try:
                        found[name] = load_state(value)
                    except UnreadableState as error:
                        log.error("view %s is not shown: %s", name, error)
        return found

    def wish(self, view: str, job: str) -> Wish | None:
        """What a user asks of this job; wishes for earlier jobs do not count."""
        value = self._stored.get(wish_key(view))
        if value is None:
            return None
        asked, wish = load_wish(value)
        return wish if asked == job else None

    def halted(self, view: str, generation: int) -> bool:
        """Does a barrier stand for it?"""
        return self._stored.get(halt_key(view, generation)) is not None

    def close(self) -> None:
        self._stored.close()


class ViewWriter:
    """The one writer of a view's record: making one fences every earlier writer, whose next write raises `Fenced`."""

    def __init__(self, log: Log, topics: InternalTopics, group_id: str, view: str) -> None:
        CompactedDict(log, topics.views).close()  # makes the topic where it is not there yet
        self._topics = topics
        self._view = view
        self._producer = log.producer(f"{group_id}-view-{view}")
        self._producer.init_transactions()

    def write(self, state: ViewState, barriers: Barriers | None = None, config: RawConfig | None = None) -> None:
        """In one transaction: the record, barriers, and the connector's config where it changes. Raises `Fenced`."""
        topic = self._topics.views
        messages = [Message(topic, view_key(self._view), dump_state(state))]
        messages += self._barriers(barriers or {})
        if state.job is None:
            messages.append(Message(topic, wish_key(self._view), None))
        if config is not None:
            value = orjson.dumps({"properties": dict(config)})
            messages.append(Message(self._topics.configs, f"connector-{self._view}".encode(), value))
        self._send(messages)

    def set_barriers(self, barriers: Barriers) -> None:
        """Raises `Fenced`."""
        self._send(self._barriers(barriers))

    def forget(self) -> None:
        """The view is gone: its record and wish are forgotten."""
        self._send([Message(self._topics.views, key, None) for key in (view_key(self._view), wish_key(self._view))])

    def _barriers(self, barriers: Barriers) -> list[Message]:
        return [
            Message(self._topics.views, halt_key(self._view, number), None if offsets is None else dump_halt(offsets))
            for number, offsets in barriers.items()
        ]

    def _send(self, messages: list[Message]) -> None:
        self._producer.begin()
        try:
            self._producer.send(messages)
            self._producer.commit()
        except Fenced:
            raise
        except BaseException:
            self._producer.abort()
            raise

    def close(self) -> None:
        self._producer.close()


def write_wish(log: Log, topics: InternalTopics, view: str, job: str, wish: Wish) -> None:
    """Ask something of a running job: durable when it returns."""
    producer = log.producer()
    try:
        producer.send([Message(topics.views, wish_key(view), dump_wish(job, wish))])
        producer.flush()
    finally:
        producer.close()
