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
        if record.change.op == "d":
            deleted[place] = raw.offset
        if (raw.topic, record.change) in seen:
            continue
        seen.add((raw.topic, record.change))
        assert record.change.seq >= newest.get(place, 0), f"{record.change} comes after {newest[place]}"
        newest[place] = record.change.seq
    assert not deleted, f"deletes without a tombstone: {list(deleted)[:5]}"


def repeated(records: Sequence[Raw]) -> dict[Change, list[Written]]:
    """Changes that were written more than once."""
    found: dict[Change, list[Written]] = defaultdict(list)
    for record in map(written, records):
        if record.change is not None:
            found[record.change].append(record)
    return {change: all_of_it for change, all_of_it in found.items() if len(all_of_it) > 1}


def one_place_with_the_commit_before(found: Sequence[Written]) -> bool:
    """The first change of a transaction may have the very LSN at which the commit before it ends. Stopped right after
    it, Debezium's offset names both by that one LSN, and whoever goes on from it cannot know that it was written."""
    places = {record.place for record in found}
    return len(found) == 2 and len(places) == 1 and all(before == own for before, own in places)


def came_again_with_a_moved_row(found: Sequence[Written], records: Sequence[Raw]) -> bool:
    """Debezium's last message changed a key. That is a delete, a tombstone and a create, and its offset counts all of
    them as soon as the first is written: Headwater writes them once more."""
    places = {record.place for record in found}
    if len(places) != 1 or [record.by_headwater for record in found] != [False, True]:
        return False
    ours = [record for record in map(written, records) if record.by_headwater and record.place in places]
    return {record.change.op for record in ours if record.change} == {"d", "c"}


def came_again_at_the_begin(found: Sequence[Written], records: Sequence[Raw]) -> bool:
    """Debezium stopped between the rows of a transaction's first WAL record, whose LSN the Begin has, too. It leaves
    the Begin out where it counts, counts it where it looks for its place, and so repeats one row, as Headwater does."""
    places = {record.place for record in found}
    if len(places) != 1 or [record.by_headwater for record in found] != [False, True]:
        return False
    before, own = places.pop()
    lsns = sorted(record.place[1] for record in map(written, records) if record.change and record.place[0] == before)
    return lsns[0] == lsns[1] == own


def latest(records: Sequence[Raw]) -> dict[tuple[str, int], int]:
    """The topics folded: number of each row that is there, by topic and key."""
    rows: dict[tuple[str, int], int] = {}
    for raw in records:
        record = written(raw)
        if record.change is None or record.change.op == "d":
            rows.pop((raw.topic, record.key), None)
        else:
            rows[raw.topic, record.key] = record.change.seq
    return rows


def writers(records: Sequence[Raw]) -> Counter[bool]:
    """How many records are Headwater's (True), and Debezium's."""
    return Counter(written(raw).by_headwater for raw in records)


def repeated_only_what_debezium_would(records: Sequence[Raw], offsets: Sequence[Mapping[str, Any]]) -> None:
    """`offsets`: what Debezium's runs had stored when they were killed. Each had written more, and Debezium would
    write that again; so may Headwater, once."""
    all_of_it = [record for record in map(written, records) if record.change]
    twice: set[Change] = set()
    for change, found in repeated(records).items():
        if [record.by_headwater for record in found] == [False, True]:
            twice.add(change)
        else:
            assert one_place_with_the_commit_before(found), f"{change}: {found}"
    runs: dict[str, list[Written]] = defaultdict(list)
    for record in sorted(all_of_it, key=lambda record: record.place):
        runs[record.run].append(record)
    runs.pop("")
    assert len(runs) == len(offsets), {run: len(records) for run, records in runs.items()}
    for run, offset in zip(runs.values(), offsets, strict=True):
        end = place_of(offset)
        stored = {record.change for record in run if record.place < end}
        assert not stored & twice, f"stored at {end}, and written again: {list(stored & twice)[:5]}"
        at_the_end = {record.change for record in run if record.place == end}
        moved = any(change.op == "d" for change in at_the_end & twice)  # a row got another key, and comes again
        again = [c for c in at_the_end & twice if came_again_at_the_begin(repeated(records)[c], records)][:1]
        assert moved or len(at_the_end - twice) + len(again) >= int(offset.get("lsn_events_processed", 0))
