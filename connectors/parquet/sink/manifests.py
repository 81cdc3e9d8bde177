"""The manifests of one generation: read the newest, make the next.

Manifest N+1 is created only if there is none, so of two writers that start from N one has to read again. Old ones are
deleted from below, the newest last when the generation is dropped; so where N is still there after N+1 was made, N+1
was indeed the next one, and where it is gone, the writer has slept through its own replacement.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Final

from headwater.worker.api import Fatal, Fenced

from ..storage import Storage
from .manifest import FileEntry, ListRef, Manifest, dump, dump_list, load, load_list
from .options import LATEST_STATE

ROOT: Final = "manifests"
KEPT: Final = 10
"""The newest manifests, which are never deleted while the generation stands."""
INLINE: Final = 2_000
"""Files that a manifest names itself; beyond, all but the youngest half of so many are put away into a list."""
_NAME: Final = re.compile(rf"{ROOT}/g(\d+)/(\d{{20}})\.json")


class Manifests:
    """For one thread. `view`: for messages."""

    def __init__(self, storage: Storage, view: str, generation: int) -> None:
        self._storage, self._view, self.generation = storage, view, generation
        self._known: Manifest | None = None
        self._lists: dict[str, tuple[FileEntry, ...]] = {}

    def newest(self) -> Manifest | None:
        """None where there is no such generation, or not any more."""
        if self._known is None or self._read(self._known.version) is None:
            self._known = self._look()
        while self._known is not None and (after := self._read(self._known.version + 1)) is not None:
            self._known = after
        if self._known is not None and self._known.dropped:
            return None
        return self._known

    def create(self, mode: str, complete: bool) -> Manifest:
        """The first manifest, where there is none."""
        while True:
            found = self.newest()
            if found is not None:
                return found
            made = Manifest(self.generation, 1, mode, now_ms(), now_ms(), complete)
            if self._known is not None:  # its drop was not finished
                made = made.with_(version=self._known.version + 1)
            if self._storage.create(self._path(made.version), dump(made)):
                self._known = made
                return made

    def commit(self, change: Callable[[Manifest], Manifest], owner: str = "") -> Manifest:
        """Make the next manifest: `change` of the newest, asked again for each that comes in between.

        Raises `Fenced` where the generation is gone, and what `change` raises. Where it raises `Retriable`, the
        manifest may have been made all the same.
        """
        while True:
            base = self.newest()
            if base is None:
                raise Fenced(f"generation {self.generation} of the view {self._view} has been dropped")
            made = self._shortened(change(base).with_(version=base.version + 1, made_ms=now_ms()), owner)
            path = self._path(made.version)
            if not self._storage.create(path, dump(made)):
                continue
            if self._storage.read(self._path(base.version)) is None:
                self._storage.delete([path])
                raise Fenced(
                    f"this task has slept while generation {self.generation} of the view {self._view} went on without "
                    "it, or was dropped"
                )
            self._known = made
            return made

    def files(self, manifest: Manifest) -> Iterator[FileEntry]:
        """All files, the oldest first."""
        kept = {ref.path for ref in manifest.lists}
        for path in [path for path in self._lists if path not in kept]:
            del self._lists[path]
        for ref in manifest.lists:
            if ref.path not in self._lists:
                found = self._storage.read(ref.path)
                if found is None:
                    raise Fatal(
                        f"{self._storage.root}/{ref.path} is gone, which the view {self._view} needs: put it back, or "
                        "rebuild the view"
                    )
                self._lists[ref.path] = load_list(found[0], f"{self._storage.root}/{ref.path}")
            yield from self._lists[ref.path]
        yield from manifest.files

    def expire(self, older_than_ms: int) -> None:
        """Delete manifests that were made longer ago than that before the newest one, from below."""
        newest = self.newest()
        if newest is None:
            return
        found = [(int(m[2]), info) for info in self._storage.list(f"{ROOT}/g{self.generation}")
                 if (m := _NAME.fullmatch(info.path))]  # fmt: skip
        last = max((info.modified_ms for _, info in found), default=0)
        for version, info in sorted(found):
            if version > newest.version - KEPT or info.modified_ms > last - older_than_ms:
                break
            self._storage.delete([info.path])

    def close(self) -> None:
        """From here on no task can write, and the generation counts as gone."""
        if self.newest() is not None:
            self.commit(lambda m: m.with_(dropped=True, files=(), lists=(), tables={}, partitions={}, removed=()))

    def delete(self) -> None:
        """Delete all manifests, the newest last. After `close`."""
        for info in self._storage.list(f"{ROOT}/g{self.generation}"):
            self._storage.delete([info.path])
        self._known = None

    def _shortened(self, manifest: Manifest, owner: str) -> Manifest:
        """Put old entries away. A list that ends up in no manifest is swept up by `sweep`."""
        if len(manifest.files) <= INLINE or manifest.mode == LATEST_STATE:  # which has few files, and replaces them
            return manifest
        old, young = manifest.files[: -INLINE // 2], manifest.files[-INLINE // 2 :]
        path = f"g{self.generation}/lists/{manifest.version:020d}-{owner or 'none'}.json"
        if not self._storage.create(path, dump_list(old)):
            self._storage.delete([path])  # of an attempt that came to nothing
            self._storage.create(path, dump_list(old))
        ref = ListRef(path, len(old), sum(f.rows for f in old), sum(f.bytes for f in old))
        return manifest.with_(files=young, lists=(*manifest.lists, ref))

    def _look(self) -> Manifest | None:
        while True:
            versions = [int(m[2]) for info in self._storage.list(f"{ROOT}/g{self.generation}")
                        if (m := _NAME.fullmatch(info.path))]  # fmt: skip
            if not versions:
                return None
            if (found := self._read(max(versions))) is not None:
                return found

    def _read(self, version: int) -> Manifest | None:
        if self._known is not None and self._known.version == version:
            return self._known if self._storage.read(self._path(version)) is not None else None
        found = self._storage.read(self._path(version))
        return None if found is None else load(found[0], f"{self._storage.root}/{self._path(version)}")

    def _path(self, version: int) -> str:
        return f"{ROOT}/g{self.generation}/{version:020d}.json"


def generations(storage: Storage) -> list[int]:
    """Numbers of all that have a manifest, one that is being dropped too."""
    return sorted({int(m[1]) for info in storage.list(ROOT) if (m := _NAME.fullmatch(info.path))})


def now_ms() -> int:
    return time.time_ns() // 1_000_000
