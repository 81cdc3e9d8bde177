"""PostgreSQL's geometric types and PostGIS's, as structs around well-known binary (WKB).

Source: io.debezium.data.geometry.*, io.debezium.spatial.WkbWriter, PostgisGeometry of Debezium 3.7.
"""

from __future__ import annotations

import re
import struct
from binascii import unhexlify
from collections.abc import Sequence
from typing import Any, Final

from headwater.connectors.debezium.names import geography, geometry, point
from headwater.worker.api import Schema, Type, primitive
from headwater.worker.api import struct as struct_schema

from .column_type import ColumnType

CIRCLE: Final = "io.debezium.data.geometry.Circle"
LINE: Final = "io.debezium.data.geometry.Line"

_PAIR = re.compile(r"\(([^(),]+),([^(),]+)\)")
_EWKB_SRID = 0x20000000

XY = tuple[float, float]


def _xy(text: str, count: int | None = None) -> list[XY]:
    points = [(float(x), float(y)) for x, y in _PAIR.findall(text)]
    if not points or (count is not None and len(points) != count):
        raise ValueError("not the points of a geometric type")
    return points


def point_value(xy: XY) -> dict[str, Any]:
    return {"x": xy[0], "y": xy[1], "wkb": struct.pack("<BIdd", 1, 1, *xy), "srid": None}


def _coordinates(points: Sequence[XY]) -> bytes:
    return struct.pack(f"<I{len(points) * 2}d", len(points), *(number for xy in points for number in xy))


def _line_string(points: Sequence[XY], **extensions: str) -> dict[str, Any]:
    return {"wkb": struct.pack("<BI", 1, 2) + _coordinates(points), "srid": None, "extensions": extensions}


def _polygon(ring: Sequence[XY], **extensions: str) -> dict[str, Any]:
    closed = list(ring) if ring[0] == ring[-1] and len(ring) > 1 else [*ring, ring[0]]
    return {"wkb": struct.pack("<BII", 1, 3, 1) + _coordinates(closed), "srid": None, "extensions": extensions}


def _point(text: bytes) -> dict[str, Any]:
    return point_value(_xy(text.decode(), 1)[0])


def _box(text: bytes) -> dict[str, Any]:
    (x1, y1), (x2, y2) = _xy(text.decode(), 2)
    return _polygon([(x1, y1), (x1, y2), (x2, y2), (x2, y1), (x1, y1)], type="box")


def _segment(text: bytes) -> dict[str, Any]:
    return _line_string(_xy(text.decode(), 2), type="lseg")


def _path(text: bytes) -> dict[str, Any]:
    closed = "true" if text[:1] == b"(" else "false"
    return _line_string(_xy(text.decode()), type="path", closed=closed)


def _polygon_type(text: bytes) -> dict[str, Any]:
    return _polygon(_xy(text.decode()), type="polygon")


def _circle(text: bytes) -> dict[str, Any]:
    center, _, radius = text.decode().rpartition(",")
    return {"center": point_value(_xy(center, 1)[0]), "radius": float(radius.rstrip(">"))}


def _line(text: bytes) -> dict[str, Any]:
    a, b, c = text.decode().strip("{}").split(",")
    return {"a": float(a), "b": float(b), "c": float(c)}


def _srid(wkb: bytes) -> int | None:
    order = "<" if wkb[0] else ">"
    (kind,) = struct.unpack_from(order + "I", wkb, 1)
    return int(struct.unpack_from(order + "i", wkb, 5)[0]) if kind & _EWKB_SRID else None


def _geometry(text: bytes) -> dict[str, Any]:
    wkb = unhexlify(text)
    return {"wkb": wkb, "srid": _srid(wkb), "extensions": None}


def _geography(text: bytes) -> dict[str, Any]:
    wkb = unhexlify(text)
    return {"wkb": wkb, "srid": _srid(wkb)}


def _circle_schema() -> Schema:
    fields = {"center": point(), "radius": primitive(Type.FLOAT64)}
    return struct_schema(fields, CIRCLE, version=1, doc="Geometry (CIRCLE)")


def _line_schema() -> Schema:
    fields = {name: primitive(Type.FLOAT64) for name in "abc"}
    return struct_schema(fields, LINE, version=1, doc="Geometry (LINE)")


POINT_TYPE: Final = ColumnType(point(), _point)
BOX_TYPE: Final = ColumnType(geometry(optional=False), _box)
SEGMENT_TYPE: Final = ColumnType(geometry(optional=False), _segment)
PATH_TYPE: Final = ColumnType(geometry(optional=False), _path)
POLYGON_TYPE: Final = ColumnType(geometry(optional=False), _polygon_type)
CIRCLE_TYPE: Final = ColumnType(_circle_schema(), _circle)
LINE_TYPE: Final = ColumnType(_line_schema(), _line)
GEOMETRY_TYPE: Final = ColumnType(geometry(optional=False), _geometry)
GEOGRAPHY_TYPE: Final = ColumnType(geography(), _geography)
