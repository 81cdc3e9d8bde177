"""All generations of one Parquet view: the `Generations` that a rebuild works with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from headwater.worker.api import (
    ExpectedRow,
    Fatal,
    Finding,
    GenerationInfo,
    Record,
    TopicPartition,
    Values,
)

from ..storage import Storage, open_storage
from .check import findings
from .expect import Expectation
from .manifest import Manifest
from .manifests import Manifests, generations
from .options import CHANGE_LOG
from .pointer import Pointer
from .preflight import table_findings
from .reader import PinnedReader

Findings = list[Finding]  # inside the class, `list` is a method


class ParquetGenerations:
    """Parts are tables. The truth lies in the view's folder: manifests, and `current.json` for which one is current."""

    def __init__(self, values: Values, view: str) -> None:
        self._values, self._view = values, view
        self.every_record = values["view.mode"] == CHANGE_LOG
        self._storage: Storage | None = None
        self._expectation: Expectation | None = None

    def list(self) -> list[GenerationInfo]:
        storage = self._opened()
        pointed = Pointer(storage, self._view).read()
        found = []
        for number in generations(storage):
            manifest = self._manifests(number).newest()
            if manifest is None:  # its drop was cut short: drop it again
                found.append(GenerationInfo(number, False, False, 0))
                continue
            current = pointed is not None and pointed.generation == number
            parts = tuple(sorted(manifest.tables))
            found.append(
                GenerationInfo(
                    number, current, manifest.complete, manifest.created_ms, parts, manifest.rows, manifest.bytes
                )
            )
        return found

    def preflight(self, samples: Mapping[str, Record]) -> Findings:
        found = [finding for finding in findings(self._values) if finding.level != "ok"]
        return found + table_findings(self._values, self._live(), samples)

    def create(self, number: int, samples: Mapping[str, Record]) -> None:
        pointed = Pointer(self._opened(), self._view).read()
        if pointed is not None and pointed.generation == number:
            raise Fatal(f"generation {number} of {self._view} is the one that readers see and is not built again")
        self._manifests(number).create(self._values["view.mode"], complete=False)

    def offsets(self, number: int) -> dict[TopicPartition, int]:
        manifest = self._manifests(number).newest()
        return {} if manifest is None else manifest.offsets

    def finish_load(self, number: int) -> None:
        manifests = self._manifests(number)
        manifest = manifests.newest()
        if manifest is not None and not manifest.complete:
            manifests.commit(lambda base: base.with_(complete=True))

    def pin(self, number: int) -> PinnedReader:
        manifests = self._manifests(number)
        manifest = manifests.newest()
        if manifest is None:
            raise Fatal(f"{self._opened().root} has no generation {number} of the view {self._view}: rebuild the view")
        storage = open_storage(self._values)
        return PinnedReader(storage, Manifests(storage, self._view, number), manifest, tuple(manifests.files(manifest)))

    def expect(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        if self._expectation is None:
            self._expectation = Expectation(self._values)
        return self._expectation.rows(records)

    def compare_source(self, number: int) -> Findings:
        return []

    def promote(self, number: int, instead_of: int | None) -> None:
        Pointer(self._opened(), self._view).swap(self._manifests(number), instead_of)

    def drop(self, number: int) -> None:
        storage = self._opened()
        pointed = Pointer(storage, self._view).read()
        if pointed is not None and pointed.generation == number:
            raise Fatal(f"generation {number} of {self._view} is the one that readers see: it is not dropped")
        manifests = self._manifests(number)
        manifests.close()
        storage.delete(info.path for info in storage.list(f"g{number}"))
        storage.abandon_uploads(f"g{number}", 0)
        manifests.delete()

    def close(self) -> None:
        if self._storage is not None:
            self._storage.close()
            self._storage = None

    def _opened(self) -> Storage:
        if self._storage is None:
            self._storage = open_storage(self._values)
        return self._storage

    def _manifests(self, number: int) -> Manifests:
        return Manifests(self._opened(), self._view, number)

    def _live(self) -> Manifest | None:
        pointed = Pointer(self._opened(), self._view).read()
        return None if pointed is None else self._manifests(pointed.generation).newest()
