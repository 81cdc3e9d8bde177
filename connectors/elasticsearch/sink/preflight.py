"""Before a rebuild: the indices that the new generation will have, and how they differ from the live ones."""

from __future__ import annotations

from collections.abc import Mapping

from headwater.worker.api import DataError, Finding, Record, Values

from ..client import Client, answered, path
from .aliases import holders, meta_of, said_taken
from .documents import Documents
from .generation_records import Part
from .mappings import Properties, difference


def part_findings(
    client: Client, values: Values, view: str, live: Mapping[str, Part], samples: Mapping[str, Record]
) -> list[Finding]:
    documents, found = Documents(values), list[Finding]()
    wanted: dict[str, Properties] = {}
    for topic in sorted(samples):
        try:
            change = documents.change(samples[topic])
            if change is not None:
                wanted[change.plan.part] = {**wanted.get(change.plan.part, {}), **change.plan.properties}
        except DataError as error:
            found.append(Finding("error", topic, str(error)))
    for name, properties in sorted(wanted.items()):
        strangers = {index for index in holders(client, name) if meta_of(client, index).get("view") != view}
        if strangers:
            found.append(Finding("error", name, said_taken(name, strangers)))
        elif name not in live:
            found.append(Finding("ok", name, "the swap makes this name visible"))
        elif said := difference(_fields(client, live[name]), properties):
            found.append(Finding("warning", name, f"readers will see other fields: {said}"))
    for name in sorted(set(live) - set(wanted)):
        message = "no sample leads to it: the new generation will not have it unless records for it come"
        found.append(Finding("warning", name, message))
    return found


def _fields(client: Client, part: Part) -> Properties:
    answer = answered(client, "GET", path(part.index, "_mapping")) or {}
    found: Properties = answer.get(part.index, {}).get("mappings", {}).get("properties", {})
    return found
