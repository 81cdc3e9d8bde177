"""All generations of one view: the `Generations` that a rebuild works with. Parts are the names that readers use."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from headwater.worker.api import (
    DataError,
    ExpectedRow,
    Fatal,
    Finding,
    GenerationInfo,
    Record,
    Retriable,
    TopicPartition,
    Values,
)

from ..client import Client, answered, open_client, path
from ..client.options import OPENSEARCH
from .aliases import Aliases, meta_of
from .check import findings
from .documents import Documents
from .expect import Expectation
from .generation_records import Part
from .indices import Indices, finish_index
from .options import every_record, is_stream
from .preflight import part_findings
from .reader import PinnedReader
from .state import GenerationState, ViewState

_log = logging.getLogger(__name__)

Findings = list[Finding]  # inside the class, `list` is a method
LONGEST_PATH: Final = 3000
"""Bytes; both servers refuse a request whose first line is longer than 4096 (http.max_initial_line_length)."""


class ElasticsearchGenerations:
    """The truth lies in the cluster: the state indices of the view, and the alias that marks the current one."""

    def __init__(self, values: Values, view: str) -> None:
        self._values, self._view = values, view
        self.every_record = every_record(values)
        self._client: Client | None = None
        self._expectation: Expectation | None = None

    def list(self) -> list[GenerationInfo]:
        found = []
        for state in self._state().list():
            parts = self._state().generation(state.number).parts().values()
            rows, size = self._sizes(parts)
            names = tuple(sorted(part.name for part in parts))
            created_ms = int(state.meta["created_ms"])
            found.append(GenerationInfo(state.number, state.current, state.complete, created_ms, names, rows, size))
        return found

    def preflight(self, samples: Mapping[str, Record]) -> Findings:
        if is_stream(self._values):
            message = "a data stream is append-only and cannot be built beside itself"
            return [Finding("error", "data.stream.type", message, "make a second connector, with another dataset")]
        found = [finding for finding in findings(self._values, self._view) if finding.level != "ok"]
        return found + part_findings(self._opened(), self._values, self._view, self._live(), samples)

    def create(self, number: int, samples: Mapping[str, Record]) -> None:
        state = self._generation(number)
        if state is not None and state.current:
            raise Fatal(f"generation {number} of {self._view} is the one that readers see and is not built again")
        self._state().create(number, complete=False, current=False)
        documents, indices = Documents(self._values), Indices(self._opened(), self._values, self._view, number)
        for topic in sorted(samples):
            try:
                change = documents.change(samples[topic])
                if change is not None and change.document is not None:
                    indices.prepare(change.plan)
            except DataError as error:  # the topics of one index may not agree: their records will tell
                _log.warning("generation %d of %s begins without fields of %s: %s", number, self._view, topic, error)

    def offsets(self, number: int) -> dict[TopicPartition, int]:
        return self._state().generation(number).offsets()

    def finish_load(self, number: int) -> None:
        state = self._generation(number)
        if state is None:
            return
        if not state.complete:
            self._state().finish(state)  # first: an index that a task makes from now on is made whole
        for part in self._own_parts(number):
            finish_index(self._opened(), self._values, part.index)

    def pin(self, number: int) -> PinnedReader:
        if is_stream(self._values):
            raise Fatal(f"{self._view} appends to data streams, which are not compared: they hold no versions")
        records = self._state().generation(number)
        if self._generation(number) is None:
            raise Fatal(f"there is no generation {number} of the view {self._view}: rebuild the view")
        offsets, parts = records.offsets(), [*records.parts().values()]
        opensearch = self._values["distribution"] == OPENSEARCH
        return PinnedReader(open_client(self._values), opensearch, offsets, parts, records.refused())

    def expect(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        if self._expectation is None:
            self._expectation = Expectation(self._values)
        return self._expectation.rows(records)

    def compare_source(self, number: int) -> Findings:
        return []

    def promote(self, number: int, instead_of: int | None) -> None:
        Aliases(self._opened(), self._state(), self._view).promote(number, instead_of)

    def drop(self, number: int) -> None:
        state = self._generation(number)
        if state is None:
            return
        if state.current:
            raise Fatal(f"generation {number} of {self._view} is the one that readers see: it is not dropped")
        if not is_stream(self._values):
            for part in self._own_parts(number):
                answered(self._opened(), "DELETE", path(part.index))
        answered(self._opened(), "DELETE", path(state.index))

    def close(self) -> None:
        if self._expectation is not None:
            self._expectation.close()
            self._expectation = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> Client:
        if self._client is None:
            self._client = open_client(self._values)
        return self._client

    def _state(self) -> ViewState:
        return ViewState(self._opened(), self._values, self._view)

    def _generation(self, number: int) -> GenerationState | None:
        return next((state for state in self._state().list() if state.number == number), None)

    def _own_parts(self, number: int) -> Iterator[Part]:
        """Those whose index is there and is this view's: under a part's name another tool may have made one first."""
        for part in self._state().generation(number).parts().values():
            if meta_of(self._opened(), part.index).get("view") == self._view:
                yield part

    def _live(self) -> dict[str, Part]:
        current = next((state for state in self._state().list() if state.current), None)
        return {} if current is None else self._state().generation(current.number).parts()

    def _sizes(self, parts: Iterable[Part]) -> tuple[int | None, int | None]:
        """Documents and bytes, of the primaries; as of the last refresh."""
        rows = size = 0
        params = {"ignore_unavailable": "true", "expand_wildcards": "all"}
        for some in requests_of(part.index for part in parts):
            try:
                answer: Mapping[str, Any] = answered(self._opened(), "GET", some, params=params) or {}
            except Retriable:
                return None, None
            primaries = answer.get("_all", {}).get("primaries", {})
            rows += primaries.get("docs", {}).get("count", 0)
            size += primaries.get("store", {}).get("size_in_bytes", 0)
        return rows, size


def requests_of(indices: Iterable[str]) -> Iterator[str]:
    """Paths that ask for the sizes of these indices: several, where one would be longer than the server takes."""
    some: list[str] = []
    for index in indices:
        if some and len(sizes_path([*some, index])) > LONGEST_PATH:
            yield sizes_path(some)
            some = []
        some.append(index)
    if some:
        yield sizes_path(some)


def sizes_path(indices: Iterable[str]) -> str:
    return path(",".join(indices), "_stats", "docs,store")
