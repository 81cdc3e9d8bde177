"""Holds what lies in the topics against what the application has committed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .numbered_writer import Change
from .reading import Raw, Written, written

Place = tuple[int, int]


def place_of(offset: Mapping[str, Any]) -> Place:
    """Of a stored offset: everything at or before it counts as written."""
    return int(offset.get("lsn_commit", 0)), int(offset["lsn_proc"])


def nothing_lost(records: Sequence[Raw], committed: Sequence[Change]) -> None:
    found = {w.change for w in map(written, records)}
    lost = [change for change in committed if change not in found]
    assert not lost, f"{len(lost)} of {len(committed)} changes are missing: {lost[:5]}"
    made_up = {change for change in found if change and change.op != "r"} - set(committed)
    assert not made_up, f"{len(made_up)} changes were never committed: {list(made_up)[:5]}"


def in_order(records: Sequence[Raw]) -> None:
    """Every key's changes in the order of their numbers, repetitions left out; each delete with its tombstone."""
    newest: dict[tuple[str, int], int] = {}
    seen: set[tuple[str, Change]] = set()
    deleted: dict[tuple[str, int], int] = {}
    for raw in records:
        record = written(raw)
        place = (raw.topic, record.key)
        if record.change is None:
            assert place in deleted, f"a tombstone without a delete: {raw}"
            deleted.pop(place)
            continue
        if (raw.topic, record.change) in seen:
            continue
        seen.add((raw.topic, record.change))
        assert record.change.seq >= newest.get(place, 0), f"{record.change} comes after {newest[place]}"
        newest[place] = record.change.seq
        if record.change.op == "d":
            deleted[place] = raw.offset
    assert not deleted, f"deletes without a tombstone: {list(deleted)[:5]}"


def repeated(records: Sequence[Raw]) -> dict[Change, list[Written]]:
    """Changes that were written more than once."""
    found: dict[Change, list[Written]] = defaultdict(list)
    for record in map(written, records):
        if record.change is not None:
            found[record.change].append(record)
    return {change: all_of_it for change, all_of_it in found.items() if len(all_of_it) > 1}


def writers(records: Sequence[Raw]) -> Counter[bool]:
    """How many records are Headwater's (True), and Debezium's."""
    return Counter(written(raw).by_headwater for raw in records)
