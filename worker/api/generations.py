"""What a view must be able to do so that Headwater can rebuild it: build beside, compare, swap, go back.

A *generation* is one physical build of a view (tables, indices, data sets), numbered from 1, with a config of its own.
The target holds the truth: which generations exist, which one readers see, and the offsets of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .connector import Finding
from .fingerprint import Fingerprint
from .options import Values
from .record import Partition, Position, Record, TopicPartition


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """One generation as the target knows it. `parts`: what it is made of, e.g. tables.

    `rows` and `size_bytes` may be estimates.
    """

    number: int
    current: bool
    complete: bool
    """False while it is being built."""
    created_ms: int
    parts: tuple[str, ...] = ()
    rows: int | None = None
    size_bytes: int | None = None


class ExpectedRow(NamedTuple):
    """What one record makes of one row of the view. `digest` None: the row is gone; `key` is canonical.

    `key` b"" and `digest` None: every row of the part is gone (a truncate). `filled` False: the record leaves out a
    value (an unchanged large one) that no earlier record has brought either; the digest is of what is known.
    `first`: the record counts only where the row is not there, for views that refuse a key that they have;
    never with `digest` None.
    """

    part: str
    key: bytes
    digest: int | None
    version: int | None = None
    filled: bool = True
    first: bool = False


class Reader(Protocol):
    """A view held still: reads see exactly the log up to `offsets`.

    A reader may have a further attribute, `refused`: a collection of (topic, partition, offset) of the records that the
    target refused one by one and that were skipped (`TaskContext.report_bad_record`). The view need not have them.
    """

    offsets: Mapping[TopicPartition, int]

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        """For each part, BUCKETS fingerprints by `bucket(key)` over the digests of its rows."""
        ...

    def rows(self, part: str, buckets: Sequence[int]) -> Iterator[tuple[bytes, int, str]]:
        """Canonical key, digest and a readable form of each row of these buckets."""
        ...

    def close(self) -> None: ...


class Generations(Protocol):
    """All generations of one view. Each method may be called again after a crash and then finishes the work."""

    every_record: bool
    """Does the view hold a row for each record, rather than for each key? A compacted log is then not enough."""

    def list(self) -> list[GenerationInfo]: ...

    def preflight(self, samples: Mapping[str, Record]) -> Sequence[Finding]:
        """Can a new generation be made and swapped in? Permissions, space, dependents (carried over or blocking).

        `samples`: the newest record of each topic after the transforms; its value is not None.
        """
        ...

    def create(self, number: int, samples: Mapping[str, Record]) -> None:
        """Make an empty generation in bulk-load shape. Partial remains of the same number are finished or replaced."""
        ...

    def offsets(self, number: int) -> dict[TopicPartition, int]:
        """Next offset durable in this generation, by partition; empty where nothing was written."""
        ...

    def finish_load(self, number: int) -> None:
        """Leave the bulk-load shape: indexes, statistics. The generation's tasks may be running."""
        ...

    def pin(self, number: int) -> Reader: ...

    def expect(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        """What these records, after the transforms, should make of the view: computed without writing."""
        ...

    def compare_source(self, number: int) -> Sequence[Finding]:
        """Extra checks of the view's own, e.g. constraints that could not be carried over. Usually empty."""
        ...

    def promote(self, number: int, instead_of: int | None) -> None:
        """Let readers see generation `number`, atomically; `instead_of` is the one they must see now (else `Fatal`)."""
        ...

    def drop(self, number: int) -> None:
        """Remove a generation that is not current, whole or half made. Nothing of it stays behind."""
        ...

    def close(self) -> None: ...


class HoldsRowsOfOthers(Protocol):
    """Generations of a connector that can also write into what it has not made."""

    rows_of_others: str
    """Why the view may be neither replaced nor dropped; "" where all of it is its own."""


@dataclass(slots=True)
class SourceRows:
    """Rows read from a source at one exact point, for `verify --source`."""

    version: int
    """Every change whose version is at or below this one is in `records`, none above."""
    records: Iterable[Record] = field(default_factory=tuple)


class HasSourceRows(Protocol):
    """A source connector whose database can be read again for `verify --source`."""

    def source_rows(
        self,
        values: Mapping[str, object],
        topics: Sequence[str],
        positions: Sequence[tuple[Partition, Position]] = (),
    ) -> SourceRows:
        """An exact snapshot of what lies behind `topics` (none given: behind all of the connector's), as the very
        records that a snapshot would write. `positions`: all that the connector has stored, e.g. for its epoch."""
        ...


class HasPreview(Protocol):
    """A source connector that can show what its records look like without leaving a trace at the source."""

    def preview(self, values: Values) -> Iterator[Record]:
        """As many records as are asked of it, a few of each kind first. Close the iterator to release the source."""
        ...
