"""What a stored position says of objects, whatever the number of tasks was."""

from __future__ import annotations

import pytest

from headwater.connectors.formats import Place
from headwater.connectors.s3.source.known import Known, Wanted
from headwater.connectors.s3.source.position import Found, Mark, ObjectPosition, Share, read_position

KEYS = [f"in/{n:03}.json" for n in range(100)]


def found(key: str, modified_ms: int = 1_000, etag: str = "e") -> Found:
    return Found(key, etag, 10, modified_ms)


@pytest.mark.parametrize(
    "position",
    [
        ObjectPosition("lake", "in/a", "etag", 5),
        ObjectPosition("lake", "in/é", "etag-2", 5, Place(7, 8, 9, "shape"), True),
        Mark("lake", "in/", Share(1, 3), 77),
        Mark("lake", "", Share(), 77, "in/b", 99),
    ],
)
def test_they_come_back(position: ObjectPosition | Mark) -> None:
    assert read_position(position.partition, position.stored()) == position


def test_what_is_done_remembers_little() -> None:
    """There is one for each object of a day."""
    begun = ObjectPosition("lake", "in/a.csv", "e", 5).moved_to(Place(70, 8, 0, "[columns]"), done=False)
    assert begun.stored()["shape"] == "[columns]"
    assert "shape" not in begun.moved_to(Place(90, 10, 0, "[columns]"), done=True).stored()


@pytest.mark.parametrize(
    ("partition", "position"),
    [
        ({"bucket": "b", "key": "k"}, {"format": 2, "etag": "e", "modified_ms": 1}),
        ({"bucket": "b", "key": "k"}, {"format": 1, "modified_ms": 1}),
        ({"bucket": "b", "key": "k"}, {"format": 1, "etag": "e", "modified_ms": -1}),
        ({"bucket": "b", "key": 7}, {"format": 1, "etag": "e", "modified_ms": 1}),
        ({"bucket": "b", "prefix": "", "share": "2/2"}, {"format": 1, "before_ms": 1}),
        ({"bucket": "b", "prefix": "", "share": "0/1"}, {"format": 1, "before_ms": True}),
    ],
)
def test_wrong_ones_are_told(partition: dict[str, object], position: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r'"|must'):
        read_position(partition, position)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_object_has_one_task(count: int) -> None:
    for key in KEYS:
        assert sum(Share(index, count).has(key) for index in range(count)) == 1


def test_what_was_in_one_partition_stays_together() -> None:
    names = [f"topics/t/{day}/t+3+{offset:010}.json" for day in ("d1", "d2") for offset in range(0, 900, 100)]
    for count in (2, 3, 7):
        assert sum(all(Share(index, count).has(name) for name in names) for index in range(count)) == 1


def test_a_mark_covers_the_old_ones() -> None:
    mark = Mark("lake", "in/", Share(), before_ms=100, after="in/050.json", sweep_ms=200)
    assert mark.covers("in/060.json", 100) and not mark.covers("in/060.json", 101)
    assert mark.covers("in/050.json", 200) and not mark.covers("in/051.json", 200)
    assert not mark.covers("elsewhere/050.json", 50)


def test_marks_of_other_numbers_of_tasks_hold() -> None:
    stored = [(mark.partition, mark.stored()) for mark in (Mark("lake", "in/", Share(0, 2), 1_000),)]
    known = Known("lake", "in/", Share(0, 3))
    known.load(stored)
    for key in KEYS:
        assert (known.wanted(found(key)) is Wanted.DONE) == Share(0, 2).has(key)
        assert known.wanted(found(key, 1_001)) is Wanted.READ


def test_a_changed_object_is_told_apart() -> None:
    known = Known("lake", "in/", Share())
    known.read(ObjectPosition("lake", "in/a", "one", 5, done=True))
    known.read(ObjectPosition("lake", "in/b", "one", 5))
    assert known.wanted(found("in/a", etag="one")) is Wanted.DONE
    assert known.wanted(found("in/a", etag="two")) is Wanted.CHANGED
    assert known.wanted(found("in/b", etag="one")) is Wanted.READ
    assert known.wanted(found("in/b", etag="two")) is Wanted.CHANGED


def test_positions_of_other_buckets_are_left_alone() -> None:
    known = Known("lake", "in/", Share())
    known.load([({"inode": 7}, {"format": 9}), ({"bucket": "sea", "key": "in/a"}, {"format": 9})])
    assert len(known) == 0
