"""From a record to what it makes of a document: which index, which id, which fields.

Reads Debezium's change events, flat records as ExtractNewRecordState leaves them (tombstones, `__deleted`), and maps
without a schema.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from headwater.connectors.debezium.change import change_of
from headwater.connectors.debezium.envelope import MESSAGE, TRUNCATE
from headwater.connectors.debezium.placeholder import Placeholder
from headwater.worker.api import DataError, Record, Schema, Type, Values

from .ids import Ids, coordinates
from .iso import timestamp_text
from .kinds import Definition, Kind, digits_of
from .mappings import Mappings, Properties, key_fields
from .names import index_name
from .options import DELETE, FAIL, UPSERT, is_stream

DELETED: Final = "__deleted"
TIME: Final = "@timestamp"
_TIME_FIELD: Final[Definition] = {"type": "date"}
"""A data stream takes no other: a document whose time is malformed is refused, whatever its other dates may be."""
Document = dict[str, Any]

_TOASTABLE: Final = frozenset((Type.STRING, Type.BYTES, Type.ARRAY, Type.MAP))
_WRONG: Final = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What records of one topic with one pair of schemas become. Compared by identity; made once.

    `kinds` None: values without a schema. `guessed`: Elasticsearch finds out about fields itself.
    """

    part: str
    properties: Properties
    guessed: bool
    kinds: Mapping[str, Kind] | None
    toastable: tuple[str, ...]


class Change(NamedTuple):
    """`document` None: the record deletes it. `unfilled`: fields whose value the event leaves out, not in `document`.

    `version` None: each record has a document of its own.
    """

    record: Record
    plan: Plan
    id: str
    document: Document | None
    unfilled: tuple[str, ...]
    version: int | None


class Documents:
    """Makes changes of records, for one view."""

    def __init__(self, values: Values) -> None:
        self._stream = is_stream(values)
        self._each: bool = values["key.ignore"] or self._stream
        self._nulls: str = values["behavior.on.null.values"]
        self._format: str = values["index.name.format"]
        if self._stream:
            dataset = values["data.stream.dataset"]
            self._format = f"{values['data.stream.type']}-{dataset}-{values['data.stream.namespace']}"
        self._times: list[str] = values["data.stream.timestamp.field"]
        self._guessed: bool = values["schema.ignore"]
        self._mappings = Mappings(values)
        self._ids = Ids(self._mappings.rules)
        self._placeholder = Placeholder(values["unavailable.value.placeholder"])
        self.merges: bool = values["write.method"] == UPSERT and not self._each
        self._plans: dict[tuple[Any, ...], Plan] = {}

    def change(self, record: Record) -> Change | None:
        """None: the record changes nothing. Raises `DataError`."""
        found = change_of(record)
        if found.op in (TRUNCATE, MESSAGE):
            return None
        after, schema = found.after, found.row_schema
        if found.deletes or after is None or _is_mark(after.get(DELETED)):
            return self._deleted(record)
        plan = self._plan(record, schema)
        try:
            document, unfilled = self._document(plan, after)
        except _WRONG as error:
            raise DataError(f"{record.where()}: {error}") from error
        if self._stream:
            document[TIME] = self._time(record, document)
        if self._each:
            return Change(record, plan, coordinates(record), document, (), None)
        return Change(record, plan, self._ids.of(record), document, unfilled, version_of(record))

    def _deleted(self, record: Record) -> Change | None:
        if self._nulls == FAIL:
            raise DataError(f"{record.where()}: a delete or a tombstone, and behavior.on.null.values is fail")
        if self._nulls != DELETE or self._each or record.key is None:
            return None
        return Change(record, self._plan_of_delete(record), self._ids.of(record), None, (), version_of(record))

    def _document(self, plan: Plan, row: Mapping[str, Any]) -> tuple[Document, tuple[str, ...]]:
        matches = self._placeholder.matches
        if plan.kinds is None:
            found = {name: value for name, value in row.items() if name != DELETED and not matches(value)}
            return found, tuple([n for n, v in row.items() if n != DELETED and matches(v)])
        unfilled = tuple([name for name in plan.toastable if matches(row.get(name))])
        made: Document = {}
        for name, kind in plan.kinds.items():
            value = row.get(name)
            if value is None:
                made[name] = None
            elif name not in unfilled:
                try:
                    made[name] = kind.read(value)
                except _WRONG as error:
                    raise ValueError(f"the field {name}: {error}") from error
        return made, unfilled

    def _time(self, record: Record, document: Document) -> Any:
        """Of `@timestamp`: epoch milliseconds count as well."""
        for name in self._times:
            if document.get(name) is not None:
                return document[name]
        if record.timestamp_ms is None:
            raise DataError(
                f"{record.where()}: neither the record nor a field of data.stream.timestamp.field has a time"
            )
        return timestamp_text(record.timestamp_ms * 1000)

    def _plan(self, record: Record, schema: Schema | None) -> Plan:
        marker = (record.topic, record.key_schema, schema)
        plan = self._plans.get(marker)
        if plan is None:
            plan = self._plans[marker] = self._made(record, schema)
        return plan

    def _plan_of_delete(self, record: Record) -> Plan:
        """A delete does not tell whether the topic's values have schemas: the first value will."""
        marker = (record.topic,)
        plan = self._plans.get(marker)
        if plan is None:
            part = index_name(self._format, record.topic)
            plan = self._plans[marker] = Plan(part, self._mappings.properties({}), False, None, ())
        return plan

    def _made(self, record: Record, schema: Schema | None) -> Plan:
        part = index_name(self._format, record.topic)
        if schema is None or schema.type is not Type.STRUCT:
            return Plan(part, self._with_time(self._mappings.properties({})), schema is None, None, ())
        keys = key_fields(record.key_schema)
        kinds = {n: k for n, k in self._mappings.kinds(record.topic, schema, keys).items() if n != DELETED}
        toastable = tuple(f.name for f in schema.fields if f.schema.type in _TOASTABLE and f.name in kinds)
        return Plan(part, self._with_time(self._mappings.properties(kinds)), self._guessed, kinds, toastable)

    def _with_time(self, properties: Properties) -> Properties:
        return {**properties, TIME: _TIME_FIELD} if self._stream else properties


def version_of(record: Record) -> int:
    """The record's own, else its offset. Raises `DataError` where it has neither."""
    found = record.offset if record.version is None else record.version
    if found is None:
        raise DataError(f"{record.where()}: the record has neither a version nor an offset")
    return found


def encoded(document: Document, where: str) -> bytes:
    """JSON, UTF-8. Raises `DataError`."""
    try:
        return orjson.dumps(document, default=_other, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        raise DataError(f"{where}: the record cannot be written as JSON: {error}") from error


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Document:
    """`change` put into `base`, objects member by member, as Elasticsearch's partial updates do."""
    found = dict(base)
    for name, value in change.items():
        here = found.get(name)
        found[name] = merged(here, value) if isinstance(here, dict) and isinstance(value, dict) else value
    return found


def _is_mark(value: Any) -> bool:
    return value is True or value == "true"


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return digits_of(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")
