from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import BUCKETS, ExpectedRow, Fingerprint, bucket
from headwater.worker.rebuild.fold import Fold


def histories(versions: st.SearchStrategy[int | None]) -> st.SearchStrategy[list[ExpectedRow]]:
    row = st.builds(
        ExpectedRow,
        part=st.sampled_from(["a", "b"]),
        key=st.sampled_from([b"1", b"2", b"3", b"4", b"5", b""]),
        digest=st.none() | st.integers(0, 2**128 - 1),
        version=versions,
        filled=st.booleans(),
        first=st.booleans(),
    )
    return st.lists(row.map(lambda r: r._replace(first=r.first and r.digest is not None)), max_size=40)


def newest(rows: list[ExpectedRow]) -> dict[tuple[str, bytes], ExpectedRow]:
    """The model: for each key the last of the rows with the highest version, those marked `first` only where there is
    none; key b"" empties a part, also of what is older and comes later."""
    state: dict[tuple[str, bytes], ExpectedRow] = {}
    emptied: dict[str, int] = {}
    for row in rows:
        if row.key == b"" and row.digest is None:
            emptied[row.part] = max(emptied.get(row.part, 0), row.version or 0)
            for place, held in list(state.items()):
                if place[0] == row.part and (held.version or 0) <= (row.version or 0):
                    state[place] = held._replace(digest=None, version=row.version)
            continue
        if (row.version or 0) < emptied.get(row.part, 0):
            continue
        held = state.get((row.part, row.key))
        if row.first and held is not None and held.digest is not None:
            continue
        if held is None or (row.version or 0) >= (held.version or 0):
            state[row.part, row.key] = row
    return {place: row for place, row in state.items() if row.digest is not None}


@given(histories(st.integers(0, 5)) | histories(st.none()), st.sampled_from([1, 3, 1000]))
def test_the_newest_version_of_each_key_in_memory_and_in_the_file(rows: list[ExpectedRow], in_memory: int) -> None:
    fold = Fold(in_memory)
    try:
        fold.add(rows)
        rows_there = newest(rows)
        expected = {place: row.digest for place, row in rows_there.items() if row.digest is not None}
        assert fold.unfilled == {place for place, row in rows_there.items() if not row.filled}
        found = {(part, key): digest for part in "ab" for key, digest in fold.rows(part, range(BUCKETS))}
        assert found == expected
        prints = fold.fingerprint()
        for part in "ab":
            total = Fingerprint()
            for (place, _), digest in expected.items():
                if place == part:
                    total.add(digest)
            held = prints.get(part, [])
            assert sum(f.rows for f in held) == total.rows
            assert sum(f.checksum for f in held) % 2**128 == total.checksum
            assert all(f.rows == 0 or n in {bucket(k) for p, k in expected if p == part} for n, f in enumerate(held))
    finally:
        fold.close()


def test_without_versions_the_last_one_counts() -> None:
    fold = Fold(1)
    fold.add(
        [
            ExpectedRow("t", b"1", 10),
            ExpectedRow("t", b"2", 20),
            ExpectedRow("t", b"1", None),
            ExpectedRow("t", b"3", 3),
        ]
    )
    assert dict(fold.rows("t", range(BUCKETS))) == {b"2": 20, b"3": 3}
    fold.close()


def test_rows_that_are_not_filled_are_known() -> None:
    fold = Fold(1)
    fold.add(ExpectedRow("t", b"%d" % n, n, version, filled) for n, version, filled in (
        (1, 5, False), (2, 5, False), (2, 6, True), (3, 5, True), (3, 6, False), (4, 5, True),
    ))  # fmt: skip
    assert fold.unfilled == {("t", b"1"), ("t", b"3")}
    fold.close()


def test_its_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it is open, so that a process that is killed leaves none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fold = Fold(1)
    fold.add([ExpectedRow("t", bytes([n]), n) for n in range(10)])
    assert not list(tmp_path.iterdir())
    assert dict(fold.rows("t", range(BUCKETS))) == {bytes([n]): n for n in range(10)}
    fold.close()
