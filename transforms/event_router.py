"""EventRouter: rows inserted into an outbox table become events on topics of their own.

Source: io.debezium.transforms.outbox.{EventRouter,EventRouterDelegate,EventRouterConfigDefinition} of Debezium
3.7.0.Final. Differences: events without schemas are routed too; Connect's Timestamp may give the event's time; a JSON
payload that is an array becomes one (Debezium's record then has an array's schema and the text); a schema made for one
route is never used for another, nor one without a version for all.
"""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple

from headwater.connectors.debezium.envelope import DELETE, UPDATE, is_envelope
from headwater.worker.api import (
    TIMESTAMP,
    ConfigError,
    DataError,
    Header,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Type,
    Unsupported,
    Values,
    primitive,
    struct,
)

from .insert_header import not_ours
from .java_regex import compile_java, compile_replacement, java_regex
from .json_payload import JsonPayload
from .kept import Kept
from .struct_values import field_schema, value_of

log = logging.getLogger(__name__)

_TEXT: Final = primitive(Type.STRING)
_PER_MS: Final = {
    TIMESTAMP: 1,
    "io.debezium.time.Timestamp": 1,
    "io.debezium.time.MicroTimestamp": 1_000,
    "io.debezium.time.NanoTimestamp": 1_000_000,
}
_NO_SPANS: Final = "Headwater writes no OpenTelemetry spans; leave it out"
_LOW: Final = "low"


class _Placed(NamedTuple):
    field: str
    placement: str
    alias: str


def _wrong_placement(items: list[str]) -> str | None:
    for item in items:
        parts = [part.strip() for part in item.split(":")]
        if len(parts) not in (2, 3) or not all(parts) or parts[1].lower() not in ("header", "envelope", "partition"):
            return (
                f"must hold field:header, field:envelope or field:partition, with :alias where wanted; {item!r} is none"
            )
        if parts[1].lower() == "header" and (wrong := not_ours(parts[-1 if len(parts) == 3 else 0])):
            return wrong
    return None


