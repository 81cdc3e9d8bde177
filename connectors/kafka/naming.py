"""Names of the topics that are written, and the mark of records that keep theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

COPIED_HEADER: Final = "headwater.copied.from"
"""On records of a copy under the same name, one for each cluster that a source read it from: the cluster's id. A record
that a source meets there again would be copied into its own topic for ever."""
WRITTEN_HEADER: Final = "headwater.copied.to"
"""The same of clusters that a sink has written it to. Two names: a sink to a cluster and a source from it are a chain;
what is a loop comes by the same job again."""


def topic_form(value: Any) -> str | None:
    """What is wrong with the option `topic`."""
    wrong = [found[0] for found in re.finditer(r"\$\{[^}]*\}?", value) if found[0] != "${topic}"]
    if wrong:
        return f"knows ${{topic}}, not {wrong[0]}"
    return None if value else "must not be empty"


def named(form: str, topic: str) -> str:
    return form.replace("${topic}", topic)


def came_back(headers: Iterable[tuple[str, Any]], header: str, cluster: str) -> bool:
    mark = cluster.encode()
    return any(name == header and value == mark for name, value in headers)


def loop(where: str, header: str, way_out: str) -> str:
    """The error's text."""
    return (
        f"{where} is a copy of this very topic (header {header}): it would be copied into itself for ever. Set "
        f"`topic` to another name, or {way_out} to another cluster"
    )
