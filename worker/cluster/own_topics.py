"""The topics that a worker keeps its own affairs in: made where they are missing, checked at each start."""

from __future__ import annotations

from headwater.worker.api import Retriable
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, LogError
from headwater.worker.runtime.internal_topics import InternalTopics

__all__ = ["make_own_topics", "way_back"]


def make_own_topics(the_log: Log, topics: InternalTopics) -> None:
    """Raises `LogError` for one that cannot be used, `Retriable`."""
    own = (1, topics.configs_replicas, topics.configs_settings, "config")
    shapes = {topics.configs: own, topics.topics: own, topics.views: own}
    shapes[topics.offsets] = (topics.offsets_partitions, topics.offsets_replicas, topics.offsets_settings, "offset")
    for name, (partitions, replicas, settings, what) in shapes.items():
        try:
            CompactedDict(the_log, name, partitions, replicas, settings).close()
        except Retriable:
            raise
        except LogError as error:
            hint = ""
            if "replication" in str(error).lower():
                option = f"{what}.storage.replication.factor"
                hint = f". {option} is {replicas}: set it to -1 (the brokers' default), or to 1 on a single broker"
            raise LogError(f"the worker's own topic {name} cannot be used: {error}{hint}") from error
    for name, found in the_log.topics([topics.configs, topics.views]).items():
        if found.partitions != 1:
            raise LogError(
                f"the worker's own topic {name} cannot be used: it has {found.partitions} partitions and must have "
                "one, or what follows one another would be read in any order. Name another topic in the worker's "
                "settings, or let Headwater make this one"
            )


def way_back(topic: str) -> str:
    """What a user can do who has lost the config or the views topic under running workers."""
    return (
        "What runs goes on, and nothing can be changed. Save the configs that `GET /connectors?expand=info` shows. "
        f"Then stop all workers, put {topic} back from a copy if you have one, start them (they make it where it is "
        "missing) and create the connectors that are not there: positions and offsets are not lost"
    )