class EventRouter(Transform):
    doc = "Route events from an outbox table to topics by what a column says."
    events = True
    options = Options(
        Option("table.field.event.id", default="id", doc="Column of the event's id.", importance=_LOW),
        Option("table.field.event.key", default="aggregateid", doc="Column of the event's key.", importance=_LOW),
        Option("table.field.event.type", default="type", doc="Column of its type; not used.", importance=_LOW),
        Option("table.field.event.payload", default="payload", doc="Column of the payload.", importance=_LOW),
        Option("table.field.event.timestamp", default=None, doc="Column of the record's time; else the event's ts_ms."),
        Option(
            "table.fields.additional.placement",
            OptionType.LIST,
            [],
            "More columns, each as field:header, field:envelope or field:partition, and :alias where wanted.",
            validate=_wrong_placement,
            importance="high",
        ),
        Option(
            "table.field.additional.missing",
            default="error",
            doc="Where one of them is missing.",
            choices=("error", "ignore"),
        ),
        Option(
            "table.field.event.schema.version", default=None, doc="Column of the schema's version.", importance=_LOW
        ),
        Option("route.by.field", default="aggregatetype", doc="Column that decides the topic.", importance="high"),
        Option(
            "route.topic.regex",
            default="(?<routedByValue>.*)",
            doc="What that column's whole value has to match.",
            validate=java_regex,
            importance=_LOW,
        ),
        Option(
            "route.topic.replacement",
            default="outbox.event.${routedByValue}",
            doc="The topic; ${name} or $1 stands for a group.",
            importance="high",
        ),
        Option(
            "route.tombstone.on.empty.payload",
            OptionType.BOOLEAN,
            False,
            "Make a tombstone of an event without a payload.",
            importance="high",
        ),
        Option(
            "table.op.invalid.behavior",
            default="warn",
            doc="An update of the outbox is skipped with a warning or an error in the log, or stops the task.",
            choices=("warn", "error", "fatal"),
        ),
        Option("table.expand.json.payload", OptionType.BOOLEAN, False, "Make a struct of a payload that is JSON."),
        Option(
            "table.json.payload.null.behavior",
            default="ignore",
            doc="Nulls in it: left out, or a field of optional bytes.",
            choices=("ignore", "optional_bytes"),
        ),
        Option(
            "table.json.payload.empty.array.behavior",
            default="ignore",
            doc="Empty arrays in it: left out, or arrays of optional strings.",
            choices=("ignore", "optional_string"),
        ),
        Unsupported("field.name.adjustment.mode", "names of fields stay as they are", harmless=("none",)),
        Unsupported("tracing.span.context.field", _NO_SPANS),
        Unsupported("tracing.operation.name", _NO_SPANS),
        Unsupported("tracing.with.context.field.only", _NO_SPANS),
    )

    def configure(self, values: Values) -> None:
        self._id: str = values["table.field.event.id"]
        self._key: str = values["table.field.event.key"]
        self._payload: str = values["table.field.event.payload"]
        self._time: str | None = values["table.field.event.timestamp"] or None
        self._version: str | None = values["table.field.event.schema.version"] or None
        self._route_by: str = values["route.by.field"]
        placed = [[part.strip() for part in item.split(":")] for item in values["table.fields.additional.placement"]]
        self._placed = [_Placed(parts[0], parts[1].lower(), parts[-1 if len(parts) == 3 else 0]) for parts in placed]
        self._missing_is_error = values["table.field.additional.missing"] == "error"
        self._enveloped = any(p.placement == "envelope" for p in self._placed)
        self._tombstones: bool = values["route.tombstone.on.empty.payload"]
        self._invalid: str = values["table.op.invalid.behavior"]
        self._told: set[str] = set()
        self._pattern = compile_java(values["route.topic.regex"])
        try:
            self._replacement = compile_replacement(self._pattern, values["route.topic.replacement"])
        except ValueError as error:
            problem = Problem("route.topic.replacement", str(error), value=values["route.topic.replacement"])
            raise ConfigError([problem]) from error
        self._topics: Kept[str, str] = Kept(self._topic)
        nulls = values["table.json.payload.null.behavior"] == "optional_bytes"
        empty = values["table.json.payload.empty.array.behavior"] == "optional_string"
        self._json = JsonPayload(self._payload, nulls, empty) if values["table.expand.json.payload"] else None
        self._schemas: Kept[tuple[Schema, Schema, str, int | None], Schema] = Kept(self._value_schema)

    def apply(self, record: Record) -> Record | None:
        if record.value is None:
            return None
        if not is_envelope(record.value_schema, record.value):
            return record
        op = record.value.get("op")
        if op == DELETE:
            return None
        try:
            if op == UPDATE:
                self._unexpected(record)
                return None
            return self._routed(record, record.value)
        except DataError as error:
            raise DataError(f"{record.where()}: EventRouter: {error}") from error

    def _unexpected(self, record: Record) -> None:
        if self._invalid == "fatal":
            raise DataError(
                "a row of the outbox was updated, and table.op.invalid.behavior is fatal. Rows of an outbox are "
                "inserted and deleted alone: find who updates them, or choose warn"
            )
        if record.topic not in self._told:
            self._told.add(record.topic)
            level = logging.ERROR if self._invalid == "error" else logging.WARNING
            log.log(level, "%s: updates of an outbox's rows are skipped; further ones are not told", record.where())

    def _routed(self, record: Record, event: dict[str, Any]) -> Record:
        row = event.get("after")
        if not isinstance(row, dict):
            raise DataError(f"an event with op {event.get('op')!r} has no row in `after`")
        schema = None if record.value_schema is None else record.value_schema.get("after")
        payload_schema = field_schema(schema, row, self._payload)
        timestamp = self._timestamp(event, row, schema)
        id_schema = field_schema(schema, row, self._id)
        headers = [*record.headers, Header("id", value_of(row, self._id, id_schema), id_schema)]
        payload = value_of(row, self._payload, payload_schema)
        if self._json is not None:
            payload, payload_schema = self._json.expanded(payload, payload_schema, record)
        route = self._text(row, schema, self._route_by)
        value, value_schema = payload, payload_schema
        if self._enveloped:
            value = {"payload": payload}
            value_schema = self._envelope(row, schema, payload_schema, route)
        partition = self._place(row, schema, headers, value)
        if self._tombstones and (payload is None or (isinstance(payload, str) and not payload.strip())):
            value = value_schema = None
        key_schema = _TEXT if schema is None else field_schema(schema, row, self._key)
        return record.replace(
            topic=self._topics(route),
            partition=partition,
            key=value_of(row, self._key, key_schema),
            key_schema=None if schema is None else key_schema,
            value=value,
            value_schema=value_schema,
            timestamp_ms=timestamp,
            headers=tuple(headers),
        )

    def _timestamp(self, event: dict[str, Any], row: dict[str, Any], schema: Schema | None) -> int | None:
        if self._time is None:
            return event.get("ts_ms")
        of_field = field_schema(schema, row, self._time)
        value = row.get(self._time)
        if value is None:
            return event.get("ts_ms")
        per_ms = 1 if of_field is None else _PER_MS.get(of_field.name or "")
        if per_ms is None or not isinstance(value, int):
            kind = "a value without a schema" if of_field is None else of_field.name or of_field.type.name
            raise DataError(f"the field {self._time} is {kind}: it does not say the event's time")
        return value // per_ms if value >= 0 else -(-value // per_ms)

    def _text(self, row: dict[str, Any], schema: Schema | None, name: str) -> str:
        field_schema(schema, row, name)
        value = row.get(name)
        if not isinstance(value, str):
            raise DataError(f"the field {name} holds no text to route by")
        return value

    def _topic(self, route: str) -> str:
        if not self._pattern.fullmatch(route):
            return route
        return self._pattern.sub(self._replacement, route, count=1)

    def _place(
        self, row: dict[str, Any], schema: Schema | None, headers: list[Header], value: dict[str, Any]
    ) -> int | None:
        """The additional columns; returns the partition that one of them says."""
        partition = None
        for field, placement, alias in self._placed:
            if not self._missing_is_error and (field not in row if schema is None else schema.get(field) is None):
                continue
            of_field = field_schema(schema, row, field)
            if placement == "header":
                headers.append(Header(alias, value_of(row, field, of_field), of_field))
            elif placement == "envelope":
                value[alias] = value_of(row, field, of_field)
            else:
                if of_field is not None and of_field.type is not Type.INT32:
                    raise DataError(f"the field {field} is no int32, and is to be the partition")
                partition = row.get(field)
        return partition

    def _envelope(
        self, row: dict[str, Any], schema: Schema | None, payload: Schema | None, route: str
    ) -> Schema | None:
        version = None
        if self._version is not None:
            of_field = field_schema(schema, row, self._version)
            if of_field is not None and of_field.type is not Type.INT32:
                raise DataError(f"the field {self._version} is no int32, and is to be the schema's version")
            version = row.get(self._version)
        if schema is None or payload is None:
            return None
        return self._schemas((schema, payload, route, version))

    def _value_schema(self, asked: tuple[Schema, Schema, str, int | None]) -> Schema:
        schema, payload, route, version = asked
        before, dot, last = (schema.name or "").rpartition(".")
        fields = {"payload": payload}
        for field, placement, alias in self._placed:
            of_field = schema.get(field)
            if placement == "envelope" and of_field is not None:
                fields[alias] = of_field
            elif placement == "envelope" and self._missing_is_error:
                raise DataError(f"there is no field {field}")
        return struct(fields, f"{before}{dot}{route}.{last}" if last else route, version=version)
