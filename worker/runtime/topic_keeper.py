"""Makes the topics that a source writes to, and sees to it that a topic keeps its number of partitions.

The number is recorded on the compacted topic `headwater-topics`: key `["topic",NAME]`, value
`{"format":1,"topic_id":…,"partitions":n}`. A key's events lie in one partition, in order; with another number of
partitions later events of a key would go elsewhere, and nobody could tell which is newer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

import orjson

from headwater.worker.api import Fatal, TopicSettings
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, TopicInfo
from headwater.worker.log.new_topic import make_topic

from .internal_topics import json_key

__all__ = ["TopicKeeper"]

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
_KEPT: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


class TopicKeeper:
    """For one source task, on the thread that reads."""

    def __init__(self, the_log: Log, plan: ConnectorPlan, settings: Mapping[str, str], records_topic: str) -> None:
        self._log = the_log
        self._plan = plan
        self._settings = settings
        self._recorded = CompactedDict(the_log, records_topic)
        self._known: dict[str, TopicInfo] = {}
        self._look_at = time.monotonic() + LOOK_EVERY_S
        self._routes_events = any(stage.transform.events for stage in plan.stages)

    def ensure(
        self,
        topics: Mapping[str, list[str]],
        ask: Callable[[str], TopicSettings],
        keyless: Collection[str] = (),
    ) -> None:
        """Every topic exists and is as it has to be. `topics`: name -> the source's names for it; `ask`: the source.
        `keyless`: of these, what gets records without keys, whatever the source knows of them so far.

        Raises `Fatal`, and `LogError` from the log.
        """
        for name in topics:
            if name not in self._known:
                wanted = self._wanted(name, topics[name], ask)
                if name in keyless:
                    wanted = TopicSettings(wanted.partitions, {**wanted.config, **_KEPT})
                self._known[name] = self._ensure(name, wanted)
        if time.monotonic() >= self._look_at:
            self._look_again()
            self._look_at = time.monotonic() + LOOK_EVERY_S

    def _wanted(self, name: str, origins: list[str], ask: Callable[[str], TopicSettings]) -> TopicSettings:
        settings = ask(origins[0])
        if not self._routes_events or name in origins:
            return settings
        return TopicSettings(settings.partitions, {**settings.config, **_KEPT})

    def _look_again(self) -> None:
        """Somebody may have given a topic more partitions meanwhile, or made it anew."""
        for name, now in self._log.topics(self._known).items():
            if now.topic_id != self._known[name].topic_id:
                del self._known[name]  # with its next record it is looked at as a whole
            elif now.partitions != self._known[name].partitions:
                raise _grown(now, self._known[name].partitions)

    def _ensure(self, name: str, wanted: TopicSettings) -> TopicInfo:
        group = self._plan.topic_group(name)
        partitions = group.partitions if group is not None and group.partitions is not None else wanted.partitions
        existing = self._log.topics([name]).get(name)
        if existing is None:
            config = {**wanted.config, **(group.config if group is not None else {})}
            if group is not None and group.replication_factor is not None:
                config["replication.factor"] = str(group.replication_factor)
            existing = self._create(name, partitions, config)
        self._compare(existing, partitions)
        return existing

    def _create(self, name: str, partitions: int | None, config: Mapping[str, str]) -> TopicInfo:
        if self._settings.get("topic.creation.enable", "true").lower() == "false":
            raise Fatal(
                f"topic {name} does not exist and topic.creation.enable=false: create it, then restart the task"
            )
        number = partitions if partitions is not None else int(self._settings.get("topics.partitions", "1"))
        info, made = make_topic(self._log, name, number, config)
        if made:
            log.info("created topic %s with %d partition(s) %s", name, number, dict(config))
        return info

    def _compare(self, existing: TopicInfo, wanted: int | None) -> None:
        self._recorded.refresh()
        key = json_key("topic", existing.name)
        value = self._recorded.get(key)
        recorded = orjson.loads(value) if value is not None else None
        if recorded is not None and recorded["topic_id"] == existing.topic_id:
            if recorded["partitions"] != existing.partitions:
                raise _grown(existing, recorded["partitions"])
        else:
            if recorded is not None:
                log.warning(
                    "topic %s was deleted and made anew: what it held is gone, and views of it stop. To have all rows "
                    "there again, let the connector take a new snapshot",
                    existing.name,
                )
            note = {"format": 1, "topic_id": existing.topic_id, "partitions": existing.partitions}
            self._recorded.put(key, orjson.dumps(note))
        if wanted is not None and wanted != existing.partitions:
            raise Fatal(
                f"topic {existing.name} is configured with {wanted} partition(s) and has {existing.partitions}: events "
                "of one key would no longer stand in one partition. Set topic.creation.default.partitions to "
                f"{existing.partitions}, or let the connector write to a new topic"
            )


def _grown(topic: TopicInfo, before: int) -> Fatal:
    return Fatal(
        f"topic {topic.name} was made with {before} partition(s) and has {topic.partitions}: events of one key would "
        "no longer stand in one partition. Kafka takes no partition away again: let the connector write to a new "
        "topic, with a new snapshot"
    )
