"""The extension type `hstore`: text to text or null.

Source: io.debezium.connector.postgresql.PostgresValueConverter.convertHStore of Debezium 3.7; hstore_out.
"""

from __future__ import annotations

import json
import re

from headwater.connectors.debezium.names import JSON, semantic
from headwater.worker.api import Type, mapping, primitive

from .column_type import ColumnType
from .modes import ValueModes

_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:(NULL)|"((?:[^"\\]|\\.)*)")(?:, |$)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def hstore(modes: ValueModes) -> ColumnType:
    if modes.hstore == "map":
        return ColumnType(mapping(primitive(Type.STRING), primitive(Type.STRING, optional=True)), pairs)
    unavailable = modes.unavailable_placeholder.decode(errors="replace")
    return ColumnType(semantic(JSON), lambda text: as_json(pairs(text)), as_json({unavailable: unavailable}))


def pairs(text: bytes) -> dict[str, str | None]:
    shown = text.decode()
    result: dict[str, str | None] = {}
    at = 0
    while at < len(shown):
        found = _PAIR.match(shown, at)
        if found is None:
            raise ValueError("not an hstore")
        key, null, value = found.groups()
        result[_ESCAPE.sub(r"\1", key)] = None if null else _ESCAPE.sub(r"\1", value)
        at = found.end()
    return result


def as_json(value: dict[str, str | None]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
