"""One transaction of the stream: which of its messages are on the log already, and where it stands.

Several messages may share the LSN of one WAL record, and Debezium's offset counts them: the rows of a COPY. Where that
is the transaction's first record, the Begin has its LSN, too. It is counted here, as Debezium does when it looks for
its place; the offsets that it writes leave the Begin out, so that it repeats a row, and so does who goes on from them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from .debezium_offset import LastMessage
from .pgoutput import Begin, Delete, Insert, Truncate, Update
from .position import StreamPosition

OPERATIONS: Final[dict[type, str]] = {Insert: "c", Update: "u", Delete: "d", Truncate: "t"}
"""The letters of events."""
_NAMES: Final[dict[type, str]] = {Insert: "INSERT", Update: "UPDATE", Delete: "DELETE", Truncate: "TRUNCATE"}
"""Debezium's names of messages."""
_log = logging.getLogger(__name__)


class Transaction:
    """`lsn` of the Begin. `resumed`: where the stream was begun. `truncates`: does Debezium, with the same options,
    look at truncates?"""

    __slots__ = ("_before", "_count", "_kind", "_lsn", "_skip", "_taken", "_truncates", "begin", "event", "origin")

    def __init__(self, begin: Begin, lsn: int, resumed: StreamPosition, truncates: bool) -> None:
        self.begin = begin
        self.event = 0
        """Messages that have come."""
        self.origin: tuple[str | None, int | None] = (None, None)
        self._skip = resumed.event if begin.final_lsn == resumed.commit_lsn else 0
        self._taken = _taken(begin, lsn, resumed)
        self._truncates = truncates
        self._kind: type | None = None
        self._lsn, self._count = lsn, 1
        self._before: tuple[type | None, int, int] = (None, 0, 0)

    def is_new(self, message: Insert | Update | Delete | Truncate, lsn: int) -> bool:
        """Count a message; is it not on the log yet? `lsn` of its WAL record, which several may share."""
        self.event += 1
        kind = type(message)
        if kind is not Truncate or self._truncates:
            self._before = (self._kind, self._lsn, self._count)
            self._count = self._count + 1 if lsn == self._lsn else 1
            self._lsn, self._kind = lsn, kind
        taken = self._taken
        if taken is None:
            return self.event > self._skip
        return lsn > taken.lsn or (lsn == taken.lsn and self._count > taken.count)

    def is_debeziums_last(self) -> bool:
        """Is the message that was counted just now the one that Debezium stopped at?"""
        taken = self._taken
        return taken is not None and (self._lsn, self._count) == (taken.lsn, taken.count)

    @property
    def may_share(self) -> bool:
        """May more rows of the newest message's WAL record follow? Debezium leaves out all of them where it is told
        that one is on the log."""
        return self._kind is Insert and self._count == 1

    def shares(self, lsn: int) -> bool:
        """Is a message at `lsn` of the same WAL record as the newest one?"""
        return lsn == self._lsn

    def last(self) -> LastMessage | None:
        """The newest message; None: there is none that Debezium would know."""
        return self._told(self._kind, self._lsn, self._count)

    def before_last(self) -> LastMessage | None:
        """The message before the newest one."""
        return self._told(*self._before)

    def _told(self, kind: type | None, lsn: int, count: int) -> LastMessage | None:
        return None if kind is None else LastMessage(_NAMES[kind], lsn, count, self.begin.xid)


def _taken(begin: Begin, lsn: int, resumed: StreamPosition) -> LastMessage | None:
    """Where in this very transaction Debezium stopped: the first one that comes, except where it knew no commit."""
    taken = resumed.taken
    if taken is None or begin.final_lsn < resumed.commit_lsn:
        return None
    if taken.xid is not None and begin.xid != taken.xid:
        return None
    first = taken.lsn == lsn and taken.count == 1
    return replace(taken, count=2) if first else taken
