"""TimezoneConverter: times of change events in another time zone.

Source: io.debezium.transforms.TimezoneConverter of Debezium 3.7.0.Final. What it does is odd in places, and is done
alike: a timestamp without a zone is taken as the zone's local time and becomes the instant in UTC; the offset of a
timestamp with a zone is that of its own local time; the source block's ts_ms, ts_us and ts_ns move the other way. Times
with a zone in years that ISO dates of four digits cannot tell stay as they are, and so do infinity, the year before 1
(0000) and the time 24:00, which PostgreSQL has and Java's converter refuses.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Any, Final

from headwater.connectors.debezium.envelope import is_envelope_schema
from headwater.connectors.debezium.names import MICRO_TIMESTAMP, NANO_TIMESTAMP, ZONED_TIME, ZONED_TIMESTAMP
from headwater.connectors.debezium.names import TIMESTAMP as DEBEZIUM_TIMESTAMP
from headwater.worker.api import (
    TIMESTAMP,
    ConfigError,
    DataError,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Type,
    Values,
)

from .struct_values import value_of
from .zones import Zone

_PER_SECOND: Final = {
    MICRO_TIMESTAMP: 1_000_000,
    NANO_TIMESTAMP: 1_000_000_000,
    DEBEZIUM_TIMESTAMP: 1_000,
    TIMESTAMP: 1_000,
}
_CONVERTED: Final = {*_PER_SECOND, ZONED_TIMESTAMP, ZONED_TIME}
_EPOCH_FIELDS: Final = {"ts_ms": 1_000, "ts_us": 1_000_000, "ts_ns": 1_000_000_000}
_NAME: Final = r'[".\w\s]+'
_RULE: Final = re.compile(rf"(?:(source|topic):)?({_NAME})(?::({_NAME}))?", re.ASCII)
_ZONED_TIME: Final = re.compile(r"(\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:\d\d(?::\d\d)?)")

_Rules = dict[str, set[str]]
_Test = Any


def _wrong_rules(items: list[str]) -> str | None:
    for place, item in enumerate(items):
        found = _RULE.fullmatch(item)
        if not found or (place == 0 and found[1] is None and found[3] is None):
            forms = "source:table, source:table:field, topic:name, topic:name:field or name:field"
            return f"must hold {forms}, and {item!r} is none"
    return None


def _no_zone(name: str) -> str | None:
    try:
        Zone(name)
    except ValueError as error:
        return f"{error}; name one as America/Los_Angeles, or an offset as +08:00"
    return None


class TimezoneConverter(Transform):
    doc = "Convert times of change events to a time zone."
    options = Options(
        Option(
            "converted.timezone",
            doc="The time zone, as America/Los_Angeles or +08:00.",
            validate=_no_zone,
            importance="high",
        ),
        Option(
            "include.list",
            OptionType.LIST,
            [],
            "What to convert: source:table[:field], topic:name[:field] or name:field; empty: all.",
            validate=_wrong_rules,
            importance="high",
        ),
        Option(
            "exclude.list",
            OptionType.LIST,
            [],
            "What not to convert, in the same form.",
            validate=_wrong_rules,
            importance="high",
        ),
    )

    def configure(self, values: Values) -> None:
        included, excluded = values["include.list"], values["exclude.list"]
        if included and excluded:
            raise ConfigError([Problem("exclude.list", "cannot stand beside include.list", "keep one of the two")])
        self._zone = Zone(values["converted.timezone"])
        self._mode = "include" if included else "exclude" if excluded else "all"
        self._topics: _Rules = {}
        self._tables: _Rules = {}
        self._names: _Rules = {}
        rules = self._names
        for item in included or excluded:
            found = _RULE.fullmatch(item)
            assert found
            rules = {"topic": self._topics, "source": self._tables, None: rules}[found[1]]
            fields = rules.setdefault(found[2], set())
            if found[3]:
                fields.add(found[3])

    def apply(self, record: Record) -> Record:
        event = record.value
        if event is None or not is_envelope_schema(record.value_schema) or not isinstance(event, dict):
            return record
        assert record.value_schema is not None
        fields = self._matching((event.get("source") or {}).get("table"), record.topic)
        if self._mode == "all" or (self._mode == "exclude" and fields is None):
            tests = {"before": _every, "after": _every}
        elif fields is None or (self._mode == "exclude" and not fields):
            return record
        else:
            tests = self._tests(fields)
        try:
            changed = {
                block: self._converted(block, event[block], schema, test)
                for block, test in tests.items()
                if event.get(block) is not None and (schema := record.value_schema.get(block)) is not None
            }
        except (DataError, ValueError) as error:
            raise DataError(f"{record.where()}: TimezoneConverter: {error}") from error
        return record.replace(value=event | changed)

    def _matching(self, table: str | None, topic: str) -> set[str] | None:
        """The fields of the rule that says something of this event (empty: all); None where none does."""
        for rules, name in ((self._topics, topic), (self._tables, table), (self._names, topic), (self._names, table)):
            if name in rules:
                return rules[name]
        return None

    def _tests(self, fields: set[str]) -> dict[str, _Test]:
        """Which fields of each block to convert."""
        named: dict[str, set[str]] = {"before": set(), "after": set(), "source": set()}
        for field in fields:
            block, dot, rest = field.partition(".")
            if dot and block in named:
                named[block].add(rest)
            else:
                named["before"].add(field)
                named["after"].add(field)
        if not fields:
            return {"before": _every, "after": _every}
        tests: dict[str, _Test] = {}
        for block, names in named.items():
            if block == "source" and not names:
                continue
            tests[block] = names.__contains__ if self._mode == "include" else lambda name, n=names: name not in n
        return tests

    def _converted(self, block: str, row: dict[str, Any], schema: Schema, test: _Test) -> dict[str, Any]:
        made = dict(row)
        for field in schema.fields:
            name = field.schema.name
            epoch = block == "source" and field.name in _EPOCH_FIELDS
            if not (name in _CONVERTED or (epoch and name is None)) or not test(field.name):
                continue
            value = value_of(row, field.name, field.schema)
            if value is None:
                continue
            if name is not None:
                made[field.name] = self._value(name, value)
            elif field.schema.type is not Type.INT64:
                raise DataError(f"the field {field.name} of the source block is no int64")
            else:
                per_second = _EPOCH_FIELDS[field.name]
                made[field.name] = value + self._zone.at_instant(value // per_second) * per_second
        return made

    def _value(self, name: str, value: Any) -> Any:
        if name == ZONED_TIMESTAMP:
            return self._zoned_timestamp(value)
        if name == ZONED_TIME:
            return self._zoned_time(value)
        per_second = _PER_SECOND[name]
        return value - self._zone.at_local(value // per_second) * per_second

    def _zoned_timestamp(self, text: str) -> str:
        if text in ("infinity", "-infinity"):
            return text
        date, _, rest = text.partition("T")
        found = _ZONED_TIME.fullmatch(rest)
        if found is None:
            raise DataError("a value of io.debezium.time.ZonedTimestamp is no ISO date and time with an offset")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", date) or date.startswith("0000") or rest.startswith("24:"):
            return text
        local = datetime.fromisoformat(f"{date}T{found[1]}")
        seconds = int((local - datetime(1970, 1, 1)).total_seconds())
        offset = self._zone.at_local(seconds)
        try:
            moved = local + timedelta(seconds=offset - _offset(found[3]))
        except OverflowError:
            return text
        return f"{moved.isoformat(timespec='seconds')}{_fraction(found[2])}{_offset_text(offset)}"

    def _zoned_time(self, text: str) -> str:
        found = _ZONED_TIME.fullmatch(text)
        if found is None:
            raise DataError("a value of io.debezium.time.ZonedTime is no ISO time with an offset")
        if text.startswith("24:"):
            return text
        local = datetime.fromisoformat(f"1970-01-02T{found[1]}")
        offset = self._zone.at_instant(int(time.time()))  # a time of day has no offset of its own: today's
        moved = local + timedelta(seconds=offset - _offset(found[3]))
        return f"{moved.time().isoformat(timespec='seconds')}{_fraction(found[2])}{_offset_text(offset)}"


def _every(name: str) -> bool:
    return True


def _offset(text: str) -> int:
    if text == "Z":
        return 0
    hours, minutes, *seconds = map(int, text[1:].split(":"))
    total = hours * 3600 + minutes * 60 + (seconds[0] if seconds else 0)
    return -total if text[0] == "-" else total


def _offset_text(offset: int) -> str:
    if offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return text + (f":{seconds:02}" if seconds else "")


def _fraction(text: str | None) -> str:
    return (text or "").rstrip("0").rstrip(".")
