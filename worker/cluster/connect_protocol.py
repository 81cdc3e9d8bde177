"""What Kafka Connect's workers write into Kafka's group protocol: each member's state, and the leader's assignment.

Version 0 (protocol `default`, connect.protocol=eager), 1 (`compatible`) and 2 (`sessioned`; the bytes are those of 1).
Source: ConnectProtocol, IncrementalCooperativeConnectProtocol and ExtendedAssignment of Apache Kafka 4.3, KIP-415 and
KIP-507. Numbers are big-endian; STRING is an int16 length and UTF-8, ARRAY an int32 count, BYTES an int32 length:

    State      version int16, url STRING, config offset int64, from version 1 on: assignment BYTES or null (-1)
    Assignment version int16, error int16, leader STRING, leader url STRING, config offset int64, assigned ITEMS,
               from version 1 on: revoked ITEMS, delay int32 (ms)
    ITEMS      ARRAY of (connector STRING, tasks ARRAY of int32); task -1 is the connector itself

As in Java, fields missing at the end of version 1 and 2 have their defaults, and what follows the last one is ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from headwater.worker.api import HeadwaterError

from .membership import Item

__all__ = [
    "CONFIG_MISMATCH",
    "NO_ERROR",
    "VERSIONS",
    "Assignment",
    "MemberState",
    "ProtocolError",
    "assignment_bytes",
    "read_assignment",
    "read_state",
    "state_bytes",
]

NO_ERROR: Final = 0
CONFIG_MISMATCH: Final = 1
"""The leader has not read the config topic as far as another member: read on, then join again."""

VERSIONS: Final[Mapping[str, int]] = {"sessioned": 2, "compatible": 1, "default": 0}
"""By the protocol's name in the group; the most preferred first."""

_LONGEST: Final = 0x7FFF


class ProtocolError(HeadwaterError):
    """A member or the leader has sent something that is not Kafka Connect's."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """From the leader to one member; from version 1 on `assigned` comes on top of what the member has."""

    leader: str
    leader_url: str
    config_offset: int
    assigned: frozenset[Item] = frozenset()
    revoked: frozenset[Item] = frozenset()
    delay_ms: int = 0
    error: int = NO_ERROR


@dataclass(frozen=True, slots=True)
class MemberState:
    """From one member to the leader. `assignment`: what it has now; None: nothing."""

    url: str
    config_offset: int
    assignment: Assignment | None = None

    @property
    def items(self) -> frozenset[Item]:
        return frozenset() if self.assignment is None else self.assignment.assigned


def state_bytes(state: MemberState, version: int) -> bytes:
    """Raises `ProtocolError` where a name or URL is too long."""
    begin = struct.pack(">h", version) + _string(state.url) + struct.pack(">q", state.config_offset)
    if version == 0:
        return begin
    if state.assignment is None:
        return begin + struct.pack(">i", -1)
    inner = assignment_bytes(state.assignment, version)
    return begin + struct.pack(">i", len(inner)) + inner


def assignment_bytes(assignment: Assignment, version: int) -> bytes:
    """Raises `ProtocolError` where a name or URL is too long."""
    parts = [
        struct.pack(">hh", version, assignment.error),
        _string(assignment.leader),
        _string(assignment.leader_url),
        struct.pack(">q", assignment.config_offset),
        _items(assignment.assigned),
    ]
    if version > 0:
        parts += [_items(assignment.revoked), struct.pack(">i", assignment.delay_ms)]
    return b"".join(parts)


def read_state(data: bytes) -> MemberState:
    """Raises `ProtocolError`."""
    reader = _Reader(data, "a member's state")
    version = reader.version()
    url, offset = reader.string(), reader.number("q")
    inner = reader.bytes_or_null() if version > 0 and reader.left else None
    return MemberState(url, offset, None if inner is None else read_assignment(inner))


def read_assignment(data: bytes) -> Assignment:
    """Raises `ProtocolError`."""
    reader = _Reader(data, "an assignment")
    version = reader.version()
    error = reader.number("h")
    leader, leader_url, offset = reader.string(), reader.string(), reader.number("q")
    if version == 0:
        return Assignment(leader, leader_url, offset, reader.items(), error=error)
    assigned = reader.items(nullable=True) if reader.left else frozenset()
    revoked = reader.items(nullable=True) if reader.left else frozenset()
    delay_ms = reader.number("i") if reader.left else 0
    return Assignment(leader, leader_url, offset, assigned, revoked, delay_ms, error)


def _string(text: str) -> bytes:
    data = text.encode()
    if len(data) > _LONGEST:
        raise ProtocolError(f"{text[:40]!r}… is {len(data)} bytes long; Kafka Connect's protocol takes {_LONGEST}")
    return struct.pack(">h", len(data)) + data


def _items(items: Iterable[Item]) -> bytes:
    tasks: dict[str, list[int]] = {}
    for connector, task in sorted(items):
        tasks.setdefault(connector, []).append(task)
    parts = [struct.pack(">i", len(tasks))]
    for connector, numbers in tasks.items():
        parts += [_string(connector), struct.pack(f">i{len(numbers)}i", len(numbers), *numbers)]
    return b"".join(parts)


class _Reader:
    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._position, self._what = bytes(data), 0, what

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def _take(self, count: int) -> bytes:
        if count > self.left:
            raise ProtocolError(
                f"{self._what} in the workers' group ends after {len(self._data)} bytes, in the middle of a field"
            )
        self._position += count
        return self._data[self._position - count : self._position]

    def number(self, kind: str) -> int:
        value: int
        (value,) = struct.unpack(f">{kind}", self._take(struct.calcsize(f">{kind}")))
        return value

    def version(self) -> int:
        """Later ones than are known begin with the same fields."""
        version = self.number("h")
        if version < 0:
            raise ProtocolError(f"{self._what} in the workers' group is of version {version}, which Connect never had")
        return version

    def _count(self, kind: str, nullable: bool, least: int) -> int:
        """`least`: bytes that each one takes, so that a wrong count ends here and not in endless memory."""
        count = self.number(kind)
        if count == -1 and nullable:
            return count
        if count < 0 or count * least > self.left:
            raise ProtocolError(
                f"{self._what} in the workers' group tells of a length of {count} where {self.left} bytes are left"
            )
        return count

    def string(self) -> str:
        data = self._take(self._count("h", nullable=False, least=1))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"{self._what} in the workers' group holds text that is not UTF-8: {error}") from error

    def bytes_or_null(self) -> bytes | None:
        count = self._count("i", nullable=True, least=1)
        return None if count < 0 else self._take(count)

    def items(self, nullable: bool = False) -> frozenset[Item]:
        found: set[Item] = set()
        for _ in range(self._count("i", nullable, least=6)):
            connector = self.string()
            found.update(Item(connector, self.number("i")) for _ in range(self._count("i", False, least=4)))
        return frozenset(found)
