"""Any schema of Connect, and values of it, for hypothesis."""

from __future__ import annotations

import math
import struct as binary
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from headwater.worker.api import NO_DEFAULT, Schema, Type, array, decimal, mapping, primitive, struct

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
WHOLE = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}


def single(number: float) -> float:
    return float(binary.unpack("<f", binary.pack("<f", number))[0])


def scalars() -> st.SearchStrategy[Schema]:
    kinds = [t for t in Type if t not in (Type.ARRAY, Type.MAP, Type.STRUCT)]
    attributes = {
        "optional": st.booleans(),
        "name": st.none() | TEXTS.map(lambda text: "n" + text),
        "version": st.none() | st.integers(1, 9),
        "doc": st.none() | TEXTS,
        "parameters": st.dictionaries(TEXTS, TEXTS, max_size=2),
    }
    return st.builds(Schema, st.sampled_from(kinds), **attributes) | st.builds(
        decimal, st.integers(-3, 12), st.none() | st.integers(1, 40), st.booleans()
    )


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2, names: st.SearchStrategy[str] = NAMES,
            type_names: st.SearchStrategy[str] | None = None) -> Schema:  # fmt: skip
    """`names`: of fields; `type_names`: of structs, those of fields where it is None."""
    own = names if type_names is None else type_names
    kind = draw(st.sampled_from(["scalar"] * 3 + ["array", "map", "struct"])) if depth else "scalar"
    optional = draw(st.booleans())
    if kind == "scalar":
        schema = draw(scalars())
    elif kind == "array":
        schema = array(draw(schemas(depth - 1, names, own)), optional)
    elif kind == "map":
        keys = draw(st.sampled_from([primitive(Type.STRING), primitive(Type.INT64), primitive(Type.BOOLEAN)]))
        schema = mapping(keys, draw(schemas(depth - 1, names, own)), optional)
    else:
        fields = draw(st.dictionaries(names, schemas(depth - 1, names, own), max_size=5))
        schema = struct(fields, draw(st.none() | own), optional)
    if draw(st.integers(0, 4)) == 0:
        default = draw(values(schema, required=True))
        if default is not None:
            schema = schema.with_(default=default)
    return schema


@st.composite
def values(draw: st.DrawFn, schema: Schema, required: bool = False) -> Any:
    """`required`: no null, at the top. Null stands only where no default would take its place."""
    if not required and schema.optional and schema.default is NO_DEFAULT and draw(st.booleans()):
        return None
    if schema.type in WHOLE:
        bits = WHOLE[schema.type]
        return draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    if schema.name == decimal(0).name:
        scale = int(schema.parameters["scale"])
        return Decimal(draw(st.integers(-(10**20), 10**20))).scaleb(-scale)
    match schema.type:
        case Type.FLOAT32:
            return draw(st.floats(width=32).map(single))
        case Type.FLOAT64:
            return draw(st.floats())
        case Type.BOOLEAN:
            return draw(st.booleans())
        case Type.STRING:
            return draw(TEXTS)
        case Type.BYTES:
            return draw(st.binary(max_size=8))
        case Type.ARRAY:
            assert schema.value_schema is not None
            return draw(st.lists(values(schema.value_schema), max_size=3))
        case Type.MAP:
            assert schema.key_schema is not None and schema.value_schema is not None
            return draw(st.dictionaries(values(schema.key_schema), values(schema.value_schema), max_size=3))
        case _:
            return {field.name: draw(values(field.schema)) for field in schema.fields}


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, Decimal):
        return bool(left.as_tuple() == right.as_tuple() or left == right == 0)
    return bool(left == right)
