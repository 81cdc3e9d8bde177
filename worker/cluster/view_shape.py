"""Which options of a sink shape the rows of its view, as far as a worker can know without the plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["shape_differences", "way_out"]

_SHAPE: Final = re.compile(
    r"connector\.class|topics(\.regex)?|(transforms|predicates)(\..+)?|(key|value|header)\.converter(\..+)?"
    r"|(collection|table)\.name\.format|(primary\.key|pk|field|fields|column|columns)(\..+)?"
    r"|insert\.mode|(delete|truncate)\.enabled|version\.column|schema\.evolution|quote\.identifiers"
    r"|unavailable\.value\.placeholder|use\.time\.zone|database\.time_zone|db\.timezone"
    r"|index\.(name\.format|mappings)|(key|schema)\.ignore|write\.method|(keyword|text)\.fields|(string|json)\.mapping"
    r"|compact\.map\.entries|behavior\.on\.null\.values|data\.stream\..+"
)
"""Names of the PostgreSQL sink, of Debezium's and of Confluent's JDBC sink, of the Elasticsearch sink and Confluent's;
other plugins use the same words."""


def shape_differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of the shape's options that the two say otherwise, sorted; no values, for they may be secret."""
    names = {*before, *after}
    return sorted(name for name in names if _SHAPE.fullmatch(name) and before.get(name) != after.get(name))


def way_out(name: str, options: Sequence[str], deleted: bool = False) -> str:
    """What is wrong with a config that undoes a rebuild, and what to do. `deleted`: the connector is there no more."""
    wrong = f"it takes back what the last rebuild of the view changed ({', '.join(options)})."
    if deleted:
        return (
            f"{wrong} Create it with the config that the view has (`headwater views {name} --json`); then "
            f"`headwater rebuild {name} --config FILE` builds it as this one says"
        )
    return (
        f"{wrong} Take the rebuilt config into the file (`headwater connectors show {name}`), or build the view as the "
        f"file says: `headwater rebuild {name} --config FILE`"
    )
