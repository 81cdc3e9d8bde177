"""Names in Avro: what Kafka Connect's Avro converter calls things, and names that Avro refuses.

Source: io.confluent.connect.avro.AvroData (8.x), the Avro specification 1.12, "Names".
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote_plus

from headwater.worker.api import DataError, Schema, Type

NAMESPACE: Final = "io.confluent.connect.avro"
DEFAULT_NAME: Final = f"{NAMESPACE}.ConnectDefault"
MAP_ENTRY: Final = "MapEntry"
UNION: Final = f"{NAMESPACE}.Union"
ENUM: Final = f"{NAMESPACE}.Enum"
ANYTHING: Final = f"{NAMESPACE}.Anything"
RECORD_DOC: Final = f"{NAMESPACE}.record.doc"
FIELD_DOC: Final = f"{NAMESPACE}.field.doc."
FIELD_DEFAULT: Final = f"{NAMESPACE}.field.default"
ENUM_DOC: Final = f"{NAMESPACE}.enum.doc."
ENUM_DEFAULT: Final = f"{NAMESPACE}.enum.default."
FIXED_SIZE: Final = "connect.fixed.size"
PRECISION: Final = "connect.decimal.precision"
DEFAULT_PRECISION: Final = 64

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ODD: Final = re.compile(r"[^A-Za-z0-9_]")

_OPTIONAL = [("boolean", "boolean"), ("bytes", "bytes"), ("double", "double"), ("float", "float"), ("int", "int"),
             ("long", "long"), ("string", "string")]  # fmt: skip
ANYTHING_FORM: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Anything",
    "namespace": NAMESPACE,
    "fields": [{"name": name, "type": ["null", kind], "default": None} for name, kind in _OPTIONAL]
    + [
        {"name": "array", "type": ["null", {"type": "array", "items": "Anything"}], "default": None},
        {
            "name": "map",
            "type": [
                "null",
                {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": MAP_ENTRY,
                        "fields": [{"name": "key", "type": "Anything"}, {"name": "value", "type": "Anything"}],
                    },
                },
            ],
            "default": None,
        },
    ],
}
"""The schema of values without a schema."""


def scrubbed(name: str) -> str:
    """The name with what Avro does not allow replaced, as `scrub.invalid.names` does it."""
    if not name or _PLAIN.fullmatch(name):
        return name
    encoded = quote_plus(name, safe="*")
    if encoded[0].isdigit():
        encoded = f"x{encoded}"
    return _ODD.sub("_", encoded)


def split(full_name: str, scrub: bool = False) -> tuple[str, str]:
    """Namespace (empty: none) and simple name."""
    parts = full_name.rstrip(".").split(".")
    if scrub:
        parts = [scrubbed(part) for part in parts]
    return ".".join(parts[:-1]), parts[-1]


def check(name: str, what: str) -> str:
    """The name itself. Raises `DataError` where Avro refuses it."""
    if not _PLAIN.fullmatch(name):
        raise DataError(
            f"{what} {name!r} is no name in Avro (letters, digits and _, no digit first); set scrub.invalid.names to "
            "true for this converter, or let the source adjust names (field.name.adjustment.mode, "
            "schema.name.adjustment.mode: avro)"
        )
    return name


def is_union(schema: Schema) -> bool:
    return schema.type is Type.STRUCT and schema.name == UNION


def is_fixed(schema: Schema) -> bool:
    return schema.type is Type.BYTES and schema.name is not None and FIXED_SIZE in schema.parameters


def is_enum(schema: Schema) -> bool:
    return schema.type is Type.STRING and ENUM in schema.parameters


def has_text_keys(schema: Schema, optional_too: bool) -> bool:
    """Is this MAP a map in Avro, too? All others are arrays of entries."""
    keys = schema.key_schema
    return keys is not None and keys.type is Type.STRING and (optional_too or not keys.optional)
