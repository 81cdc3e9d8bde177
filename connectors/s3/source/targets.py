"""Which objects are read, by their keys, and into which topic each goes."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Final

from headwater.worker.api import Values

from .options import GENERIC, RESTORE, mode, place

TopicOf = Callable[[str], str | None]
"""The topic of an object; None: it is not read."""

_BESIDE: Final = re.compile(r"\.(keys|headers)(\.[a-z0-9]+){1,2}$")
"""What Confluent's sink puts beside an object: `….keys.json.gz`, `….headers.snappy.parquet`."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def topic_of(values: Values) -> TopicOf:
    """By the options, for the modes in which objects are found by listing."""
    _, prefix = place(values)
    excluded = [(re.compile(fnmatch.translate(pattern)), "/" in pattern) for pattern in values["exclude"]]
    by_name = _by_folder(prefix, values["topic"]) if mode(values) == RESTORE else _generic(values)

    def found(key: str) -> str | None:
        if key.endswith("/"):  # consoles make such to show an empty folder
            return None
        if any(pattern.fullmatch(key if whole else key[key.rfind("/") + 1 :]) for pattern, whole in excluded):
            return None
        return by_name(key)

    return found


def _generic(values: Values) -> TopicOf:
    assert mode(values) == GENERIC
    topic: str = values["topic"]
    if topic:
        return lambda key: topic
    pairs = [item.partition(":") for item in values["topic.regex.list"]]
    patterns = [(name, re.compile(pattern)) for name, _, pattern in pairs]
    return lambda key: next((name for name, pattern in patterns if pattern.fullmatch(key)), None)


def _by_folder(prefix: str, topic: str) -> TopicOf:
    def found(key: str) -> str | None:
        folder, slash, name = key[len(prefix) :].partition("/")
        if not slash or _BESIDE.search(name) or not _NAME.fullmatch(folder):
            return None
        return topic or folder

    return found
