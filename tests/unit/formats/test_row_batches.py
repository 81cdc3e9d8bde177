"""Rows as batches: what is bad is told before anything that follows it is read, and told once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.connectors.formats import START, BadRow, KeyFields, Place, Row, RowBatches, Unreadable
from headwater.worker.api import DataError, Record, Type, primitive, struct


def rows(*values: object) -> Iterator[Row | BadRow]:
    for line, value in enumerate(values, 1):
        place = Place(line * 10, line)
        if isinstance(value, Exception):
            raise value
        yield BadRow(b"?", "is bad", line, place) if value == "bad" else Row(value, None, line, place, 10)


def to_record(row: Row) -> Record | None:
    if row.value == "odd":
        raise DataError("is odd")
    return None if row.value == "nothing" else Record("t", None, row.value)


class Batches(RowBatches):
    def __init__(self, *values: object, most: int = 10, tolerant: bool = True) -> None:
        self.told: list[tuple[str, int]] = []
        self.tolerant = tolerant
        super().__init__(rows(*values), START, to_record, self.tell, most)

    def tell(self, bad: BadRow | Unreadable, line: int) -> None:
        self.told.append((bad.reason if isinstance(bad, BadRow) else str(bad), line))
        if not self.tolerant:
            raise DataError("not tolerated")

    def all(self) -> list[list[object]]:
        found = []
        while not self.ended:
            found.append([record.value for record in self.next()])
        return found


def test_batches_and_places() -> None:
    batches = Batches(1, 2, 3, most=2)
    assert [record.value for record in batches.next()] == [1, 2]
    assert (batches.place, batches.ended) == (Place(20, 2), False)
    assert [record.value for record in batches.next()] == [3]
    assert (batches.place, batches.ended) == (Place(30, 3), True)


def test_what_is_bad_ends_a_batch() -> None:
    batches = Batches(1, "bad", 2, "odd", 3)
    assert batches.all() == [[1], [2], [3]]
    assert batches.told == [("is bad", 2), ("is odd", 4)]
    assert batches.place == Place(50, 5)


def test_many_bad_rows_do_not_keep_the_caller_waiting() -> None:
    batches = Batches(*["bad"] * 9, 1, most=4)
    seen = []
    while not batches.ended:
        values = [record.value for record in batches.next()]
        seen.append((values, len(batches.told), batches.place.line))
    assert seen == [([], 4, 4), ([], 8, 8), ([1], 9, 10)]


def test_rows_without_a_record_move_on() -> None:
    batches = Batches("nothing", "nothing", 1, most=2)
    assert batches.next() == [] and batches.place == Place(20, 2) and not batches.ended
    assert [record.value for record in batches.next()] == [1]


def test_what_follows_an_unreadable_place_is_left_out() -> None:
    batches = Batches(1, Unreadable("is damaged"))
    assert batches.all() == [[1], []]
    assert batches.told == [("is damaged", 2)]
    assert batches.place == Place(10, 1)


def test_what_is_not_tolerated_is_raised_with_nothing_lost() -> None:
    batches = Batches(1, "bad", 2, tolerant=False)
    assert [record.value for record in batches.next()] == [1]
    with pytest.raises(DataError):
        batches.next()
    assert batches.place == Place(10, 1)


def test_keys_of_fields() -> None:
    schema = struct({"id": primitive(Type.INT32, True), "name": primitive(Type.STRING, True)})
    key, key_schema = KeyFields(["id"]).of({"id": 1, "name": None}, schema)
    assert (key, key_schema) == ({"id": 1}, struct({"id": primitive(Type.INT32)}))
    assert KeyFields(["id"]).of({"id": 1}, None) == ({"id": 1}, None)
    assert KeyFields([]).of({"id": 1}, schema) == (None, None)
    for value in ({"id": None}, {}, "text"):
        with pytest.raises(DataError, match="has no value in id"):
            KeyFields(["id"]).of(value, schema)
