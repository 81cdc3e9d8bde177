"""Hashes of values as Java computes them, 32 bits, signed.

Sources: the contracts of java.lang.String.hashCode and its kin; java.math.{BigInteger,BigDecimal}.hashCode (JDK 17);
io.debezium.util.MurmurHash3 of Debezium 3.7.0.Final, an early form of MurmurHash3's x64 variant with the seed 9001,
which libraries no longer have.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import DATE, TIME, DataError, Schema, Type

_32: Final = 0xFFFF_FFFF
_64: Final = 0xFFFF_FFFF_FFFF_FFFF
_SEED: Final = 9001
_DAY_MS: Final = 86_400_000


def java_hash(value: Any, schema: Schema | None) -> int:
    """`Object.hashCode`. Raises `DataError` for values whose hash in Java is another in each process."""
    if isinstance(value, bool):
        return 1231 if value else 1237
    if isinstance(value, int):
        return _of_int(value, schema)
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, float):
        if schema is not None and schema.type is Type.FLOAT32:
            return _signed(struct.unpack(">I", struct.pack(">f", value))[0])
        return _folded(struct.unpack(">Q", struct.pack(">d", value))[0])
    if isinstance(value, Decimal):
        return _of_decimal(value)
    if isinstance(value, list):
        items = None if schema is None else schema.value_schema
        made = 1
        for item in value:
            made = made * 31 + (0 if item is None else java_hash(item, items))
        return _signed(made)
    raise DataError(f"a value of the type {type(value).__name__ if schema is None else schema.type.name} has no hash")


def murmur_hash(value: Any, schema: Schema | None) -> int:
    """Of text and bytes; of anything else, of its `hashCode`."""
    if isinstance(value, str):
        return _murmur(value.encode("utf-8", "replace"))
    if isinstance(value, bytes):
        return _murmur(value)
    return _murmur(struct.pack("<i", java_hash(value, schema)))


def _of_int(value: int, schema: Schema | None) -> int:
    if schema is not None and schema.name in (DATE, TIME):  # a java.util.Date hashes its milliseconds
        return _folded(value * (_DAY_MS if schema.name == DATE else 1) & _64)
    if schema is not None and schema.type in (Type.INT8, Type.INT16, Type.INT32):
        return value
    return _folded(value & _64)


def _of_text(text: str) -> int:
    data, made = text.encode("utf-16-be", "surrogatepass"), 0
    for (unit,) in struct.iter_unpack(">H", data):
        made = (made * 31 + unit) & _32
    return _signed(made)


def _of_decimal(value: Decimal) -> int:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise DataError(f"{value} has no hash")
    unscaled = int("".join(map(str, digits)) or "0")
    made, words = 0, []
    while unscaled:
        words.append(unscaled & _32)
        unscaled >>= 32
    for word in reversed(words):
        made = made * 31 + word
    return _signed((-made if sign else made) * 31 - exponent)


def _folded(bits: int) -> int:
    return _signed(bits ^ (bits >> 32))


def _signed(bits: int) -> int:
    bits &= _32
    return bits - (1 << 32) if bits >> 31 else bits


def _murmur(data: bytes) -> int:
    state = [0x9368E53C2F6AF274 ^ _SEED, 0x586DCD208F7CD3FD ^ _SEED, 0x87C37B91114253D5, 0x4CF5AD432745937F]
    whole = len(data) // 16 * 16
    for first, second in struct.iter_unpack("<QQ", data[:whole]):
        _mix(state, first, second)
    tail = data[whole:]
    if tail:
        # Each byte of the tail is signed: a negative one flips all bits above it.
        signed = struct.unpack(f"{len(tail)}b", tail)
        _mix(state, _xored(signed[:8]), _xored(signed[8:]))
    first, second = state[0], state[1] ^ len(data)
    first = (first + second) & _64
    second = (second + first) & _64
    first, second = _final(first), _final(second)
    return _signed((first + second & _64) >> 32)


def _xored(signed: tuple[int, ...]) -> int:
    made = 0
    for place, byte in enumerate(signed):
        made ^= (byte << (8 * place)) & _64
    return made


def _mix(state: list[int], first: int, second: int) -> None:
    h1, h2, c1, c2 = state
    h1 = (h1 ^ _rotated(first * c1 & _64, 23) * c2 & _64) + h2 & _64
    h2 = _rotated(h2, 41)
    h2 = (h2 ^ _rotated(second * c2 & _64, 23) * c1 & _64) + h1 & _64
    state[:] = (
        h1 * 3 + 0x52DCE729 & _64,
        h2 * 3 + 0x38495AB5 & _64,
        c1 * 5 + 0x7B7D159C & _64,
        c2 * 5 + 0x6BCE6396 & _64,
    )


def _rotated(bits: int, by: int) -> int:
    return (bits << by | bits >> (64 - by)) & _64


def _final(bits: int) -> int:
    bits = (bits ^ bits >> 33) * 0xFF51AFD7ED558CCD & _64
    bits = (bits ^ bits >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return bits ^ bits >> 33
