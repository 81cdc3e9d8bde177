"""What records should make of the view, computed without the code that writes it.

Only `columns`, `kinds` and `naming` are shared: which column a field becomes, and the canonical form of a value.

Unchanged-TOAST placeholders: the earlier value of such a column is remembered, in its compact form, for rows that are
large enough to have been TOASTed at all (about 1 kB up). A record that the view cannot hold changes nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headwater.connectors.debezium.envelope import is_envelope_schema
from headwater.connectors.debezium.placeholder import Placeholder
from headwater.worker.api import DataError, ExpectedRow, Record, Schema, Type, Values

from .canonical import compact, key_text, name_prefix, row_digest
from .columns import column_of
from .kinds import BIGINT, INTEGER, TEXT, Kind
from .naming import table_name
from .options import COORDINATES
from .packing import UNPACKABLE, origin_topic
from .rows import DELETED_FIELD, is_included

TOASTED_FROM: Final = 1000
"""Bytes of a row in canonical form below which no server moves a value out of line (it begins at 2 kB)."""

_EVERY_ROW: Final = b""
"""Key of an `ExpectedRow` without digest that says: the whole part is empty now (a truncate)."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    place: tuple[str, int | None]
    offset: int
    values: Mapping[str, bytes]


@dataclass(slots=True)
class Expectation:
    """`versioned`: does this part compare versions? `default_schema`: for names without a schema."""

    values: Values
    default_schema: str
    versioned: Callable[[str], bool]
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)
    _remembered: dict[tuple[str, bytes], _Remembered] = field(default_factory=dict)
    _included: dict[tuple[str, str], bool] = field(default_factory=dict)

    def rows(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        placeholder = Placeholder(self.values["unavailable.value.placeholder"])
        for record in records:
            try:
                row = self._row(record, placeholder)
            except (DataError, *UNPACKABLE):
                continue  # the view hands such a record over as bad and stays as it was
            if row is not None:
                yield row

    def _row(self, record: Record, placeholder: Placeholder) -> ExpectedRow | None:
        after, before, gone, truncated = self._images(record)
        if after is None and not gone and not truncated:
            return None
        part = self._part(record)
        version = None
        if self.versioned(part):
            version = record.offset if record.version is None else record.version
        if truncated:
            return ExpectedRow(part, _EVERY_ROW, None, version)
        schema = self._row_schema(record)
        key = self._key(record, before if gone else after, schema)
        if key is None:
            return None
        name = key_text((column, kind, value) for column, (kind, value) in sorted(key.items()))
        if gone:
            self._remembered.pop((part, name), None)
            return ExpectedRow(part, name, None, version)
        assert after is not None and schema is not None
        return ExpectedRow(part, name, self._digest(record, part, name, key, after, schema, placeholder), version)

    def _images(self, record: Record) -> tuple[Mapping[str, Any] | None, Mapping[str, Any], bool, bool]:
        """The row after, the row before, and whether the record deletes or truncates."""
        value, deletes = record.value, self.values["delete.enabled"]
        if value is None:
            return None, {}, deletes, False
        if record.value_schema is None or record.value_schema.type is not Type.STRUCT:
            raise DataError(f"{record.where()}: no schema")
        if not is_envelope_schema(record.value_schema):
            if deletes and value.get(DELETED_FIELD) in ("true", True):
                return None, value, True, False
            return value, {}, False, False
        op = value["op"]
        if op == "d":
            return None, value.get("before") or {}, deletes, False
        if op == "t":
            return None, {}, False, self.values["truncate.enabled"]
        return (value["after"] if op in "cru" else None), {}, False, False

    def _row_schema(self, record: Record) -> Schema | None:
        schema = record.value_schema
        if schema is None or not is_envelope_schema(schema):
            return schema
        return schema.get("after")

    def _part(self, record: Record) -> str:
        source = None
        if record.value is not None and is_envelope_schema(record.value_schema):
            source = record.value.get("source")
        if source is None and record.topic in self._names:
            schema, table = self._names[record.topic]
        else:
            folded = not self.values["quote.identifiers"]
            schema, table = table_name(self.values["collection.name.format"], record.topic, source, folded)
            if source is not None:
                self._names[record.topic] = (schema, table)
        return f"{schema or self.default_schema}.{table}"

    def _key(
        self, record: Record, row: Mapping[str, Any] | None, schema: Schema | None
    ) -> dict[str, tuple[Kind, Any]] | None:
        """Key columns by name; None: the record names no row."""
        mode, fields = self.values["primary.key.mode"], self.values["primary.key.fields"]
        if mode == "record_key" and record.key is None and self.values.given("primary.key.mode"):
            raise DataError(f"{record.where()}: no key")
        if mode in ("kafka", "none") or (mode == "record_key" and record.key is None):
            if row is None or not row or record.value is None or self._is_delete(record):
                return None
            names = fields if len(fields) == 3 else COORDINATES
            values = (origin_topic(record), record.partition, record.offset)
            return {n: (k, v) for n, k, v in zip(names, (TEXT, INTEGER, BIGINT), values, strict=True)}
        if mode == "record_value":
            if not row or schema is None:
                return None
            return dict(self._read(name, schema.get(name), row[name]) for name in fields)
        if record.key_schema is None:
            raise DataError(f"{record.where()}: no key schema")
        if record.key_schema.type is Type.STRUCT:
            names = fields or [f.name for f in record.key_schema.fields]
            return dict(self._read(name, record.key_schema.get(name), record.key[name]) for name in names)
        if len(fields) != 1:
            raise DataError(f"{record.where()}: the key has no name")
        return dict([self._read(fields[0], record.key_schema, record.key)])

    def _is_delete(self, record: Record) -> bool:
        return self._images(record)[2]

    def _read(self, name: str, schema: Schema | None, value: Any) -> tuple[str, tuple[Kind, Any]]:
        if schema is None or value is None:
            raise DataError(f"the key column {name} has no value")
        kind, read = column_of(schema)
        found = read(value)
        kind.pack(found)  # raises for what the column cannot hold
        return self._column(name), (kind, found)

    def _column(self, name: str) -> str:
        return name if self.values["quote.identifiers"] else name.lower()

    def _digest(
        self, record: Record, part: str, name: bytes, key: Mapping[str, tuple[Kind, Any]], row: Mapping[str, Any],
        schema: Schema, placeholder: Placeholder,
    ) -> int:  # fmt: skip
        found = {column: compact(kind.canonical(value)) for column, (kind, value) in key.items()}
        unchanged: list[str] = []
        size = 0
        for item in schema.fields:
            column, value = self._column(item.name), row.get(item.name)
            if column in key or value is None or not self._wanted(record.topic, item.name):
                continue
            kind, read = column_of(item.schema)
            toastable = kind.item is not None or kind.sql in ("text", "bytea", "jsonb")
            if toastable and placeholder.matches(value):
                unchanged.append(column)
                continue
            read_value = read(value)
            kind.pack(read_value)
            canonical = kind.canonical(read_value)
            size += len(canonical) + 8
            found[column] = compact(canonical)
        self._fill(record, part, name, found, unchanged, size)
        return row_digest((name_prefix(column), found[column]) for column in sorted(found))

    def _fill(
        self, record: Record, part: str, name: bytes, found: dict[str, bytes], unchanged: list[str], size: int
    ) -> None:
        """Put earlier values in the place of placeholders, and remember what later ones may stand for."""
        place, offset = (origin_topic(record), record.partition), -1 if record.offset is None else record.offset
        earlier = self._remembered.get((part, name)) if unchanged else None
        if earlier is not None and (earlier.place != place or earlier.offset < offset or offset < 0):
            found.update({column: earlier.values[column] for column in unchanged if column in earlier.values})
        if unchanged or size >= TOASTED_FROM:
            self._remembered[part, name] = _Remembered(place, offset, dict(found))
        elif self._remembered:
            self._remembered.pop((part, name), None)

    def _wanted(self, topic: str, name: str) -> bool:
        found = self._included.get((topic, name))
        if found is None:
            mark = self.values["delete.enabled"] and name == DELETED_FIELD
            found = self._included[topic, name] = not mark and is_included(self.values, topic, name)
        return found
