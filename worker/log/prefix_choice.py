"""Which prefixes many keys or values of one partition share, found by looking at a few of them.

JSON with schemas repeats kilobytes at the start of each value; nothing here knows of JSON. What no known prefix makes
short is kept for a look: once there are `_WINDOW` of them, the prefix that saves most over all of them together is
taken, so one that several confirm and not the longest that two happen to share.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_WINDOW: Final = 16
_FEWEST: Final = 3
"""So many must share a prefix before it is worth a row."""

_LONGEST_BYTES: Final = 64 << 10
_KNOWN: Final = 64
_MOST_PAUSE: Final = 15
"""Looks that found nothing are followed by longer and longer pauses, up to this many windows."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`code`: in the file. `long`: bytes (behind a known prefix) from which a better prefix is looked for.
    `gain`: bytes by which it must be better."""

    code: int
    long: int
    gain: int


KEYS: Final = Kind(0, long=64, gain=48)
VALUES: Final = Kind(1, long=512, gain=256)


@dataclass(frozen=True, slots=True)
class Prefix:
    """`id`: in the file; None for the empty prefix."""

    id: int | None
    bytes: bytes


_NONE: Final = Prefix(None, b"")

Register = Callable[["PrefixChoice", bytes], None]
"""Puts a new prefix into the file and calls `add`; or adds what others have registered since; or, full, does nothing"""


class PrefixChoice:
    """What one producer knows of the keys, or the values, of one partition."""

    def __init__(self, kind: Kind) -> None:
        self.newest = 0
        self.held_bytes = 0
        self._kind = kind
        self._known: list[Prefix] = []  # longest first
        self._last = _NONE
        self._window: list[tuple[bytes, int]] = []  # beginnings, and how much of each a known prefix covers
        self._pause = 0
        self._skip = 0

    def add(self, prefix_id: int, prefix: bytes) -> None:
        """A prefix that is in the file. The oldest beyond `_KNOWN` are not used any more."""
        insort(self._known, Prefix(prefix_id, prefix), key=lambda known: -len(known.bytes))
        self.newest = max(self.newest, prefix_id)
        self.held_bytes += len(prefix)
        if len(self._known) > _KNOWN:
            oldest = min(self._known, key=lambda known: known.id or 0)
            self._known.remove(oldest)
            self.held_bytes -= len(oldest.bytes)

    def split(self, items: Iterable[bytes | None], register: Register) -> tuple[list[int | None], list[bytes | None]]:
        """Per item the prefix's id (None: no prefix), and the rest."""
        ids: list[int | None] = []
        rests: list[bytes | None] = []
        long, last = self._kind.long, self._last
        prefix, length = last.bytes, len(last.bytes)
        for item in items:
            if item is None or len(item) < long:
                ids.append(None)
                rests.append(item)
                continue
            if not item.startswith(prefix) or len(item) - length >= long:
                last = self._choose(item, register)
                prefix, length = last.bytes, len(last.bytes)
            ids.append(last.id)
            rests.append(item[length:])
        self._last = last
        return ids, rests

    def _choose(self, item: bytes, register: Register) -> Prefix:
        found = self._longest(item)
        covered = len(found.bytes)
        if len(item) - covered < self._kind.long:
            return found
        if self._skip:
            self._skip -= 1
            return found
        beginning = item[:_LONGEST_BYTES]
        self._window.append((beginning, covered))
        self.held_bytes += len(beginning)
        if len(self._window) < _WINDOW:
            return found
        self._look(register)
        return self._longest(item)

    def _longest(self, item: bytes) -> Prefix:
        for known in self._known:
            if item.startswith(known.bytes):
                return known
        return _NONE

    def _look(self, register: Register) -> None:
        window, self._window = self._window, []
        self.held_bytes -= sum(len(beginning) for beginning, _ in window)
        before = self.newest
        while new := best_prefix(window, self._kind.gain):
            new, known = self._settled(new), self.newest
            register(self, new)
            if self.newest == known:
                break
            window = [(item, covered) for item, covered in window if not self._longest(item).bytes[covered:]]
        self._pause = 0 if self.newest != before else min(self._pause * 2 + 1, _MOST_PAUSE)
        self._skip = self._pause * _WINDOW

    def _settled(self, new: bytes) -> bytes:
        """`new`, or the little shorter prefix that it shares with a known one. Values with rising numbers right behind
        the part that repeats would otherwise ask for a new prefix again and again: of two that differ in
        their last bytes alone, what they share lasts."""
        covered = len(self._longest(new).bytes)
        most = max((common_length(new, k.bytes) for k in self._known if not new.startswith(k.bytes)), default=0)
        little = max(64, len(new) // 16)
        return new[:most] if len(new) - most <= little and most - covered >= self._kind.gain else new


def best_prefix(window: list[tuple[bytes, int]], gain: int) -> bytes | None:
    """The prefix with the largest number of bytes times users, beyond what is covered, among those that at least
    `_FEWEST` share and that are longer by `gain` than what covers any of these. Sorts `window`."""
    window.sort()
    shared = [common_length(one, two) for (one, _), (two, _) in pairwise(window)]
    best, most = None, 0
    for first in range(len(window) - _FEWEST + 1):
        length, (beginning, covered) = len(window[first][0]), window[first]
        deepest = covered
        for last in range(first + 1, len(window)):
            length = min(length, shared[last - 1])
            deepest = max(deepest, window[last][1])
            covered += window[last][1]
            if length - deepest < gain:
                break
            count = last - first + 1
            if count >= _FEWEST and count * length - covered > most:
                best, most = beginning[:length], count * length - covered
    return best


def common_length(one: bytes, two: bytes) -> int:
    """Bytes that both begin with. By halves: comparing slices is a `memcmp`, comparing bytes in Python is slow."""
    same, high = 0, min(len(one), len(two))
    if one[:high] == two[:high]:
        return high
    while high - same > 1:
        middle = (same + high) // 2
        if one[same:middle] == two[same:middle]:
            same = middle
        else:
            high = middle
    return same
