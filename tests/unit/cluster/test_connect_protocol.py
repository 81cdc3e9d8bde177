"""Bytes as Kafka Connect's workers write them, made by hand from the schemas in ConnectProtocol (Kafka 4.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.cluster.connect_protocol import (
    CONFIG_MISMATCH,
    Assignment,
    MemberState,
    ProtocolError,
    assignment_bytes,
    read_assignment,
    read_state,
    state_bytes,
)
from headwater.worker.cluster.membership import CONNECTOR, Item

URL = b"\x00\x0ehttp://a:8083/"
OFFSET_7 = b"\x00\x00\x00\x00\x00\x00\x00\x07"
NONE = b"\x00\x00\x00\x00"
CONN_WITH_2_TASKS = (
    b"\x00\x00\x00\x01"  # one connector
    b"\x00\x04conn"
    b"\x00\x00\x00\x03"  # three numbers
    b"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01"
)
ITEMS = frozenset({Item("conn", CONNECTOR), Item("conn", 0), Item("conn", 1)})
HEAD = b"\x00\x00" + b"\x00\x02m1" + URL + OFFSET_7
"""No error, leader, its URL, offset."""
ASSIGNMENT = Assignment("m1", "http://a:8083/", 7, ITEMS)


def test_an_assignment_under_the_eager_protocol() -> None:
    data = b"\x00\x00" + HEAD + CONN_WITH_2_TASKS
    assert assignment_bytes(ASSIGNMENT, 0) == data
    assert read_assignment(data) == ASSIGNMENT


@pytest.mark.parametrize("version", [1, 2])
def test_an_assignment_under_the_cooperative_protocols(version: int) -> None:
    revoking = Assignment("m1", "http://a:8083/", 7, frozenset(), ITEMS, 300_000)
    data = bytes((0, version)) + HEAD + NONE + CONN_WITH_2_TASKS + b"\x00\x04\x93\xe0"
    assert assignment_bytes(revoking, version) == data
    assert read_assignment(data) == revoking


def test_a_failed_round() -> None:
    data = b"\x00\x02\x00\x01\x00\x02m1" + URL + OFFSET_7 + NONE + NONE + NONE
    failed = Assignment("m1", "http://a:8083/", 7, error=CONFIG_MISMATCH)
    assert assignment_bytes(failed, 2) == data
    assert read_assignment(data) == failed


def test_a_members_state() -> None:
    assert state_bytes(MemberState("http://a:8083/", 7), 0) == b"\x00\x00" + URL + OFFSET_7
    assert state_bytes(MemberState("http://a:8083/", 7), 1) == b"\x00\x01" + URL + OFFSET_7 + b"\xff\xff\xff\xff"
    inner = b"\x00\x02" + HEAD + CONN_WITH_2_TASKS + NONE + NONE
    data = b"\x00\x02" + URL + OFFSET_7 + len(inner).to_bytes(4, "big") + inner
    assert state_bytes(MemberState("http://a:8083/", 7, ASSIGNMENT), 2) == data
    assert read_state(data) == MemberState("http://a:8083/", 7, ASSIGNMENT)
    assert read_state(data).items == ITEMS


def test_what_is_missing_at_the_end_has_its_default() -> None:
    """Java's schemas of versions 1 and 2 tolerate missing fields."""
    begin = b"\x00\x01" + HEAD
    assert read_assignment(begin) == Assignment("m1", "http://a:8083/", 7)
    assert read_assignment(begin + b"\xff\xff\xff\xff" * 2) == Assignment("m1", "http://a:8083/", 7)
    assert read_assignment(begin + CONN_WITH_2_TASKS) == ASSIGNMENT
    assert read_state(b"\x00\x01" + URL + OFFSET_7) == MemberState("http://a:8083/", 7)


def test_later_versions_are_read_as_far_as_they_are_known() -> None:
    assert read_assignment(b"\x00\x09" + HEAD + CONN_WITH_2_TASKS + NONE + NONE + b"more") == ASSIGNMENT


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "ends after 0 bytes"),
        (b"\xff\xff" + HEAD, "version -1"),
        (b"\x00\x02" + HEAD[:10], "length of 14 where 2 bytes"),
        (b"\x00\x00" + HEAD, "ends after"),
        (b"\x00\x00" + HEAD + b"\xff\xff\xff\xff", "length of -1"),
        (b"\x00\x02" + HEAD + b"\x7f\xff\xff\xff", "length of 2147483647"),
        (b"\x00\x02" + HEAD + CONN_WITH_2_TASKS[:-1], "length of 3"),
        (b"\x00\x02\x00\x00\x00\x02\xff\xfe" + URL + OFFSET_7, "not UTF-8"),
    ],
)
def test_what_is_not_connects_is_told(data: bytes, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        read_assignment(data)


def test_a_name_that_is_too_long_is_told() -> None:
    with pytest.raises(ProtocolError, match="40000 bytes"):
        assignment_bytes(Assignment("m", "u", 0, frozenset({Item("x" * 40_000, 0)})), 2)


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
items = st.frozensets(st.builds(Item, names, st.integers(-1, 2**31 - 1)), max_size=12)
assignments = st.builds(
    Assignment, names, names, st.integers(-1, 2**63 - 1), items, items, st.integers(0, 2**31 - 1), st.integers(0, 1)
)


@given(assignments, st.sampled_from([1, 2]))
def test_what_is_written_is_read(assignment: Assignment, version: int) -> None:
    assert read_assignment(assignment_bytes(assignment, version)) == assignment
    state = MemberState(assignment.leader_url, assignment.config_offset, assignment)
    assert read_state(state_bytes(state, version)) == state


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x00\x00", b"\x00\x01", b"\x00\x02" + HEAD]))
def test_nothing_but_its_own_error_comes_out_of_a_reader(data: bytes, begin: bytes) -> None:
    for read in (read_assignment, read_state):
        try:
            read(begin + data)
        except ProtocolError:
            continue
