"""What is compared of a view where the log has lost records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import pytest

from headwater.worker.api import BUCKETS, ExpectedRow, Fingerprint, TopicPartition, bucket
from headwater.worker.rebuild.comparison import compare
from headwater.worker.rebuild.fold import Fold


class Rows:
    """A view that holds these rows: key and digest."""

    offsets: Mapping[TopicPartition, int] = {}

    def __init__(self, rows: Mapping[bytes, int]) -> None:
        self._rows = rows

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        found = [Fingerprint() for _ in range(BUCKETS)]
        for key, digest in self._rows.items():
            found[bucket(key)].add(digest)
        return {"t": found}

    def rows(self, part: str, buckets: Sequence[int]) -> Iterator[tuple[bytes, int, str]]:
        return ((key, digest, "") for key, digest in self._rows.items() if bucket(key) in buckets)

    def close(self) -> None:
        return None


@pytest.mark.parametrize(
    ("first", "forgotten", "differences", "unsettled"),
    [(True, True, 1, 2), (True, False, 3, 0), (False, True, 2, 1), (False, False, 3, 0)],
)
def test_of_a_view_of_first_records(first: bool, forgotten: bool, differences: int, unsettled: int) -> None:
    """The view has its row from the first record; only a later one of the key is left on the log, or none at all. A row
    that the log tells of and the view has not is missing in any case."""
    with closing(Fold()) as fold:
        fold.add(ExpectedRow("t", key, digest, first=first) for key, digest in ((b"a", 2), (b"b", 5), (b"c", 7)))
        result = compare(fold, Rows({b"a": 1, b"b": 5, b"d": 9}), frozenset, forgotten=forgotten)
    assert (result.differences, result.unsettled) == (differences, unsettled)
