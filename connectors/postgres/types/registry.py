"""From a column's type to how its values look in events.

Built-in types are found by oid (src/include/catalog/pg_type.dat), types of extensions by name: their oids differ in
every database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from headwater.connectors.postgres.catalog import ColumnInfo, TypeInfo

from . import binary, geometric, number, text, vector, zoned
from .array import array_of
from .bits import bit_string
from .column_type import ColumnType
from .hstore import hstore
from .interval import interval
from .modes import ValueModes
from .money import money
from .temporal import date_type, time_type, timestamp_type


class TypeLookup(Protocol):
    def get(self, oid: int) -> TypeInfo:
        """Of a type that does not exist any more: one of kind `gone`."""
        ...


_FIXED: Final[dict[int, ColumnType]] = {
    16: number.BOOLEAN,
    18: text.STRING,  # "char"
    19: text.STRING,  # name
    20: number.INT8,
    21: number.INT2,
    23: number.INT4,
    25: text.STRING,
    26: number.INT8,  # oid
    114: text.JSON_TEXT,
    142: text.XML_TEXT,
    600: geometric.POINT_TYPE,
    601: geometric.SEGMENT_TYPE,
    602: geometric.PATH_TYPE,
    603: geometric.BOX_TYPE,
    604: geometric.POLYGON_TYPE,
    628: geometric.LINE_TYPE,
    650: text.STRING,  # cidr
    700: number.FLOAT4,
    701: number.FLOAT8,
    718: geometric.CIRCLE_TYPE,
    774: text.STRING,  # macaddr8
    829: text.STRING,  # macaddr
    869: text.STRING,  # inet
    1042: text.STRING,  # character
    1043: text.STRING,  # character varying
    1266: zoned.timetz(),
    2950: text.UUID_TEXT,
    3614: text.TSVECTOR_TEXT,
    3802: text.JSON_TEXT,
}

_BY_TYPMOD_AND_MODES: Final[dict[int, Callable[[int, ValueModes], ColumnType]]] = {
    17: lambda typmod, modes: binary.bytea(modes),
    790: lambda typmod, modes: money(modes),
    1082: lambda typmod, modes: date_type(modes),
    1083: time_type,
    1114: timestamp_type,
    1184: lambda typmod, modes: zoned.timestamptz(typmod),
    1186: lambda typmod, modes: interval(modes),
    1560: lambda typmod, modes: bit_string(typmod),
    1562: lambda typmod, modes: bit_string(typmod),
    1700: number.numeric,
}

_EXTENSIONS: Final[dict[str, ColumnType]] = {
    "citext": text.STRING,
    "isbn": text.STRING,
    "ltree": text.LTREE_TEXT,
    "vector": vector.VECTOR,
    "halfvec": vector.HALF_VECTOR,
    "sparsevec": vector.SPARSE_VECTOR,
    "geometry": geometric.GEOMETRY_TYPE,
    "geography": geometric.GEOGRAPHY_TYPE,
}

_FIRST_USER_OID = 16384


def column_type(column: ColumnInfo, types: TypeLookup, modes: ValueModes) -> ColumnType | None:
    """None: of a type that events cannot hold (composite, tsquery, xid …), and the column is left out."""
    known = _find(column.type_oid, column.typmod, column.dimensions, types, modes)
    return binary.unknown(modes) if known is None and modes.include_unknown else known


def _find(oid: int, typmod: int, dimensions: int, types: TypeLookup, modes: ValueModes) -> ColumnType | None:
    if oid in _FIXED:
        return _FIXED[oid]
    if oid in _BY_TYPMOD_AND_MODES:
        return _BY_TYPMOD_AND_MODES[oid](typmod, modes)
    info = types.get(oid)
    if info.kind == "d":
        return _find(info.base, info.base_typmod, max(dimensions, info.base_dimensions), types, modes)
    if info.element:
        element = _find(info.element, typmod, 0, types, modes)
        return element and array_of(element, dimensions, types.get(info.element).delimiter)
    if info.kind == "e":
        return text.enumeration(info.labels)
    if info.kind in ("r", "m", "gone"):
        return text.STRING  # of a type that is gone the text is all there is; most were enums
    if oid >= _FIRST_USER_OID and info.kind == "b":
        return hstore(modes) if info.name == "hstore" else _EXTENSIONS.get(info.name)
    return None
