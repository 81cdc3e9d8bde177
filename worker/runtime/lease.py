"""Until when this worker may take itself for a member: in shared memory, so that its task processes see it at once.

The end is counted from the moment at which the last good heartbeat was *sent*, by a clock that goes on while a process
is stopped or the machine sleeps: whoever wakes up after that sees that it is over, whatever it was doing. A lease that
is over, or was taken back, stays so for everything that was started under it: the next one has another number.
It only spares work that would be refused later: targets fence for themselves (docs/decisions/0014-group-membership.md).

Memory: one 64-bit word in the machine's order, 20 bits of number, 44 bits of the end in ms since the machine started.
A word is read and written at once, so no reader ever sees half of a change.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from typing import Final

__all__ = ["Lease", "LeaseReader", "now_ms"]

_BITS: Final = 44
_MASK: Final = (1 << _BITS) - 1
_NUMBERS: Final = 1 << 20
_SIZE: Final = 8
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_ms() -> int:
    """ms since the machine started, sleep included."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class Lease:
    """The worker's side. One thread calls `grant`, `renew` and `end`, any thread the rest."""

    def __init__(self) -> None:
        self._unlink = ""
        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("headwater-lease")  # gone with the last process that has it
            self.path = f"/proc/{os.getpid()}/fd/{self._file}"
        else:
            self._file, self.path = tempfile.mkstemp(prefix="headwater-lease-")
            self._unlink = self.path
        os.truncate(self._file, _SIZE)
        self._map = mmap.mmap(self._file, _SIZE)
        self._word = memoryview(self._map).cast("Q")
        self._word[0] = 1 << _BITS

    @property
    def number(self) -> int:
        """What was started under another one must stop."""
        return self._word[0] >> _BITS

    @property
    def held(self) -> bool:
        return now_ms() < self._word[0] & _MASK

    @property
    def end_ms(self) -> int:
        return self._word[0] & _MASK

    def grant(self, end_ms: int) -> None:
        """A membership begins; `end_ms` as `now_ms` counts."""
        self._word[0] = self.number << _BITS | (end_ms & _MASK)

    def renew(self, end_ms: int) -> bool:
        """False, and nothing is changed, where it was over already."""
        if not self.held:
            return False
        self._word[0] = self.number << _BITS | max(self.end_ms, end_ms & _MASK)
        return True

    def end(self) -> None:
        """Take it back, for ever."""
        self._word[0] = (self.number + 1) % _NUMBERS << _BITS

    def close(self) -> None:
        """Readers see the end. The memory stays for whoever asks this object still."""
        if self._file >= 0:
            self.end()
            os.close(self._file)
            self._file = -1
            if self._unlink:
                os.unlink(self._unlink)


class LeaseReader:
    """A task process's side; costs about a microsecond. Raises `OSError` where the worker is gone already."""

    def __init__(self, path: str, number: int) -> None:
        """`number`: of the lease under which the process was started."""
        file = os.open(path, os.O_RDONLY)
        try:
            self._map = mmap.mmap(file, _SIZE, prot=mmap.PROT_READ)
        finally:
            os.close(file)
        self._word = memoryview(self._map).cast("Q")
        self._number = number

    @property
    def held(self) -> bool:
        word = self._word[0]
        return word >> _BITS == self._number and now_ms() < word & _MASK

    def close(self) -> None:
        self._word.release()
        self._map.close()
