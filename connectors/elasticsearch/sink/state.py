"""What one generation knows of itself, in a hidden index of its own: its parts, its offsets, what was refused.

The index PREFIX-VIEW-gN says in its mapping's `_meta.headwater` which view and generation it is, and in which format
(`FORMAT`). The alias PREFIX-VIEW-current stands on the index of the generation that readers see. Documents by `kind`:
`part` (public name, index, kind of versions), `offset` (topic, partition, topic id, owner, next), `refused` (topic,
partition, offset of a record that the server refused and the runtime skipped).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headwater.worker.api import Fatal, Values

from ..client import Client, Refusal, answered, path
from .generation_records import GenerationRecords
from .names import view_name, write_alias

FORMAT: Final = 1
_MAPPING: Final = {
    "dynamic": False,
    "properties": {"kind": {"type": "keyword"}, "place": {"type": "keyword"}},
}
_SETTINGS: Final = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}


@dataclass(frozen=True, slots=True)
class GenerationState:
    """`meta`: of the state index's mapping."""

    number: int
    index: str
    current: bool
    meta: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        return bool(self.meta.get("complete"))


class ViewState:
    """The generations of a view."""

    def __init__(self, client: Client, values: Values, view: str) -> None:
        self._client, self._view = client, view
        self._base = f"{values['state.index.prefix']}-{view_name(view)}"

    @property
    def marker(self) -> str:
        return f"{self._base}-current"

    def index(self, number: int) -> str:
        return f"{self._base}-g{number}"

    def list(self) -> list[GenerationState]:
        """By number. Raises `Fatal` for those of another view or of a newer Headwater."""
        answer = answered(self._client, "GET", f"/{self._base}-g*", params={"expand_wildcards": "all"}) or {}
        found = []
        for name, about in answer.items():
            if matched := re.fullmatch(re.escape(self._base) + r"-g(\d+)", name):
                meta = about["mappings"].get("_meta", {}).get("headwater")
                if not meta or meta.get("view") != self._view:
                    raise Fatal(f"the index {name} is not this view's: set another state.index.prefix. Nothing changed")
                if meta["format"] != FORMAT:
                    raise Fatal(
                        f"the index {name} has format {meta['format']}, this Headwater knows {FORMAT}: run a newer "
                        "Headwater, or set another state.index.prefix. Nothing was changed"
                    )
                found.append(GenerationState(int(matched[1]), name, self.marker in about["aliases"], meta))
        return sorted(found, key=lambda state: state.number)

    def create(self, number: int, complete: bool, current: bool) -> None:
        """Nothing where it is there."""
        meta = {"format": FORMAT, "view": self._view, "complete": complete, "created_ms": time.time_ns() // 1_000_000}
        aliases: dict[str, Any] = {write_alias(self.index(number)): {}}
        if current:
            aliases[self.marker] = {"is_write_index": True}
        body = {
            "settings": {"index": _SETTINGS},
            "mappings": {**_MAPPING, "_meta": {"headwater": meta}},
            "aliases": aliases,
        }
        create_index(self._client, self.index(number), body)

    def finish(self, state: GenerationState) -> None:
        """From now on the generation counts as complete."""
        meta = {"headwater": {**state.meta, "complete": True}}
        self._client.request("PUT", path(state.index, "_mapping"), {"_meta": meta})

    def generation(self, number: int) -> GenerationRecords:
        return GenerationRecords(self._client, self.index(number), self._view)


def create_index(client: Client, name: str, body: Mapping[str, Any]) -> None:
    """Nothing where it is there; waits until its primaries are."""
    try:
        client.request("PUT", path(name), dict(body))
    except Refusal as error:
        if error.kind != "resource_already_exists_exception":
            raise Fatal(f"the index {name} could not be made: {error.reason}. Nothing was written") from error
