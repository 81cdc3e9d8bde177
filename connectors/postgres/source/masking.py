"""Columns that are masked, hashed or cut before anything of them leaves this connector.

Source: io.debezium.relational.mapping.{ColumnMappers,MaskStrings,TruncateColumn} (Debezium 3.7). The first rule that
names a column counts: cuts, then masks, then hashes, then hashes of the second kind. Keys are left as they are.
Unlike there, the placeholder of an unchanged large value is neither hashed nor cut: sinks would take it for a value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from headwater.connectors.postgres.catalog import ColumnInfo, TypeInfo
from headwater.connectors.postgres.types.column_type import ColumnType
from headwater.connectors.postgres.types.registry import TypeLookup
from headwater.worker.api import DECIMAL, Type

from .mask_options import DIGESTS, HASH, HASH_V2, MASK, TRUNCATE, given
from .tables import Matcher

__all__ = ["Masked", "Masking"]

_TEXT: Final = frozenset({18, 19, 25, 1042, 1043})
""""char", name, text, character, character varying: what the driver calls CHAR and VARCHAR, as enums are."""
_ONE_CHAR: Final = 18
_WITH_LENGTH: Final = frozenset({1042, 1043})


@dataclass(frozen=True, slots=True)
class Masked:
    """What takes the place of a column's type. `constant`: what every value becomes, nulls too; None: it depends.
    `clear`: the values stay what they are, since the type is none that can be changed."""

    type: ColumnType
    constant: str | None = None
    clear: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    """`text`: of a type that can be masked. `length`: in characters; None: no limit."""

    type: ColumnType
    text: bool
    length: int | None


class Masking:
    """Answers for columns; built once from the options."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        rules: list[tuple[Matcher, Callable[[_Column], Masked]]] = []
        for match, columns in given(values, TRUNCATE):
            rules.append((Matcher(columns), _cutting(int(match[1]))))
        for match, columns in given(values, MASK):
            rules.append((Matcher(columns), _masking("*" * int(match[1]))))
        for match, columns in given(values, HASH):
            rules.append((Matcher(columns), _hashing(match[1], match[2], _java_serialized)))
        for match, columns in given(values, HASH_V2):
            rules.append((Matcher(columns), _hashing(match[1], match[2], _utf8)))
        self._rules = rules

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, table: str, column: ColumnInfo, type: ColumnType, types: TypeLookup) -> Masked | None:
        """`table`: schema.table. None: the column's values are written as they are."""
        make = next((make for names, make in self._rules if names(f"{table}.{column.name}")), None)
        if make is None:
            return None
        info, typmod = _root(types.get(column.type_oid), column.typmod, types)
        text = info.kind == "e" or info.oid in _TEXT
        length = 1 if info.oid == _ONE_CHAR else typmod - 4 if info.oid in _WITH_LENGTH and typmod > 4 else None
        return make(_Column(type, text, length))


def _root(info: TypeInfo, typmod: int, types: TypeLookup) -> tuple[TypeInfo, int]:
    """Of a domain the type that it is made of."""
    while info.kind == "d" and info.base:
        info, typmod = types.get(info.base), info.base_typmod
    return info, typmod


def _masking(constant: str) -> Callable[[_Column], Masked]:
    def made(column: _Column) -> Masked:
        marked = _marked(column.type, "masked", "true")
        if not column.text:
            return Masked(marked, clear=True)
        return Masked(replace(marked, decode=lambda data: constant), constant)

    return made


def _hashing(name: str, salt: str, form: Callable[[str], bytes]) -> Callable[[_Column], Masked]:
    begun = hashlib.new(DIGESTS[name.upper()], salt.encode(), usedforsecurity=False)

    def made(column: _Column) -> Masked:
        marked, decode, length = _marked(column.type, "masked", "true"), column.type.decode, column.length

        def hashed(data: bytes) -> str:
            digest = begun.copy()
            digest.update(form(decode(data)))
            return digest.hexdigest()[:length]

        return Masked(replace(marked, decode=hashed)) if column.text else Masked(marked, clear=True)

    return made


def _cutting(most: int) -> Callable[[_Column], Masked]:
    def made(column: _Column) -> Masked:
        schema, decode = column.type.schema, column.type.decode
        fits = column.length is not None and column.length <= most
        if fits or schema.type not in (Type.STRING, Type.BYTES) or schema.name == DECIMAL:
            return Masked(column.type, clear=not fits)
        cut: Callable[[Any], Any] = _cut_text(most) if schema.type is Type.STRING else lambda value: value[:most]
        marked = _marked(column.type, "truncateLength", str(most))
        return Masked(replace(marked, decode=lambda data: cut(decode(data))))

    return made


def _cut_text(most: int) -> Callable[[str], str]:
    """Java counts characters in 16 bits; half of one that takes two is written as a question mark."""

    def cut(text: str) -> str:
        if len(text) * 2 <= most or (len(text) <= most and text.isascii()):
            return text
        units = text.encode("utf-16-le", "surrogatepass")
        if len(units) <= 2 * most:
            return text
        kept = units[: 2 * most].decode("utf-16-le", "surrogatepass")
        return kept[:-1] + "?" if kept and "\ud800" <= kept[-1] <= "\udbff" else kept

    return cut


def _marked(type: ColumnType, name: str, text: str) -> ColumnType:
    parameters: Mapping[str, str] = {**type.schema.parameters, name: text}
    return replace(type, schema=type.schema.with_(parameters=parameters))


def _utf8(text: str) -> bytes:
    return text.encode()


def _java_serialized(text: str) -> bytes:
    """What an ObjectOutputStream writes of a String. Source: Java Object Serialization Specification 6.4."""
    data = _modified_utf8(text)
    if len(data) < 2**16:
        return b"\xac\xed\x00\x05\x74" + len(data).to_bytes(2, "big") + data
    return b"\xac\xed\x00\x05\x7c" + len(data).to_bytes(8, "big") + data


def _modified_utf8(text: str) -> bytes:
    """Source: java.io.DataInput: zero in two bytes, and characters beyond 16 bits as two halves."""
    if "\0" not in text and (not text or max(text) <= "\uffff"):
        return text.encode()
    units = re.sub(r"[\U00010000-\U0010ffff]", _halves, text)
    return units.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80")


def _halves(found: re.Match[str]) -> str:
    point = ord(found[0]) - 0x10000
    return chr(0xD800 + (point >> 10)) + chr(0xDC00 + (point & 0x3FF))
