from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.parquet.sink.buckets import DEEPEST, bits_of, bucket_for, deeper


def test_bits_are_stable() -> None:
    assert bits_of(b"id=1") == bits_of(b"id=1") and len(bits_of(b"id=1")) == DEEPEST


@given(st.lists(st.binary(max_size=8), max_size=60), st.integers(1, 5))
def test_every_key_has_one_bucket_and_none_begins_another(keys: list[bytes], most: int) -> None:
    held: dict[str, list[bytes]] = {}
    for key in dict.fromkeys(keys):
        bucket = bucket_for(bits_of(key), held)
        held.setdefault(bucket, []).append(key)
        if len(held[bucket]) > most:
            full = held.pop(bucket)
            depth = len(bucket) + deeper(len(full), most)
            for one in full:
                held.setdefault(bits_of(one)[:depth], []).append(one)
        names = list(held)
        assert not any(a != b and b.startswith(a) for a in names for b in names)
        for name, inside in held.items():
            for one in inside:
                assert bucket_for(bits_of(one), held) == name


def test_deeper() -> None:
    assert [deeper(rows, 10) for rows in (0, 10, 11, 20, 21, 80, 81)] == [0, 0, 1, 1, 2, 3, 4]
