"""Any schema and value of it comes back as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import Schema
from headwater.worker.convert.json import JsonConverter
from tests.schema_strategies import TEXTS, same, schemas, values


def converter(options: dict[str, str]) -> JsonConverter:
    made = JsonConverter()
    made.configure(JsonConverter.options.parse(dict(options))[0], is_key=False)
    return made


@given(st.data(), schemas(), st.sampled_from(["BASE64", "NUMERIC"]), st.booleans())
def test_round_trip(data: st.DataObject, schema: Schema, decimals: str, defaults: bool) -> None:
    made = converter({"decimal.format": decimals, "replace.null.with.default": str(defaults).lower()})
    encode = made.encoder("t", schema)
    for _ in range(3):
        value = data.draw(values(schema))
        written = encode(value)
        read_schema, read = made.decode("t", written)
        assert read_schema == schema or "nan" in repr(schema).lower()
        assert same(read, value)
        assert written is not None and encode(read) == written


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
))  # fmt: skip
def test_round_trip_without_schemas(value: Any) -> None:
    for options in ({"schemas.enable": "false"}, {"schemas.enable": "true"}):
        made = converter(options)
        assert same(made.decode("t", made.encoder("t", None)(value)).value, value)
