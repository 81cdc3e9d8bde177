"""Clears away what no reader can need: files replaced long ago, files that no manifest names, old manifests."""

from __future__ import annotations

import re
import time
from typing import Final

from headwater.worker.api import Values

from ..storage import Storage
from .manifest import Manifest
from .manifests import Manifests, now_ms

FIRST_S: Final = 60.0
EVERY_S: Final = 900.0
_OWNER: Final = re.compile(r"[+-]([0-9a-f]{12})(?:-\d+)?\.(?:parquet|json)$")
ABANDONED_S: Final = 7 * 86_400


class Sweep:
    """Each task does it, now and then, right after a commit: which of them has anything to do nobody can know."""

    def __init__(self, storage: Storage, values: Values, manifests: Manifests) -> None:
        self._storage, self._manifests = storage, manifests
        self._delay_ms: int = values["file.delete.delay.ms"]
        self._next = time.monotonic() + FIRST_S

    def run_if_due(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_S
            self.run()

    def run(self) -> None:
        self._replaced()
        self._orphans()
        self._manifests.expire(max(self._delay_ms, 60_000))

    def _replaced(self) -> None:
        manifest = self._manifests.newest()
        if manifest is None:
            return
        before = now_ms() - self._delay_ms
        over = {path for path, at_ms in manifest.removed if at_ms <= before}
        if over:
            self._storage.delete(sorted(over))
            self._manifests.commit(
                lambda base: base.with_(removed=tuple(item for item in base.removed if item[0] not in over))
            )

    def _orphans(self) -> None:
        """Files of owners that were replaced, named by no manifest: nobody can ever commit them.

        Listed before the manifest is read: whoever wrote a listed file owned its partition by then, so its owner is
        either in this manifest or was replaced.
        """
        folder = f"g{self._manifests.generation}"
        listed = [info.path for info in self._storage.list(f"{folder}/data")]
        listed += [info.path for info in self._storage.list(f"{folder}/lists")]
        manifest = self._manifests.newest()
        if manifest is None:
            return
        named = self._named(manifest)
        owners = {state.owner for state in manifest.partitions.values()}
        orphans = []
        for path in listed:
            found = _OWNER.search(path)
            if found is not None and found[1] not in owners and path not in named:
                orphans.append(path)
        self._storage.delete(orphans)
        self._storage.abandon_uploads(folder, ABANDONED_S)

    def _named(self, manifest: Manifest) -> set[str]:
        files = {entry.path for entry in self._manifests.files(manifest)}
        return files | {ref.path for ref in manifest.lists} | {path for path, _ in manifest.removed}
