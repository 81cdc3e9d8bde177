"""A record as JSON that loses nothing: how the dead letter of a source holds what never became bytes.

Format 1: `{"format":1,"topic","key","key_schema","value","value_schema","headers":[[name,value,schema]],
"timestamp_ms","version","partition"}`. What JSON has no form for is an object with one name that begins with `$`:
`$bytes` (base64), `$text` (base64 of UTF-8 with halves of characters), `$int`, `$float` (`nan`, `inf`, `-inf`),
`$decimal`, `$map` (pairs), and `$shown` for a value of any other class, which cannot be had back. Of a record that JSON
cannot hold (nested by hundreds of levels) topic, key and value are shown as a whole, and the rest is left out.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from headwater.worker.api import NO_DEFAULT, DataError, Header, Record, Schema, Type, shortened
from headwater.worker.api.schema import Field

from .errors import shown

__all__ = ["dump_record", "load_record"]

FORMAT: Final = 1
_LARGE: Final = 2**63
_LONGEST_SHOWN: Final = 20_000
"""Characters of a part that can only be shown."""


def dump_record(record: Record) -> bytes:
    """Never fails: what cannot be had back is shown."""
    try:
        return orjson.dumps(
            {
                "format": FORMAT,
                "topic": _plain(record.topic),
                "key": _plain(record.key),
                "key_schema": _schema(record.key_schema),
                "value": _plain(record.value),
                "value_schema": _schema(record.value_schema),
                "headers": [[_plain(h.name), _plain(h.value), _schema(h.schema)] for h in record.headers],
                "timestamp_ms": record.timestamp_ms,
                "version": record.version,
                "partition": record.partition,
            }
        )
    except Exception:  # nested too deeply, a name that is no UTF-8, a plugin's class that cannot be shown
        return orjson.dumps(_only_shown(record))


def _only_shown(record: Record) -> dict[str, Any]:
    """Of a record that cannot be had back."""
    return {
        "format": FORMAT,
        "topic": _shown(record.topic),
        "key": _shown(record.key),
        "key_schema": None,
        "value": _shown(record.value),
        "value_schema": None,
        "headers": [],
        "timestamp_ms": None,
        "version": None,
        "partition": None,
    }


def _shown(value: Any) -> dict[str, Any]:
    return {"$shown": shortened(shown(value).encode("utf-8", "backslashreplace").decode(), _LONGEST_SHOWN)}


def load_record(data: bytes) -> Record:
    """Raises `DataError`."""
    try:
        said = orjson.loads(data)
        if said["format"] != FORMAT:
            raise DataError(f"the record was written in format {said['format']}, by another version of Headwater")
        headers = tuple(Header(_back(name), _back(value), _schema_back(s)) for name, value, s in said["headers"])
        return Record(
            _back(said["topic"]),
            _back(said["key"]),
            _back(said["value"]),
            _schema_back(said["key_schema"]),
            _schema_back(said["value_schema"]),
            headers,
            said["timestamp_ms"],
            said["version"],
            said["partition"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"this is no record as Headwater writes it: {error}") from error


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -_LARGE <= value < _LARGE else {"$int": str(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": b64encode(bytes(value)).decode()}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") and _utf8(key) for key in value):
            return {str(key): _plain(item) for key, item in value.items()}
        return {"$map": [[_plain(key), _plain(item)] for key, item in value.items()]}
    return {"$shown": _text(repr(value))}


def _text(text: str) -> Any:
    return text if _utf8(text) else {"$text": b64encode(text.encode("utf-8", "surrogatepass")).decode()}


def _utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return [_back(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, held),) = value.items()
        if name.startswith("$"):
            return _special(name, held)
    return {key: _back(item) for key, item in value.items()}


def _special(name: str, held: Any) -> Any:
    if name == "$bytes":
        return b64decode(held)
    if name == "$text":
        return b64decode(held).decode("utf-8", "surrogatepass")
    if name == "$int":
        return int(held)
    if name == "$float":
        return float(held)
    if name == "$decimal":
        return Decimal(held)
    if name == "$map":
        return {_back(key): _back(item) for key, item in held}
    raise DataError(f"a value cannot be had back from how it was shown: {held}")


def _schema(schema: Schema | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    said: dict[str, Any] = {"type": schema.type.value}
    if schema.optional:
        said["optional"] = True
    for name in ("name", "version", "doc"):
        if getattr(schema, name) is not None:
            said[name] = getattr(schema, name)
    if schema.default is not NO_DEFAULT:
        said["default"] = [_plain(schema.default)]
    if schema.parameters:
        said["parameters"] = dict(schema.parameters)
    if schema.fields:
        said["fields"] = [[field.name, _schema(field.schema)] for field in schema.fields]
    if schema.key_schema is not None:
        said["keys"] = _schema(schema.key_schema)
    if schema.value_schema is not None:
        said["values"] = _schema(schema.value_schema)
    return said


def _schema_back(said: dict[str, Any] | None) -> Schema | None:
    if said is None:
        return None
    fields = []
    for name, form in said.get("fields", ()):
        schema = _schema_back(form)
        assert schema is not None
        fields.append(Field(name, schema))
    return Schema(
        Type(said["type"]),
        said.get("optional", False),
        _back(said["default"][0]) if "default" in said else NO_DEFAULT,
        said.get("name"),
        said.get("version"),
        said.get("doc"),
        said.get("parameters", {}),
        tuple(fields),
        _schema_back(said.get("keys")),
        _schema_back(said.get("values")),
    )
