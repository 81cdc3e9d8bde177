"""Types whose text is their value: strings, uuid, json, network addresses, ranges, enums.

Source: io.debezium.connector.postgresql.PostgresValueConverter of Debezium 3.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from headwater.connectors.debezium.names import JSON, LTREE, TSVECTOR, UUID, XML, enum, semantic
from headwater.worker.api import Type, primitive

from .column_type import ColumnType

STRING: Final = ColumnType(primitive(Type.STRING), bytes.decode)
UUID_TEXT: Final = ColumnType(semantic(UUID), bytes.decode)
JSON_TEXT: Final = ColumnType(semantic(JSON), bytes.decode)
XML_TEXT: Final = ColumnType(semantic(XML), bytes.decode)
LTREE_TEXT: Final = ColumnType(semantic(LTREE), bytes.decode)
TSVECTOR_TEXT: Final = ColumnType(semantic(TSVECTOR), bytes.decode)


def enumeration(labels: Iterable[str]) -> ColumnType:
    """A label passes even when it is not among `labels`: it may be younger than they are."""
    return ColumnType(enum(labels), bytes.decode)
