"""The newest record of each key, against a model in memory."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.kafka.source.newest import Newest
from headwater.worker.api import TopicPartition

PLACE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)
RECORDS = st.lists(
    st.tuples(st.none() | st.sampled_from([b"", b"a", b"b", b"c" * 50]), st.none() | st.integers(0, 4), st.booleans()),
    max_size=40,
)


@given(RECORDS, st.integers(0, 40))
def test_the_highest_version_counts_and_of_equal_ones_the_last(
    records: list[tuple[bytes | None, int | None, bool]], first: int
) -> None:
    best: dict[bytes, tuple[int, int, bool]] = {}
    wanted = []
    with closing(Newest()) as newest:
        for offset, (key, version, gone) in enumerate(records):
            newest.add(PLACE, key, version, offset, gone)
            newest.add(OTHER, b"elsewhere", None, offset, False)
            if key is None:
                wanted += [] if gone else [offset]
            elif key not in best or (-1 if version is None else version) >= best[key][0]:
                best[key] = (-1 if version is None else version, offset, gone)
        wanted += [offset for _, offset, gone in best.values() if not gone]
        assert list(newest.offsets(PLACE, first)) == sorted(n for n in wanted if n >= first)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the process: the file has no name, and is there all the same."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    newest = Newest()
    for n in range(30_000):
        newest.add(PLACE, b"%d" % n, None, n, False)
    assert list(newest.offsets(PLACE, 29_990)) == list(range(29_990, 30_000))
    assert not list(tmp_path.iterdir())
    newest.close()
    newest.close()
