"""The partitioner of Kafka's clients: murmur2 of the key bytes, so that a key lies where every Kafka client expects it.

Source: org.apache.kafka.common.utils.Utils.murmur2 and toPositive (Kafka 4.3).
"""

from __future__ import annotations

from struct import unpack_from
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF

_CACHE_LIMIT: Final = 4096
_FRESH_WORDS: Final = 4
"""Keys with a schema differ in their last bytes alone: the state before the last words is remembered."""

_prefix_states: dict[tuple[int, bytes], int] = {}


def partition_for(key: bytes, partitions: int) -> int:
    """The partition, 0 <= n < `partitions`, that Kafka's default partitioner gives this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """32 bits, unsigned (Java's `int` of the same bits)."""
    length = len(data)
    words = length >> 2
    known = words - _FRESH_WORDS if words > 2 * _FRESH_WORDS else 0
    if known:
        prefix = (length, data[: known << 2])
        state = _prefix_states.get(prefix)
        if state is None:
            state = _mix(_SEED ^ length, data, 0, known)
            if len(_prefix_states) >= _CACHE_LIMIT:
                _prefix_states.clear()
            _prefix_states[prefix] = state
    else:
        state = (_SEED ^ length) & _MASK
    h = _mix(state, data, known, words)
    tail = length & 3
    if tail:
        h ^= int.from_bytes(data[words << 2 :], "little")
        h = h * _M & _MASK
    h ^= h >> 13
    h = h * _M & _MASK
    return h ^ (h >> 15)


def _mix(h: int, data: bytes, first_word: int, end_word: int) -> int:
    for k in unpack_from(f"<{end_word - first_word}I", data, first_word << 2):
        k = k * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    return h
