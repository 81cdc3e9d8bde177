"""`current.json`: what readers open. It names the current generation and its files, and is replaced whole.

`{"format":1,"view","generation","version","swaps","tables":{NAME:{"files":[…]}}}`, files with their full paths; the
first of a table's files has no rows and the schema of all. It follows the manifests of the current generation; which
generation that is, it alone says. `swaps` rises with every swap, so that no two contents are ever the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from headwater.worker.api import Fatal

from ..storage import LocalStorage, Storage
from .manifest import Manifest
from .manifests import Manifests, generations

NAME: Final = "current.json"
LINK: Final = "current"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Pointed:
    """What current.json says now. `tag`: for `Storage.replace`."""

    view: str
    generation: int
    version: int
    swaps: int
    tag: str


class Pointer:
    """`manifests`: of the generation that this task writes, or that is to be promoted."""

    def __init__(self, storage: Storage, view: str) -> None:
        self._storage, self._view = storage, view

    def read(self) -> Pointed | None:
        """None: readers see nothing yet. Raises `Fatal` for a folder that belongs to another view."""
        found = self._storage.read(NAME)
        if found is None:
            return None
        where = f"{self._storage.root}/{NAME}"
        try:
            document = orjson.loads(found[0])
            if document["format"] != FORMAT:
                raise Fatal(f"{where} has format {document['format']}, this Headwater knows {FORMAT}")
            pointed = Pointed(
                document["view"], document["generation"], document["version"], document["swaps"], found[1]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Fatal(f"{where} is damaged: {error!r}. Nothing was changed. Put it back from a backup.") from error
        if pointed.view != self._view:
            raise Fatal(
                f"{self._storage.root} holds the view {pointed.view}, not {self._view}. Nothing was changed. Give each "
                "view a folder of its own with the option path."
            )
        return pointed

    def follow(self, manifests: Manifests, manifest: Manifest) -> None:
        """Let readers see this manifest, if its generation is the current one and they see no newer one yet."""
        while True:
            pointed = self.read()
            if pointed is None:
                self._restore(manifests, manifest)
                return
            if pointed.generation != manifest.generation or pointed.version >= manifest.version:
                return
            if self._storage.replace(NAME, self._content(manifests, manifest, pointed.swaps), pointed.tag):
                return

    def _restore(self, manifests: Manifests, manifest: Manifest) -> None:
        """Somebody deleted current.json. Where there is one generation alone, it was the current one."""
        there = generations(self._storage)
        if there == [manifest.generation] and manifest.complete:
            self.begin(manifests, manifest)
        elif manifest.generation in there and len(there) > 1:
            raise Fatal(
                f"{self._storage.root}/{NAME} is gone, and with it which of the generations {there} readers see. What "
                "was written is safe in the manifests. Put the file back from a backup, or rebuild the view"
            )

    def begin(self, manifests: Manifests, manifest: Manifest) -> None:
        """The first generation of a new view is the current one. Does nothing where there is one."""
        if self.read() is None:
            self._storage.create(NAME, self._content(manifests, manifest, 0))
            self._link(manifest.generation)

    def swap(self, manifests: Manifests, instead_of: int | None) -> None:
        """See `Generations.promote`."""
        number = manifests.generation
        while True:
            manifest = manifests.newest()
            if manifest is None:
                raise Fatal(f"{self._storage.root} has no generation {number} of the view {self._view}")
            pointed = self.read()
            seen = None if pointed is None else pointed.generation
            if seen != number and seen != instead_of:
                raise Fatal(
                    f"readers of {self._view} see generation {seen}, not {instead_of}: look at `headwater views`"
                )
            if seen == number:
                break
            if pointed is None:
                done = self._storage.create(NAME, self._content(manifests, manifest, 0))
            else:
                data = self._content(manifests, manifest, pointed.swaps + 1)
                done = self._storage.replace(NAME, data, pointed.tag)
            if done:
                break
        self._link(number)

    def _content(self, manifests: Manifests, manifest: Manifest, swaps: int) -> bytes:
        root = self._storage.root
        tables: dict[str, dict[str, Any]] = {
            name: {"files": [f"{root}/{table.schema_file}"]} for name, table in sorted(manifest.tables.items())
        }
        for entry in manifests.files(manifest):
            tables[entry.table]["files"].append(f"{root}/{entry.path}")
        return orjson.dumps(
            {
                "format": FORMAT,
                "view": self._view,
                "generation": manifest.generation,
                "version": manifest.version,
                "swaps": swaps,
                "tables": tables,
            }
        )

    def _link(self, generation: int) -> None:
        if isinstance(self._storage, LocalStorage):
            self._storage.point(LINK, f"g{generation}")
