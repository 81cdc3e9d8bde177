"""Column types: how a value is packed for a binary COPY, unpacked from one, and compared.

A value of a kind is plain Python, whatever event it came from: DATE int days and TIMESTAMP int microseconds since 1970
(or `math.inf`), TIME microseconds, TIMETZ (microseconds, seconds east), INTERVAL (months, days, microseconds), POINT
(x, y), NUMERIC `Decimal`, JSONB its text, UUID 16 bytes, bit strings "0101", arrays lists.

Types without a simple binary form are staged as text and cast by the server.
Source of the binary forms: the *send/*recv functions of PostgreSQL 18 (src/backend/utils/adt).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

EPOCH_DAYS: Final = 10_957
"""1970-01-01 to 2000-01-01, where PostgreSQL counts from."""
EPOCH_US: Final = EPOCH_DAYS * 86_400_000_000

Pack = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """`sql`: the type in the view. `staged`: in the staging table and when read back, its binary form is `pack`'s.

    `canonical` is the same for equal values of every type that a column may be widened to; `show` is for people, and
    for keys. `pack` raises `struct.error`, `OverflowError`, `ValueError` or `TypeError` for a value out of range.
    """

    sql: str
    staged: str
    oid: int
    pack: Pack
    unpack: Callable[[bytes], Any]
    canonical: Callable[[Any], bytes]
    show: Callable[[Any], str]
    item: Kind | None = None


def _text_pack(value: str) -> bytes:
    if "\0" in value:
        raise ValueError("PostgreSQL's text cannot hold the character NUL")
    return value.encode()


def _decode(data: bytes) -> str:
    return data.decode()


def _utf8(value: str) -> bytes:
    return value.encode()


def _quote(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _digits(value: Any) -> bytes:
    return str(value).encode()


def _fixed(code: str) -> tuple[Pack, Callable[[bytes], Any]]:
    form = struct.Struct(code)
    return form.pack, lambda data: form.unpack(data)[0]


def _whole(sql: str, oid: int, code: str) -> Kind:
    pack, unpack = _fixed(code)
    return Kind(sql, sql, oid, pack, unpack, _digits, str)


def _float_bytes(value: float) -> bytes:
    if value != value:
        return b"NaN"
    return repr(float(value) + 0.0).encode()  # + 0.0 turns -0.0 into 0.0, which PostgreSQL calls equal


def _float(sql: str, oid: int, code: str) -> Kind:
    pack, unpack = _fixed(code)
    return Kind(sql, sql, oid, pack, unpack, _float_bytes, lambda v: _float_bytes(v).decode())


def _moment(sql: str, oid: int, code: str, epoch: int, largest: int) -> Kind:
    """Dates and timestamps: infinity is the largest number, minus infinity the smallest."""
    form = struct.Struct(code)

    def pack(value: float) -> bytes:
        if value in (math.inf, -math.inf):
            return form.pack(largest if value > 0 else -largest - 1)
        shifted = int(value) - epoch
        if not -largest <= shifted < largest:
            raise OverflowError(f"{value} is out of range for {sql}")
        return form.pack(shifted)

    def unpack(data: bytes) -> float:
        number = int(form.unpack(data)[0])
        if number == largest:
            return math.inf
        return -math.inf if number == -largest - 1 else number + epoch

    return Kind(sql, sql, oid, pack, unpack, _digits, str)


def _bool_pack(value: Any) -> bytes:
    return b"\1" if value else b"\0"


def _bool_text(value: Any) -> bytes:
    return b"true" if value else b"false"


def _numeric_text(value: Decimal | int) -> bytes:
    """Digits without trailing zeros: 1.50 is 1.5. Exact for any number of digits."""
    if isinstance(value, Decimal):
        if value.is_nan():
            return b"NaN"
        if value.is_infinite():
            return b"Infinity" if value > 0 else b"-Infinity"
        text = format(value, "f")
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return b"0" if text in ("-0", "") else text.encode()
    return str(value).encode()


def _numeric_pack(value: Decimal | int) -> bytes:
    if isinstance(value, Decimal) and value.is_nan():
        return b"NaN"
    return (str(value) if isinstance(value, int) else format(value, "f")).encode()


def _json_canonical(value: str) -> bytes:
    """Members sorted, the last of equal names, numbers by value: what jsonb keeps."""
    return _json_form(json.loads(value, parse_float=Decimal, parse_int=Decimal)).encode()


def _json_form(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quote(name)}:{_json_form(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json_form, value)) + "]"
    if isinstance(value, Decimal):
        return _numeric_text(value).decode()
    return _quote(value)


def _bytes(value: bytes) -> bytes:
    return value


def _timetz_pack(value: tuple[int, int]) -> bytes:
    return struct.pack("!qi", value[0], -value[1])


def _timetz_unpack(data: bytes) -> tuple[int, int]:
    micros, west = struct.unpack("!qi", data)
    return micros, -west


def _interval_pack(value: tuple[int, int, int]) -> bytes:
    months, days, micros = value
    return struct.pack("!qii", micros, days, months)


def _interval_unpack(data: bytes) -> tuple[int, int, int]:
    micros, days, months = struct.unpack("!qii", data)
    return months, days, micros


def _point_pack(value: tuple[float, float]) -> bytes:
    return struct.pack("!dd", *value)


def _point_unpack(data: bytes) -> tuple[float, float]:
    x, y = struct.unpack("!dd", data)
    return x, y


def _point_bytes(value: tuple[float, float]) -> bytes:
    return b"(" + _float_bytes(value[0]) + b"," + _float_bytes(value[1]) + b")"


def _staged_text(sql: str, pack: Pack, unpack: Callable[[bytes], Any], canonical: Callable[[Any], bytes]) -> Kind:
    return Kind(sql, "text", 25, pack, unpack, canonical, lambda v: canonical(v).decode())


SMALLINT: Final = _whole("smallint", 21, "!h")
INTEGER: Final = _whole("integer", 23, "!i")
BIGINT: Final = _whole("bigint", 20, "!q")
REAL: Final = _float("real", 700, "!f")
DOUBLE: Final = _float("double precision", 701, "!d")
BOOLEAN: Final = Kind("boolean", "boolean", 16, _bool_pack, lambda d: d == b"\1", _bool_text, lambda v: str(v).lower())
TEXT: Final = Kind("text", "text", 25, _text_pack, _decode, _utf8, _quote)
BYTEA: Final = Kind("bytea", "bytea", 17, bytes, bytes, bytes, lambda v: "\\x" + v.hex())
UUID: Final = Kind("uuid", "uuid", 2950, bytes, bytes, bytes, lambda v: v.hex())
DATE: Final = _moment("date", 1082, "!i", EPOCH_DAYS, 2**31 - 1)
TIMESTAMP: Final = _moment("timestamp without time zone", 1114, "!q", EPOCH_US, 2**63 - 1)
TIMESTAMPTZ: Final = _moment("timestamp with time zone", 1184, "!q", EPOCH_US, 2**63 - 1)
TIME: Final = _whole("time without time zone", 1083, "!q")
TIMETZ: Final = Kind("time with time zone", "time with time zone", 1266, _timetz_pack, _timetz_unpack, _digits, str)
INTERVAL: Final = Kind("interval", "interval", 1186, _interval_pack, _interval_unpack, _digits, str)
POINT: Final = Kind("point", "point", 600, _point_pack, _point_unpack, _point_bytes, str)
JSONB: Final = _staged_text("jsonb", _text_pack, _decode, _json_canonical)
NUMERIC: Final = _staged_text("numeric", _numeric_pack, lambda d: Decimal(d.decode()), _numeric_text)


def numeric(precision: int, scale: int) -> Kind:
    return _staged_text(f"numeric({precision},{scale})", NUMERIC.pack, NUMERIC.unpack, NUMERIC.canonical)


def bit(length: int | None) -> Kind:
    """`bit(n)`; None: `bit varying`."""
    return _staged_text("bit varying" if length is None else f"bit({length})", _text_pack, _decode, _utf8)


def array_of(item: Kind) -> Kind:
    """A one-dimensional array, in the array form of the item's staged type."""

    def pack(values: list[Any]) -> bytes:
        if not values:
            return struct.pack("!iiI", 0, 0, item.oid)
        out = [struct.pack("!iiIii", 1, int(None in values), item.oid, len(values), 1)]
        for value in values:
            if value is None:
                out.append(b"\xff\xff\xff\xff")
            else:
                packed = item.pack(value)
                out += (struct.pack("!i", len(packed)), packed)
        return b"".join(out)

    def canonical(values: list[Any]) -> bytes:
        out = []
        for value in values:
            form = b"-" if value is None else item.canonical(value)
            out.append(b"%d:%b" % (-1 if value is None else len(form), form))
        return b"[" + b",".join(out) + b"]"

    def show(values: list[Any]) -> str:
        return "[" + ", ".join("null" if v is None else item.show(v) for v in values) + "]"

    return Kind(f"{item.sql}[]", f"{item.staged}[]", 0, pack, _array_unpack(item), canonical, show, item)


def _array_unpack(item: Kind) -> Callable[[bytes], list[Any]]:
    def unpack(data: bytes) -> list[Any]:
        dimensions = struct.unpack_from("!i", data)[0]
        at = 12 + 8 * dimensions
        values: list[Any] = []
        while at < len(data):
            length = struct.unpack_from("!i", data, at)[0]
            at += 4
            if length < 0:
                values.append(None)
            else:
                values.append(item.unpack(data[at : at + length]))
                at += length
        return values

    return unpack
