from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.types.array import array_of
from headwater.connectors.postgres.types.binary import bytea, unknown
from headwater.connectors.postgres.types.column_type import Undecodable
from headwater.connectors.postgres.types.geometric import (
    BOX_TYPE,
    CIRCLE_TYPE,
    GEOMETRY_TYPE,
    LINE_TYPE,
    PATH_TYPE,
    POINT_TYPE,
    POLYGON_TYPE,
    SEGMENT_TYPE,
)
from headwater.connectors.postgres.types.hstore import hstore
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.connectors.postgres.types.number import INT4
from headwater.connectors.postgres.types.text import STRING, enumeration
from headwater.connectors.postgres.types.vector import HALF_VECTOR, SPARSE_VECTOR, VECTOR
from headwater.worker.api import Type, array, primitive

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
tricky = st.text('a"\\{},; N', max_size=6)
items = st.none() | words | tricky | st.sampled_from(["NULL", "null", "", "{}"])


def quoted(item: str | None) -> str:
    """More than array_out quotes, never less."""
    return "NULL" if item is None else '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(items))
def test_text_arrays(value: list[str | None]) -> None:
    text = "{" + ",".join(map(quoted, value)) + "}"
    assert array_of(STRING, 1, ",").decode(text.encode()) == value


@given(st.lists(st.lists(items, min_size=2, max_size=2), min_size=1, max_size=3))
def test_nested_arrays(value: list[list[str | None]]) -> None:
    text = "{" + ",".join("{" + ",".join(map(quoted, inner)) + "}" for inner in value) + "}"
    type = array_of(STRING, 2, ",")
    assert type.decode(text.encode()) == value
    assert type.schema == array(array(primitive(Type.STRING, optional=True), optional=True))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", []),
        (b"{1,NULL,-3}", [1, None, -3]),
        (b"[2:3]={1,2}", [1, 2]),
        (b"[-1:0]={NULL,2}", [None, 2]),
    ],
)
def test_number_arrays(text: bytes, value: list[int | None]) -> None:
    assert array_of(INT4, 1, ",").decode(text) == value


def test_bounds_of_nested_arrays_and_other_delimiters() -> None:
    assert array_of(INT4, 2, ",").decode(b"[0:1][2:3]={{1,2},{3,4}}") == [[1, 2], [3, 4]]
    assert array_of(INT4, 1, ";").decode(b"{1;2}") == [1, 2]
    assert array_of(INT4, 3, ",").decode(b"{{{1},{NULL}}}") == [[[1], [None]]]


@pytest.mark.parametrize(("depth", "text"), [(1, b"{{1}}"), (2, b"{1}"), (2, b"{{{1}}}"), (1, b'{{"a"}}')])
def test_another_number_of_dimensions_says_the_way_out(depth: int, text: bytes) -> None:
    with pytest.raises(Undecodable, match="dimensions"):
        array_of(STRING, depth, ",").decode(text)


@given(st.binary(max_size=30) | st.text('{}",\\1N', max_size=12).map(str.encode), st.integers(1, 3))
def test_random_bytes_are_a_value_error_at_worst(text: bytes, depth: int) -> None:
    with contextlib.suppress(ValueError):
        array_of(STRING, depth, ",").decode(text)


@given(st.dictionaries(words, st.none() | words, max_size=5))
def test_hstore(value: dict[str, str | None]) -> None:
    text = ", ".join(f"{quoted(key)}=>{quoted(item)}" for key, item in value.items()).encode()
    assert hstore(ValueModes(hstore="map")).decode(text) == value
    assert json.loads(hstore(ValueModes()).decode(text)) == value


def test_hstore_as_json_is_compact() -> None:
    assert hstore(ValueModes()).decode(b'"a"=>"\xc3\xa9", "b"=>NULL') == '{"a":"é","b":null}'
    with pytest.raises(ValueError):
        hstore(ValueModes()).decode(b"a=>1")


