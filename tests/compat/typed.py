"""Records, schemas and values as JSON in which every value says its type; java/Typed.java reads and writes the same.

- value: null or one of `{"int8": 1}` (int16, int32, int64), `{"float32": "1.5"}` (float64), `{"boolean": true}`,
  `{"string": "x"}`, `{"bytes": "<base64>"}`, `{"decimal": "1.50"}`, `{"date": <epoch milliseconds>}` (Java's Date,
  for the logical types Date, Time and Timestamp), `{"array": […]}`, `{"map": [[key, value], …]}`,
  `{"struct": {name: value}}`, which may have a `schema` beside it
- schema: null or `{"type": "INT32", "optional": true, "default": value, "name", "version", "doc", "parameters",
  "fields": [{"name", "schema"}], "keys", "values"}`, what is absent left out
- record: `{"topic", "partition", "timestamp", "key": {"schema", "value"}, "value": …, "headers": [{"name", "schema",
  "value"}], "offset"}`; with an offset it is one that a sink reads
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import DATE, NO_DEFAULT, TIME, TIMESTAMP, Field, Header, Record, Schema, Type
from headwater.worker.api.java.numbers import float_text

_DAY_MS: Final = 86_400_000
_WITHOUT_SCHEMA: Final = {bool: "boolean", int: "int64", str: "string"}


def typed_record(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "timestamp": record.timestamp_ms,
        "key": typed_pair(record.key, record.key_schema),
        "value": typed_pair(record.value, record.value_schema),
        "headers": [{"name": h.name, **typed_pair(h.value, h.schema)} for h in record.headers],
        **({} if record.offset is None else {"offset": record.offset}),
    }


def typed_pair(value: Any, schema: Schema | None) -> dict[str, Any]:
    return {"schema": typed_schema(schema), "value": typed_value(value, schema)}


def typed_schema(schema: Schema | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    form: dict[str, Any] = {"type": schema.type.name}
    if schema.optional:
        form["optional"] = True
    if schema.default is not NO_DEFAULT and schema.default is not None:
        form["default"] = typed_value(schema.default, schema)
    for name in ("name", "version", "doc"):
        if getattr(schema, name) is not None:
            form[name] = getattr(schema, name)
    if schema.parameters:
        form["parameters"] = dict(schema.parameters)
    if schema.type is Type.STRUCT:
        form["fields"] = [{"name": f.name, "schema": typed_schema(f.schema)} for f in schema.fields]
    if schema.key_schema is not None:
        form["keys"] = typed_schema(schema.key_schema)
    if schema.value_schema is not None:
        form["values"] = typed_schema(schema.value_schema)
    return form


def typed_value(value: Any, schema: Schema | None) -> Any:
    """Without a schema, numbers are int64 and float64, as Java's JSON converter reads them."""
    if value is None:
        return None
    if isinstance(value, list):
        items = None if schema is None else schema.value_schema
        return {"array": [typed_value(item, items) for item in value]}
    if isinstance(value, dict):
        return _typed_dict(value, schema)
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if schema is None:
        return {"float64": _float(value)} if isinstance(value, float) else {_WITHOUT_SCHEMA[type(value)]: value}
    if schema.name in (DATE, TIME, TIMESTAMP) and schema.type in (Type.INT32, Type.INT64):
        return {"date": value * _DAY_MS if schema.name == DATE else value}
    if schema.type is Type.FLOAT32:
        return {"float32": float_text(value)}
    if schema.type is Type.FLOAT64:
        return {"float64": _float(value)}
    return {schema.type.name.lower(): value}


def _typed_dict(value: dict[Any, Any], schema: Schema | None) -> Any:
    if schema is not None and schema.type is Type.STRUCT:
        return {"struct": {f.name: typed_value(value.get(f.name), f.schema) for f in schema.fields}}
    keys, values = (None, None) if schema is None else (schema.key_schema, schema.value_schema)
    return {"map": [[typed_value(k, keys), typed_value(v, values)] for k, v in value.items()]}


def _float(number: float) -> str:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(float(number)), repr(float(number)))


def read_record(form: dict[str, Any]) -> Record:
    """Without what Java does not tell: offset, version, origin."""
    key, value = read_pair(form["key"]), read_pair(form["value"])
    return Record(
        form["topic"],
        key[1],
        value[1],
        key[0],
        value[0],
        tuple(Header(h["name"], *reversed(read_pair(h))) for h in form["headers"]),
        form["timestamp"],
        partition=form["partition"],
    )


def read_pair(form: dict[str, Any]) -> tuple[Schema | None, Any]:
    schema = read_schema(form["schema"])
    return schema, read_value(form["value"], schema)


def read_schema(form: dict[str, Any] | None) -> Schema | None:
    if form is None:
        return None
    schema = Schema(
        Type[form["type"]],
        form.get("optional", False),
        name=form.get("name"),
        version=form.get("version"),
        doc=form.get("doc"),
        parameters=form.get("parameters", {}),
        fields=tuple(Field(f["name"], _known(read_schema(f["schema"]))) for f in form.get("fields", ())),
        key_schema=read_schema(form.get("keys")),
        value_schema=read_schema(form.get("values")),
    )
    return schema.with_(default=read_value(form["default"], schema)) if "default" in form else schema


def _known(schema: Schema | None) -> Schema:
    assert schema is not None
    return schema


def read_value(form: Any, schema: Schema | None) -> Any:
    """The plain Python value. A date without a schema stays a number of milliseconds. Java before 19 does not write the
    shortest form of a float32."""
    if form is None:
        return None
    tag, content = next(iter(form.items()))
    if tag == "array":
        return [read_value(item, None if schema is None else schema.value_schema) for item in content]
    if tag == "map":
        keys, values = (None, None) if schema is None else (schema.key_schema, schema.value_schema)
        return {_hashable(read_value(k, keys)): read_value(v, values) for k, v in content}
    if tag == "struct":
        own = read_schema(form["schema"]) if "schema" in form else schema
        assert own is not None
        return {name: read_value(v, own.get(name)) for name, v in content.items()}
    if tag == "float32":
        return float(float_text(float(content)).replace("Infinity", "inf"))
    if tag == "float64":
        return float(content)
    if tag == "bytes":
        return b64decode(content)
    if tag == "decimal":
        return Decimal(content)
    if tag == "date" and schema is not None and schema.name == DATE:
        return content // _DAY_MS
    assert tag != "other", f"Java gave {content}"
    return content


def _hashable(key: Any) -> Any:
    return str(key) if isinstance(key, dict | list) else key
