"""Which generation readers see: the public aliases, moved together with the marker in one call.

A call holds only while the marker stands where it was read. The marker names the one index to write to, of which the
server allows one to an alias: adding it where another index has it fails, and with it the whole call. (`must_exist`
would say it plainly; OpenSearch 2 does not know it where something is removed.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from headwater.worker.api import Fatal

from ..client import Busy, Client, Refusal, answered, path
from .generation_records import Part
from .names import physical_name
from .state import GenerationState, ViewState

Action = dict[str, dict[str, Any]]

_TWO_MARKERS: Final = "more than one write index"


class Aliases:
    """Of one view."""

    def __init__(self, client: Client, state: ViewState, view: str) -> None:
        self._client, self._state, self._view = client, state, view

    def publish(self, generation: GenerationState, parts: Iterable[Part]) -> bool:
        """Let readers find these parts, if they see this generation. False: they see another one.

        Raises `Fatal` where a name is somebody else's.
        """
        actions = self._towards(generation.number, list(parts), [generation])
        if not actions:
            return True
        return self._call([self._mark(generation.index), *actions])

    def promote(self, number: int, instead_of: int | None) -> None:
        """Raises `Fatal` where readers do not see `instead_of`, or a name is somebody else's."""
        generations = {generation.number: generation for generation in self._state.list()}
        if number not in generations:
            raise Fatal(f"there is no generation {number} of the view {self._view}: rebuild the view")
        current = next((g for g in generations.values() if g.current), None)
        if current is None or current.number != number:
            seen = None if current is None else current.number
            if seen != instead_of:
                raise Fatal(
                    f"readers of the view {self._view} see generation {seen}, not {instead_of}: somebody else has "
                    "swapped it. Nothing was changed"
                )
            parts = list(self._state.generation(number).parts().values())
            actions: list[Action] = [self._mark(self._state.index(number))]
            if current is not None:
                actions.insert(0, {"remove": {"index": current.index, "alias": self._state.marker}})
            actions += self._towards(number, parts, generations.values())
            if not self._call(actions):
                raise Fatal(
                    f"the generations of the view {self._view} were swapped by somebody else at the same moment. "
                    "Nothing was changed here"
                )
        self._settle(number)

    def _settle(self, number: int) -> None:
        """A part that came up while the others were swapped: its tasks will not name it any more, or not yet."""
        generations = self._state.list()
        generation = next((g for g in generations if g.number == number and g.current), None)
        if generation is None:
            return
        parts = list(self._state.generation(number).parts().values())
        if actions := self._towards(number, parts, generations):
            self._call([self._mark(generation.index), *actions])

    def _towards(self, number: int, parts: list[Part], generations: Iterable[GenerationState]) -> list[Action]:
        """What is missing until the names stand on the parts of this generation, and on no other of `generations`."""
        names = {part.name: part.index for part in parts}
        ours: set[str] = set(names.values())
        for generation in generations:
            if generation.number != number:
                for part in self._state.generation(generation.number).parts().values():
                    names.setdefault(part.name, "")
                    ours.add(part.index)
        actions: list[Action] = []
        for name, index in sorted(names.items()):
            there = holders(self._client, name)
            if strangers := {i for i in there if i not in ours and not self._owns(name, i)}:
                if not index:
                    continue
                raise Fatal(said_taken(name, strangers))
            actions += [{"remove": {"index": i, "alias": name}} for i in sorted(there) if i != index]
            if index and index not in there and answered(self._client, "GET", path(index)) is not None:
                actions.append({"add": {"index": index, "alias": name}})
        return actions

    def _owns(self, name: str, index: str) -> bool:
        """Is this an index of another generation of the view?"""
        base, _, number = index.rpartition("-g")
        return base == name and number.isdigit() and index == physical_name(name, int(number)) and (
            meta_of(self._client, index).get("view") == self._view
        )  # fmt: skip

    def _mark(self, index: str) -> Action:
        return {"add": {"index": index, "alias": self._state.marker, "is_write_index": True}}

    def _call(self, actions: list[Action]) -> bool:
        """False: the marker does not stand where it was."""
        try:
            self._client.request("POST", "/_aliases", {"actions": actions})
        except (Refusal, Busy) as error:
            if _TWO_MARKERS in str(error):
                return False
            if isinstance(error, Busy):
                raise
            raise Fatal(f"the aliases of the view {self._view} could not be set: {error}") from error
        return True


def holders(client: Client, name: str) -> set[str]:
    """The indices that a public name stands for: none, those of an alias, or itself where it is an index."""
    answer = answered(client, "GET", path(name, "_alias"), params={"expand_wildcards": "all"})
    return set(answer or ())


def meta_of(client: Client, index: str) -> Mapping[str, Any]:
    """What Headwater wrote into an index when it made it; empty for those of others."""
    answer = answered(client, "GET", path(index, "_mapping")) or {}
    found: Mapping[str, Any] = answer.get(index, {}).get("mappings", {}).get("_meta", {}).get("headwater", {})
    return found


def said_taken(name: str, strangers: Iterable[str]) -> str:
    indices = ", ".join(sorted(strangers))
    what = "an index of that name exists" if name in strangers else f"it is an alias of {indices}"
    return (
        f"readers are to find the view as {name}, but {what}, which is not this view's. Nothing was changed there. "
        "Delete or rename it, or set index.name.format"
    )
