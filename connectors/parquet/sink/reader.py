"""A generation held still: one manifest, whose files never change. Replaced ones stay for `file.delete.delay.ms`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from headwater.connectors.formats.view_columns import COORDINATES
from headwater.worker.api import BUCKETS, Fatal, Fingerprint, Retriable, bucket

from ..columns import key_texts, row_digests, show_row
from ..data_reader import read_batches
from ..storage import Storage
from .manifest import FileEntry, Manifest, Table
from .manifests import Manifests


class PinnedReader:
    """Owns `storage`."""

    def __init__(self, storage: Storage, manifests: Manifests, manifest: Manifest, files: Sequence[FileEntry]) -> None:
        self.offsets = manifest.offsets
        self._manifests = manifests
        self._storage, self._tables, self._files = storage, manifest.tables, files

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        found = {}
        for part, table in self._tables.items():
            buckets = found[part] = [Fingerprint() for _ in range(BUCKETS)]
            for batch in self._batches(part):
                for key, digest in zip(key_texts(batch, key_of(table)), row_digests(batch), strict=True):
                    buckets[bucket(key)].add(digest)
        return found

    def rows(self, part: str, buckets: Sequence[int]) -> Iterator[tuple[bytes, int, str]]:
        table, wanted = self._tables.get(part), frozenset(buckets)
        if table is None:
            return
        for batch in self._batches(part):
            digests = row_digests(batch)
            for index, key in enumerate(key_texts(batch, key_of(table))):
                if bucket(key) in wanted:
                    yield key, digests[index], show_row(batch, index)

    def close(self) -> None:
        self._storage.close()

    def _batches(self, part: str) -> Iterator[pa.RecordBatch]:
        for entry in self._files:
            if entry.table == part:
                try:
                    yield from read_batches(self._storage, entry.path)
                except FileNotFoundError as error:
                    if self._still_named(entry.path):
                        raise Fatal(
                            f"{self._storage.root}/{entry.path} is gone, which the view is made of: somebody deleted "
                            "it. Nothing was changed. Put it back from a backup, or rebuild the view"
                        ) from error
                    raise Retriable(
                        f"{self._storage.root}/{entry.path} was replaced and deleted while the view was read, which "
                        "took longer than file.delete.delay.ms: it is read again; raise that option if this stays"
                    ) from error

    def _still_named(self, path: str) -> bool:
        manifest = self._manifests.newest()
        return manifest is not None and any(entry.path == path for entry in self._manifests.files(manifest))


def key_of(table: Table) -> tuple[str, ...]:
    return table.key or COORDINATES
