from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.source import pgoutput
from headwater.connectors.postgres.source.pgoutput import UNCHANGED
from headwater.worker.api import Fatal

from . import pgoutput_messages as build

oids = st.integers(0, 2**32 - 1)
lsns = st.integers(0, 2**64 - 1)
times = st.integers(0, 2**62)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
rows = st.lists(st.none() | st.just(UNCHANGED) | st.binary(max_size=40), max_size=8)
kinds = st.sampled_from(["K", "O"])
columns = st.tuples(st.integers(0, 1), names, oids, st.integers(-1, 2**31 - 1))

MESSAGES = [
    (st.tuples(lsns, times, oids), build.begin, pgoutput.Begin),
    (st.tuples(lsns, lsns, times), build.commit, pgoutput.Commit),
    (st.tuples(lsns, names), build.origin, pgoutput.Origin),
    (st.tuples(oids, names, names), build.type_message, pgoutput.TypeMessage),
    (st.tuples(oids, rows), build.insert, pgoutput.Insert),
    (st.tuples(oids, rows, kinds, rows), build.update, pgoutput.Update),
    (st.tuples(oids, st.none(), st.none(), rows), build.update, pgoutput.Update),
    (st.tuples(oids, rows, kinds), build.delete, pgoutput.Delete),
    (st.tuples(st.lists(oids).map(tuple), st.booleans(), st.booleans()), build.truncate, pgoutput.Truncate),
    (st.tuples(st.booleans(), lsns, names, st.binary()), build.logical_message, pgoutput.LogicalMessage),
]


@given(st.data(), st.sampled_from(MESSAGES))
def test_every_message_is_read_as_it_was_built(data: st.DataObject, message: tuple[Any, ...]) -> None:
    strategy, builder, kind = message
    arguments = data.draw(strategy)
    built = builder(*arguments)
    assert pgoutput.parse(built) == kind(*arguments)
    assert pgoutput.parse(memoryview(built)) == kind(*arguments)


@given(oids, names, names, st.sampled_from("dnfi"), st.lists(columns, max_size=5))
def test_relation(oid: int, schema: str, name: str, identity: str, described: list[tuple[int, str, int, int]]) -> None:
    parsed = pgoutput.parse(build.relation(oid, schema, name, identity, described))
    expected = tuple(pgoutput.RelationColumn(bool(column[0]), *column[1:]) for column in described)
    assert parsed == pgoutput.Relation(oid, schema, name, identity, expected)


def test_an_empty_schema_name_means_pg_catalog() -> None:
    parsed = pgoutput.parse(build.relation(1, "", "t", "d", []))
    assert isinstance(parsed, pgoutput.Relation) and parsed.schema == "pg_catalog"


@given(st.data(), st.sampled_from(MESSAGES))
def test_a_message_cut_short_or_too_long_is_fatal(data: st.DataObject, message: tuple[Any, ...]) -> None:
    strategy, builder, _ = message
    built = builder(*data.draw(strategy))
    cut = data.draw(st.integers(0, len(built) - 1))
    with pytest.raises(Fatal):
        pgoutput.parse(built[:cut])
    with pytest.raises(Fatal):
        pgoutput.parse(built + b"\0")


@given(st.sampled_from(b"BCORYIUDTMSc"), st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_fatal(kind: int, rest: bytes) -> None:
    with contextlib.suppress(Fatal):
        pgoutput.parse(bytes([kind]) + rest)


def test_the_error_names_the_kind_and_the_place() -> None:
    with pytest.raises(Fatal, match=r"unknown kind b'S' at 16/B374D848"):
        pgoutput.parse(b"S", lsn=0x16B374D848)
    with pytest.raises(Fatal, match=r"malformed message of kind b'I' at 0/1"):
        pgoutput.parse(b"I\0\0\0\1X", lsn=1)
