"""What records should make of the view, computed without the code that writes it.

Only `columns`, `kinds` and `naming` are shared: which column a field becomes, and the canonical form of a value.

Unchanged-TOAST placeholders: the earlier value of such a column is remembered, in its compact form, for rows that are
large enough to have been TOASTed at all (about 1 kB up). A record that the view cannot hold changes nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from headwater.connectors.debezium.envelope import is_envelope_schema
from headwater.connectors.debezium.placeholder import Placeholder
from headwater.worker.api import DataError, ExpectedRow, Record, Schema, Type, Values

from .canonical import compact, key_text, name_prefix, row_digest
from .columns import Read, column_of, header_column
from .kinds import BIGINT, BYTEA, INTEGER, TEXT, UUID, Kind
from .meanings import deletes_rows, folds_names, keeps_dots, takes_each_key_once
from .naming import table_name
from .options import COORDINATES
from .packing import UNPACKABLE, origin_topic
from .rows import DELETED_FIELD, is_included

TOASTED_FROM: Final = 1000
"""Bytes of a row in canonical form below which no server moves a value out of line (it begins at 2 kB)."""
EVERY_ROW: Final = b""
"""Key of an `ExpectedRow` without digest that says: the whole part is empty now (a truncate)."""

Form = Callable[[Any], tuple[int, bytes]]

_Key = dict[str, tuple[Kind, Any]]
"""Key columns by name, with their values."""


class _Remembered(NamedTuple):
    """The pieces of a large row by column, and the record that brought them."""

    place: tuple[str, int | None]
    offset: int
    values: Mapping[str, bytes]


class _Field(NamedTuple):
    """`form`: the size of an event's value in canonical form, and its piece of the row's. Raises `UNPACKABLE`."""

    column: str
    name: str
    form: Form
    toastable: bool


class _Image(NamedTuple):
    """`gone`: the record deletes the row that `row` was; `schema` None for tombstones."""

    row: Mapping[str, Any]
    schema: Schema | None
    gone: bool
    truncated: bool = False


@dataclass(slots=True)
class Expectation:
    """`versioned`: does this part compare versions? `default_schema`: for names without a schema."""

    values: Values
    default_schema: str
    versioned: Callable[[str], bool]
    _placeholder: Placeholder = field(init=False)
    _cachable: bool = field(init=False)
    _deletes: bool = field(init=False)
    _folds: bool = field(init=False)
    _dots: bool = field(init=False)
    _first_counts: bool = field(init=False)
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)
    _parts: dict[tuple[Any, ...], str] = field(default_factory=dict)
    _fields: dict[tuple[str, Schema], list[_Field]] = field(default_factory=dict)
    _remembered: dict[tuple[str, bytes], _Remembered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._placeholder = Placeholder(self.values["unavailable.value.placeholder"])
        self._deletes = deletes_rows(self.values)
        self._folds, self._dots = folds_names(self.values), keeps_dots(self.values)
        self._first_counts = takes_each_key_once(self.values)
        self._cachable = self._names_are_cachable()

    def rows(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        for record in records:
            try:
                row = self._row(record)
            except (DataError, *UNPACKABLE):
                continue  # the view hands such a record over as bad and stays as it was
            if row is not None:
                yield row

    def _row(self, record: Record) -> ExpectedRow | None:
        image = self._image(record)
        if image is None:
            return None
        part = self._part(record)
        version = None
        if self.versioned(part):
            version = record.version
            if version is None and not image.truncated:  # whose offset has no order with those of other partitions
                version = record.offset
        if image.truncated:
            return ExpectedRow(part, EVERY_ROW, None, version)
        key = self._key(record, image)
        if key is None:
            return None
        name = key_text([(column, *key[column]) for column in sorted(key)])
        if image.gone:
            self._remembered.pop((part, name), None)
            return ExpectedRow(part, name, None, version)
        digest, filled = self._digest(record, (part, name), key, image)
        return ExpectedRow(part, name, digest, version, filled, self._first_counts)

    def _image(self, record: Record) -> _Image | None:
        """The row that a record is about; None: it changes nothing."""
        value, schema, deletes = record.value, record.value_schema, self._deletes
        if value is None:
            return _Image({}, None, True) if deletes and self.values["primary.key.mode"] == "record_key" else None
        if schema is None or schema.type is not Type.STRUCT:
            raise DataError(f"{record.where()}: no schema")
        if not is_envelope_schema(schema):
            if deletes and value.get(DELETED_FIELD) in ("true", True):
                return _Image({}, schema, True)
            return _Image(value, schema, False)
        op, rows = value["op"], schema.get("after")
        if op in ("c", "r", "u"):
            return _Image(value["after"], rows, False)
        if op == "d" and deletes:
            return _Image({}, rows, True)
        return _Image({}, None, False, True) if op == "t" and self.values["truncate.enabled"] else None

    def _part(self, record: Record) -> str:
        source = None
        if record.value is not None and is_envelope_schema(record.value_schema):
            source = record.value.get("source")
        if source is None and record.topic in self._names:
            schema, table = self._names[record.topic]
            return f"{schema or self.default_schema}.{table}"
        marker = (record.topic, *((source.get("schema"), source.get("table"), source.get("db")) if source else ()))
        found = self._parts.get(marker) if self._cachable else None
        if found is None:
            pattern = self.values["collection.name.format"]
            schema, table = table_name(pattern, record.topic, source, self._folds, self._dots)
            if source is not None:
                self._names[record.topic] = (schema, table)
            found = self._parts[marker] = f"{schema or self.default_schema}.{table}"
        return found

    def _names_are_cachable(self) -> bool:
        """Does the name depend on nothing but topic, schema, table and database?"""
        pattern: str = self.values["collection.name.format"]
        for known in ("${topic}", "${source.schema}", "${source.table}", "${source.db}"):
            pattern = pattern.replace(known, "")
        return "${" not in pattern

    def _key(self, record: Record, image: _Image) -> _Key | None:
        """None: the record names no row."""
        mode, names = self.values["primary.key.mode"], self.values["primary.key.fields"]
        if mode == "record_key" and record.key is None and self.values.given("primary.key.mode"):
            raise DataError(f"{record.where()}: no key")
        if mode in ("kafka", "none") or (mode == "record_key" and record.key is None):
            if image.gone:
                return None
            columns = names if len(names) == 3 else COORDINATES
            place = (origin_topic(record), record.partition, record.offset)
            return {n: (k, v) for n, k, v in zip(columns, (TEXT, INTEGER, BIGINT), place, strict=True)}
        if mode == "record_value":
            return self._read_key(names or self._all_fields(record.topic, image.schema), image.schema, image.row)
        if mode == "record_header":
            return dict([self._read_header(record, name) for name in names])
        if record.key_schema is None:
            raise DataError(f"{record.where()}: no key schema")
        if record.key_schema.type is Type.STRUCT:
            return self._read_key(names or list(record.key), record.key_schema, record.key)
        if len(names) != 1:
            raise DataError(f"{record.where()}: the key has no name")
        return dict([self._read(names[0], record.key_schema, record.key)])

    def _read_key(self, names: Iterable[str], schema: Schema | None, row: Mapping[str, Any]) -> _Key:
        return dict([self._read(name, schema and schema.get(name), row[name]) for name in names])

    def _read(self, name: str, schema: Schema | None, value: Any) -> tuple[str, tuple[Kind, Any]]:
        if schema is None or value is None:
            raise DataError(f"the key column {name} has no value")
        kind, read = column_of(schema)
        found = read(value)
        kind.pack(found)  # raises for what the column cannot hold
        return self._column(name), (kind, found)

    def _all_fields(self, topic: str, schema: Schema | None) -> list[str]:
        names = [item.name for item in schema.fields] if schema else []
        return [name for name in names if is_included(self.values, topic, name)]

    def _read_header(self, record: Record, name: str) -> tuple[str, tuple[Kind, Any]]:
        found = [header for header in record.headers if header.name == name]
        if not found or found[-1].value is None:
            raise DataError(f"{record.where()}: no header {name}")
        kind, read = header_column(found[-1].schema)
        value = read(found[-1].value)
        kind.pack(value)
        return self._column(name), (kind, value)

    def _column(self, name: str) -> str:
        return name.lower() if self._folds else name

    def _digest(self, record: Record, row_name: tuple[str, bytes], key: _Key, image: _Image) -> tuple[int, bool]:
        """And whether all values are known: this record's own, or an earlier one's for its placeholders."""
        found = {column: name_prefix(column) + compact(kind.canonical(value)) for column, (kind, value) in key.items()}
        unchanged: list[str] = []
        size = 0
        get, matches = image.row.get, self._placeholder.matches
        for column, name, form, toastable in self._fields_of(record.topic, image.schema):
            value = get(name)
            if value is None or column in key:
                continue
            if toastable and matches(value):
                unchanged.append(column)
                continue
            length, found[column] = form(value)
            size += length + 8
        if unchanged or size >= TOASTED_FROM or self._remembered:
            self._fill(record, row_name, found, unchanged, size)
        filled = all(column in found for column in unchanged)
        return row_digest([found[column] for column in sorted(found)]), filled

    def _fill(
        self, record: Record, row_name: tuple[str, bytes], found: dict[str, bytes], unchanged: list[str], size: int
    ) -> None:
        """Put earlier values in the place of placeholders, and remember what later ones may stand for."""
        place, offset = (origin_topic(record), record.partition), -1 if record.offset is None else record.offset
        earlier = self._remembered.get(row_name) if unchanged else None
        if earlier is not None and (earlier.place != place or earlier.offset < offset or offset < 0):
            found.update({column: earlier.values[column] for column in unchanged if column in earlier.values})
        if unchanged or size >= TOASTED_FROM:
            self._remembered[row_name] = _Remembered(place, offset, dict(found))
        else:
            self._remembered.pop(row_name, None)

    def _fields_of(self, topic: str, schema: Schema | None) -> list[_Field]:
        if schema is None:
            raise DataError(f"{topic}: a row without a schema")
        found = self._fields.get((topic, schema))
        if found is None:
            found = self._fields[topic, schema] = []
            for item in schema.fields:
                mark = self._deletes and item.name == DELETED_FIELD
                if mark or not is_included(self.values, topic, item.name):
                    continue
                column, (kind, read) = self._column(item.name), column_of(item.schema)
                toastable = kind.item is not None or kind.sql in ("text", "bytea", "jsonb")
                found.append(_Field(column, item.name, _form(column, kind, read), toastable))
        return found


def _form(column: str, kind: Kind, read: Read) -> Form:
    """What a column cannot hold has no form there: `pack` raises for it."""
    prefix, pack, canonical = name_prefix(column), kind.pack, kind.canonical
    packed_is_canonical = kind in (TEXT, BYTEA, UUID)

    def form(value: Any) -> tuple[int, bytes]:
        found = read(value)
        packed = pack(found)
        found = packed if packed_is_canonical else canonical(found)
        return len(found), prefix + compact(found)

    return form
