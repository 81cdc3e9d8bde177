"""The barrier: offsets up to which one generation of a view is written, so that it can be read at an exact point.

On the compacted topic `headwater-views`, written by a rebuild's job, followed by every sink task of the generation:
key `["halt",VIEW,GENERATION]`, value `{"format":1,"offsets":{TOPIC:{"0":123}}}`. A task writes each partition up to
that next offset and no further, flushes, and waits; null lets it go on. Nobody acknowledges: the view's offsets say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from headwater.worker.api import Fatal, TopicPartition

FORMAT: Final = 1


def halt_key(view: str, generation: int) -> bytes:
    return orjson.dumps(["halt", view, generation])


def dump_halt(offsets: Mapping[TopicPartition, int]) -> bytes:
    topics: dict[str, dict[str, int]] = {}
    for (topic, partition), offset in offsets.items():
        topics.setdefault(topic, {})[str(partition)] = offset
    return orjson.dumps({"format": FORMAT, "offsets": topics})


def load_halt(value: bytes) -> dict[TopicPartition, int]:
    """Partitions that it does not name are not held back. Raises `Fatal`: no task may run past what it cannot read."""
    try:
        document = orjson.loads(value)
        if document["format"] != FORMAT:
            raise Fatal(f"a barrier on the views topic has format {document['format']}, this Headwater knows {FORMAT}")
        topics = document["offsets"].items()
        return {TopicPartition(t, int(p)): int(offset) for t, parts in topics for p, offset in parts.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Fatal(f"a barrier on the views topic is damaged: {error!r}") from error
