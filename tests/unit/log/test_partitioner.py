from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.log.partitioner import murmur2, partition_for


def plain_murmur2(data: bytes) -> int:
    """Word by word as Kafka's Java code has it, without any memory."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k ^= k >> 24
        h = (h * m & mask) ^ (k * m & mask)
    rest = data[whole:]
    if len(rest) == 3:
        h ^= rest[2] << 16
    if len(rest) >= 2:
        h ^= rest[1] << 8
    if rest:
        h = (h ^ rest[0]) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


@given(st.lists(st.one_of(st.binary(max_size=12), st.binary(min_size=25, max_size=90)), min_size=1, max_size=6))
def test_murmur2_of_any_bytes(keys: list[bytes]) -> None:
    prefix = b'{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}]}}'
    for key in (*keys, *(prefix + key for key in keys), *(prefix + key for key in keys)):
        assert murmur2(key) == plain_murmur2(key)
        assert 0 <= partition_for(key, 7) < 7


def test_a_large_hash_stays_positive() -> None:
    """Kafka drops the sign bit before it divides."""
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF
    assert partition_for(b"21", 1000) == (-973932308 & 0x7FFFFFFF) % 1000
