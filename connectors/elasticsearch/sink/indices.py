"""The indices of one generation as a task needs them: made when their first record comes, given new fields.

A rebuild makes them before that, from the newest records: what the oldest ones held would decide the fields' types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.worker.api import DataError, Fatal, Fenced, Values

from ..client import Client, Refusal, answered, path
from .aliases import Aliases
from .documents import Plan
from .generation_records import EACH, HEADER, OFFSET, GenerationRecords, Part
from .kinds import Definition
from .mappings import missing, whole_mapping
from .names import physical_name, write_alias
from .options import json_option
from .state import GenerationState, ViewState, create_index


class Indices:
    """`complete`: is the generation's bulk load over? While it is not, indices are not refreshed."""

    def __init__(self, client: Client, values: Values, view: str, number: int) -> None:
        self._client, self._values, self._view, self._number = client, values, view, number
        self._state = ViewState(client, values, view)
        self._records: GenerationRecords = self._state.generation(number)
        self._aliases = Aliases(client, self._state, view)
        self._parts: dict[str, Part] = {}
        self._fields: dict[str, Mapping[str, Definition]] = {}
        self._ready: set[Plan] = set()
        self._published: frozenset[str] = frozenset()

    def ready(self, plan: Plan, versions: str) -> str:
        """The alias to write to. Makes the index or its new fields where they are missing.

        `versions`: HEADER, OFFSET or EACH, what the record has. Raises `DataError` for fields that the index cannot
        hold, `Fatal` where versions are mixed.
        """
        part = self.prepare(plan)
        if versions != part.versions:
            part = self._with_versions(part, versions)
        return write_alias(part.index)

    def prepare(self, plan: Plan) -> Part:
        """Make the index, or its new fields. Raises `DataError` for fields that it cannot hold, `Fatal`."""
        part = self._parts.get(plan.part) or self._opened(plan)
        if plan not in self._ready:
            self._grow(part, plan)
            if plan.guessed:
                self._guess(part, plan)
            self._ready.add(plan)
        return part

    def publish(self) -> None:
        """Let readers find the parts of this generation, if it is the one that they see. Raises `Fenced`, `Fatal`."""
        if self._published == frozenset(self._parts):
            return
        generation = self._generation()
        if not generation.current:
            return
        if self._aliases.publish(generation, self._parts.values()):
            self._published = frozenset(self._parts)

    def _generation(self) -> GenerationState:
        found = next((g for g in self._state.list() if g.number == self._number), None)
        if found is None:
            raise Fenced(f"generation {self._number} of the view {self._view} has been dropped")
        return found

    def _opened(self, plan: Plan) -> Part:
        part = self._records.part(plan.part)
        if part is None:
            part = Part(plan.part, physical_name(plan.part, self._number))
            self._records.add_part(part)
        about = answered(self._client, "GET", path(part.index))
        if about is None:
            if part.versions:
                raise Fatal(
                    f"the index {part.index} is gone, which the view {self._view} had written to: somebody deleted it. "
                    "Nothing was changed. Rebuild the view: `headwater rebuild`"
                )
            self._create(part, plan)
            about = self._client.request("GET", path(part.index))
        mapping = about[part.index]["mappings"]
        if mapping.get("_meta", {}).get("headwater", {}).get("view") != self._view:
            raise Fatal(
                f"the index {part.index} exists and is not this view's. Nothing was changed there. Delete or rename "
                "it, or set index.name.format"
            )
        self._fields[part.name] = mapping.get("properties", {})
        known = self._parts[part.name] = self._records.part(part.name) or part
        return known

    def _create(self, part: Part, plan: Plan) -> None:
        settings: dict[str, Any] = {"gc_deletes": self._values["gc.deletes"]}
        settings |= json_option(self._values, "index.settings")
        loading = not self._generation().complete
        if loading:
            settings["refresh_interval"] = "-1"
        meta = {"view": self._view, "generation": self._number}
        body = {
            "settings": {"index": settings},
            "mappings": whole_mapping(plan.properties, plan.guessed, meta),
            "aliases": {write_alias(part.index): {}},
        }
        create_index(self._client, part.index, body)
        if loading and self._generation().complete:
            finish_index(self._client, self._values, part.index)  # the load has ended in between

    def _grow(self, part: Part, plan: Plan) -> None:
        lacking = missing(self._fields[part.name], plan.properties)
        if not lacking:
            return
        try:
            self._client.request("PUT", path(part.index, "_mapping"), {"properties": lacking})
        except Refusal as error:
            raise DataError(f"the index {part.index} cannot have further fields: {error.reason}") from error
        self._fields[part.name] = self._client.request("GET", path(part.index, "_mapping"))[part.index]["mappings"].get(
            "properties", {}
        )

    def _guess(self, part: Part, plan: Plan) -> None:
        """An index that a delete has made has no fields, and takes none: from now on the server guesses them."""
        if not self._fields[part.name].keys() <= plan.properties.keys():
            return
        mapping = self._client.request("GET", path(part.index, "_mapping"))[part.index]["mappings"]
        if str(mapping.get("dynamic")).lower() == "false":
            self._client.request("PUT", path(part.index, "_mapping"), {"dynamic": True})

    def _with_versions(self, part: Part, versions: str) -> Part:
        kept = self._records.set_versions(part.name, versions)
        if kept != versions:
            what = {HEADER: "the header headwater.version", OFFSET: "their offset", EACH: "nowhere"}
            raise Fatal(
                f"records for {part.name} have versions from {what[versions]}, those before had them from "
                f"{what[kept]}: these cannot be compared. Nothing was written. Read topics of one kind, or rebuild the "
                "view"
            )
        found = self._parts[part.name] = Part(part.name, part.index, kept)
        return found


def finish_index(client: Client, values: Values, index: str) -> None:
    """Leave the shape of the bulk load."""
    interval = json_option(values, "index.settings").get("refresh_interval")
    if answered(client, "PUT", path(index, "_settings"), {"index": {"refresh_interval": interval}}) is not None:
        answered(client, "POST", path(index, "_refresh"))
