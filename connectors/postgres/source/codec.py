"""One table's rows: text values in, event values and their schemas out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from headwater.connectors.debezium.placeholder import NO_PLACEHOLDER, Placeholder
from headwater.connectors.postgres.catalog import ColumnInfo, TableInfo
from headwater.connectors.postgres.types.column_type import ColumnType
from headwater.connectors.postgres.types.default import constant_default
from headwater.connectors.postgres.types.fallback import fallback
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.connectors.postgres.types.registry import TypeLookup, column_type
from headwater.worker.api import NO_DEFAULT, DataError, Fatal, Schema, struct

from .masking import Masking
from .pgoutput import UNCHANGED, Value


class TableCodec:
    """Made once for each version of a table; rows of it share its schemas.

    `names`: the columns of an event, in order. `omitted`: columns that `include` wants and that are left out because
    events cannot hold their type. `key_columns`: what the key is made of, empty for a table without one.
    """

    def __init__(
        self,
        table: TableInfo,
        types: TypeLookup,
        modes: ValueModes,
        prefix: str,
        delivered: Sequence[str] | None = None,
        include: Callable[[ColumnInfo], bool] = lambda column: True,
        key: Sequence[str] | None = None,
        masking: Masking | None = None,
    ) -> None:
        """`delivered`: names of the columns in the order in which rows bring them (of COPY, of a Relation), default
        all of the table's. `include`: the column filter. `key`: the columns of the key, where the user names them
        (message.key.columns); else the primary key, else the replica identity index. The key holds its columns even
        where `include` keeps them out of the value, and as they are where `masking` changes them in the value.

        Raises `Fatal` for a delivered or key column that the table does not have.
        """
        self.table = table
        names = [column.name for column in table.columns] if delivered is None else list(delivered)
        self._width = len(names)
        self.key_columns = tuple(table.key or table.identity_key) if key is None else tuple(key)
        chosen: list[tuple[int, ColumnInfo, ColumnType]] = []
        keys: dict[str, tuple[int, ColumnInfo, ColumnType]] = {}
        omitted = []
        masked: set[str] = set()
        self._constants: dict[str, str] = {}
        for place, column in enumerate(_columns(table, names)):
            type = column_type(column, types, modes)
            if type is not None and column.name in self.key_columns:
                keys[column.name] = (place, column, type)
            if not include(column):
                continue
            if type is None:
                omitted.append(column.name)
                continue
            changed = masking.of(table.full_name, column, type, types) if masking else None
            if changed is not None:
                masked.add(column.name)
                type = changed.type
                if changed.constant is not None:
                    self._constants[column.name] = changed.constant
            chosen.append((place, column, type))
        self.names = tuple(column.name for _, column, _ in chosen)
        self.omitted = tuple(omitted)
        self._places = tuple(place for place, _, _ in chosen)
        self._decoders = tuple(type.decode for _, _, type in chosen)
        self._pick = _picker(self._places, self._width)
        schemas = {column.name: _schema(column, type) for _, column, type in chosen}
        topic = f"{prefix}.{table.schema}.{table.name}"
        self.row_schema: Schema = struct(schemas, f"{topic}.Value")
        self.key_schema: Schema | None = None
        if self.key_columns:
            self._check_key(keys, names)
            fields = {name: _schema(keys[name][1], keys[name][2]) for name in self.key_columns}
            self.key_schema = struct(fields, f"{topic}.Key")
        self._key_places = tuple(keys[name][0] for name in self.key_columns)
        apart = [name for name in self.key_columns if name not in self.names or name in masked]
        self._hidden_keys = {name: keys[name][2].decode for name in apart}
        self._placeholders = _placeholders(chosen, modes)

    def decode_row(self, values: Sequence[Value]) -> dict[str, Any]:
        """A row as the event holds it. Raises `DataError` for a value that cannot be decoded."""
        if len(values) != self._width:
            raise self._wrong_width(values)
        if self._pick is not None:
            values = self._pick(values)
        if UNCHANGED in values:
            return self._decode_each(values) | self._constants
        try:
            row = {
                name: None if value is None else decode(value)  # type: ignore[arg-type]
                for name, decode, value in zip(self.names, self._decoders, values, strict=True)
            }
        except Exception:  # whatever a decoder stumbles over: the slow way finds the column and raises DataError
            return self._decode_each(values) | self._constants
        return row | self._constants if self._constants else row

    def decode_old_key(self, values: Sequence[Value]) -> dict[str, Any]:
        """An old row of which the server sent only the key: other columns are null, or empty where null is not
        allowed, as in Debezium."""
        row = self.decode_row(values)
        for name, schema in ((field.name, field.schema) for field in self.row_schema.fields):
            if row[name] is None and not schema.optional:
                row[name] = fallback(schema)
        return row

    def key(self, row: dict[str, Any], values: Sequence[Value]) -> dict[str, Any] | None:
        """The key of `row`, which was decoded from `values`; None for a table without one.

        Raises `DataError` where a part of the key is an unchanged TOASTed value: an update then brings it in its old
        key, of which it has to be filled in before.
        """
        if not self._key_places:
            return None
        for place in self._key_places:
            if values[place] is UNCHANGED:
                raise DataError(f"table {self.table.full_name}: the server did not send the key of a changed row")
        if not self._hidden_keys:
            return {name: row[name] for name in self.key_columns}
        key = {}
        for name, place in zip(self.key_columns, self._key_places, strict=True):
            value = values[place]
            decode = self._hidden_keys.get(name)
            key[name] = row[name] if decode is None else self._decode_one(name, decode, value)
        return key

    def unchanged(self, values: Sequence[Value]) -> tuple[str, ...]:
        """The columns of an event whose values the server did not send because the update left them as they were."""
        if UNCHANGED not in values:
            return ()
        return tuple(name for name, at in zip(self.names, self._places, strict=True) if values[at] is UNCHANGED)

    def _decode_each(self, values: Sequence[Value]) -> dict[str, Any]:
        columns = zip(self.names, self._decoders, values, strict=True)
        return {
            name: self._placeholder(name) if value is UNCHANGED else self._decode_one(name, decode, value)
            for name, decode, value in columns
        }

    def _decode_one(self, name: str, decode: Callable[[bytes], Any], value: Value) -> Any:
        try:
            return None if value is None else decode(value)  # type: ignore[arg-type]
        except Exception as error:  # values are the user's: any failure is this record's
            raise DataError(f"{self.table.full_name}.{name}: the value cannot be decoded: {error}") from error

    def _placeholder(self, name: str) -> Any:
        value = self._placeholders[name]
        if value is NO_PLACEHOLDER:
            raise DataError(
                f"{self.table.full_name}.{name}: the server did not send this large value because the change did not "
                "touch it, and its type has no placeholder. Set toast.policy=reselect, or give the table "
                "REPLICA IDENTITY FULL"
            )
        return value

    def _check_key(self, keys: Iterable[str], names: Iterable[str]) -> None:
        missing = [name for name in self.key_columns if name not in keys]
        if missing:
            why = "of a type that events cannot hold" if missing[0] in names else "not among the published columns"
            raise Fatal(
                f"table {self.table.full_name}: the key column {missing[0]} is {why}. Name another key with "
                "message.key.columns" + ("" if missing[0] in names else ", or publish it")
            )

    def _wrong_width(self, values: Sequence[Value]) -> Fatal:
        return Fatal(
            f"table {self.table.full_name}: a row came with {len(values)} columns where {self._width} were announced; "
            "nothing of it was used. A restart reads the table's description again"
        )


def _columns(table: TableInfo, names: Iterable[str]) -> list[ColumnInfo]:
    known = {column.name: column for column in table.columns}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Fatal(f"table {table.full_name} has no column {unknown[0]}; was it changed while it was being read?")
    return [known[name] for name in names]


def _schema(column: ColumnInfo, type: ColumnType) -> Schema:
    # A default in the schema of a column that may be null turns its nulls into that default on the log: Kafka Connect's
    # JSON converter does so (replace.null.with.default). Debezium loses nulls that way; we do not.
    default = constant_default(column, type) if column.not_null else NO_DEFAULT
    return type.schema.with_(optional=not column.not_null, default=default)


def _picker(places: tuple[int, ...], width: int) -> Callable[[Sequence[Value]], Sequence[Value]] | None:
    """None where all are wanted as they come."""
    if places == tuple(range(width)):
        return None
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


def _placeholders(chosen: Iterable[tuple[int, ColumnInfo, ColumnType]], modes: ValueModes) -> dict[str, Any]:
    placeholder = Placeholder(modes.unavailable_placeholder.decode(errors="replace"))
    return {
        column.name: placeholder.of(type.schema) if type.placeholder is None else type.placeholder
        for _, column, type in chosen
    }