@given(st.binary())
def test_bytea(value: bytes) -> None:
    text = b"\\x" + value.hex().encode()
    assert bytea(ValueModes()).decode(text) == value
    assert bytea(ValueModes(binary="hex")).decode(text) == value.hex()


def test_bytea_as_base64() -> None:
    assert bytea(ValueModes(binary="base64")).decode(b"\\xfbff") == "+/8="
    assert bytea(ValueModes(binary="base64-url-safe")).decode(b"\\xfbff") == "-_8="
    assert bytea(ValueModes(binary="base64")).schema.type is Type.STRING


def test_unknown_types_keep_their_text() -> None:
    assert unknown(ValueModes()).decode(b"'fat' <-> 'cat'") == b"'fat' <-> 'cat'"
    assert unknown(ValueModes(binary="base64")).decode(b"a") == "YQ=="
    assert unknown(ValueModes(binary="hex")).decode(b"a") == "61"


def test_enum() -> None:
    type = enumeration(["a", "b c"])
    assert type.schema.parameters == {"allowed": "a,b c"}
    assert type.decode("é".encode()) == "é"


def test_vectors() -> None:
    assert VECTOR.decode(b"[1,2.5,-3]") == [1.0, 2.5, -3.0]
    assert HALF_VECTOR.decode(b"[]") == []
    assert SPARSE_VECTOR.decode(b"{1:0.5,3:2}/5") == {"dimensions": 5, "vector": {1: 0.5, 3: 2.0}}


def wkb(kind: int, points: list[tuple[float, float]]) -> bytes:
    """Of a line string (2) or a polygon of one ring (3)."""
    head = struct.pack("<BI", 1, kind) + (struct.pack("<I", 1) if kind == 3 else b"")
    return head + struct.pack("<I", len(points)) + b"".join(struct.pack("<dd", *xy) for xy in points)


SQUARE = [(3.0, 4.0), (3.0, 2.0), (1.0, 2.0), (1.0, 4.0), (3.0, 4.0)]


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (BOX_TYPE, b"(3,4),(1,2)", (wkb(3, SQUARE), {"type": "box"})),
        (SEGMENT_TYPE, b"[(0,1),(-2.5,1e+300)]", (wkb(2, [(0, 1), (-2.5, 1e300)]), {"type": "lseg"})),
        (PATH_TYPE, b"[(0,0),(1,1)]", (wkb(2, [(0, 0), (1, 1)]), {"type": "path", "closed": "false"})),
        (PATH_TYPE, b"((0,0),(1,1))", (wkb(2, [(0, 0), (1, 1)]), {"type": "path", "closed": "true"})),
        (POLYGON_TYPE, b"((0,0),(1,0),(0,1))", (wkb(3, [(0, 0), (1, 0), (0, 1), (0, 0)]), {"type": "polygon"})),
    ],
)
def test_shapes(type: Any, text: bytes, value: tuple[bytes, dict[str, str]]) -> None:
    assert type.decode(text) == {"wkb": value[0], "srid": None, "extensions": value[1]}


def test_points_circles_and_lines() -> None:
    point = {"x": 1.0, "y": -2.0, "wkb": struct.pack("<BIdd", 1, 1, 1, -2), "srid": None}
    assert POINT_TYPE.decode(b"(1,-2)") == point
    assert CIRCLE_TYPE.decode(b"<(1,-2),3>") == {"center": point, "radius": 3.0}
    assert LINE_TYPE.decode(b"{1,-2,0.5}") == {"a": 1.0, "b": -2.0, "c": 0.5}


def test_postgis() -> None:
    plain = struct.pack("<BIdd", 1, 1, 1, 2)
    placed = struct.pack("<BIIdd", 1, 0x20000001, 4326, 1, 2)
    assert GEOMETRY_TYPE.decode(plain.hex().upper().encode()) == {"wkb": plain, "srid": None, "extensions": None}
    assert GEOMETRY_TYPE.decode(placed.hex().encode())["srid"] == 4326
