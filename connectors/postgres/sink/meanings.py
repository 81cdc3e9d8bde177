"""What the view's options say together, where two products say one thing in two ways. One function a question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from headwater.worker.api import Problem, Values

BY_KEY: Final = ("record_key", "record_header")
"""Key modes in which the record of a delete still names its row."""
BY_COORDINATES: Final = ("kafka", "none")
UPSERT: Final = "upsert"
INSERT: Final = "insert"
UPDATE: Final = "update"
"""Values of insert.mode."""
PASSTHROUGH: Final = "passthrough"
NAMING_STRATEGIES: Final = {
    "default": "default",
    "io.debezium.sink.naming.defaultcollectionnamingstrategy": "default",
    "io.debezium.connector.jdbc.naming.defaulttablenamingstrategy": "default",
    "passthrough": PASSTHROUGH,
    "io.debezium.sink.naming.passthroughcollectionnamingstrategy": PASSTHROUGH,
}
"""In lower case: Debezium's classes of which the rules are known."""


def deletes_rows(values: Values) -> bool:
    """Do deletes take rows away? Only a record's key, or a header, names the row surely: the values of a deleted row
    need not be in the event. With `update` the rows are somebody else's: only where the user says so."""
    return (
        bool(values["delete.enabled"])
        and values["primary.key.mode"] in BY_KEY
        and (values["insert.mode"] != UPDATE or values.given("delete.enabled"))
    )


def creates_tables(values: Mapping[str, Any]) -> bool:
    asked = values["auto.create"]
    if changes_only(values):
        return False
    return values["schema.evolution"] == "basic" if asked is None else bool(asked)


def changes_tables(values: Mapping[str, Any]) -> bool:
    asked = values["auto.evolve"]
    return values["schema.evolution"] == "basic" if asked is None else bool(asked)


def why_not(values: Mapping[str, Any], option: str) -> str:
    """For messages: what keeps tables from being made (`auto.create`) or changed (`auto.evolve`)."""
    if values[option] is not None:
        return f"{option} is false"
    return f"schema.evolution is {values['schema.evolution']}"


def folds_names(values: Mapping[str, Any]) -> bool:
    """Are names taken without quotes, so that PostgreSQL folds them to lower case?"""
    return not values["quote.identifiers"] or values["quote.sql.identifiers"] == "never"


def keeps_dots(values: Mapping[str, Any]) -> bool:
    """Does `${topic}` stand for the topic as it is, so that `public.orders` is a schema and a table?"""
    return NAMING_STRATEGIES.get(values["collection.naming.strategy"].lower()) == PASSTHROUGH


def takes_each_key_once(values: Mapping[str, Any]) -> bool:
    """Is a record refused whose row is there?"""
    return bool(values["insert.mode"] == INSERT)


def changes_only(values: Mapping[str, Any]) -> bool:
    """Are records ignored whose row is not there?"""
    return bool(values["insert.mode"] == UPDATE)


def is_log(values: Mapping[str, Any]) -> bool:
    """Does each record count, not only the newest of its key? A compacted topic is then not enough for a rebuild."""
    return values["primary.key.mode"] in BY_COORDINATES or takes_each_key_once(values)


def tells_by_log_key(values: Mapping[str, Any]) -> bool:
    """Does the log tell by its keys whether a row has a newer record, or does the row itself, by its version?"""
    named_by_key = values["primary.key.mode"] not in ("record_value", "record_header")
    return named_by_key or values["version.column"] not in ("auto", "none")


def contradictions(values: Values) -> Iterator[Problem]:
    """Options that parsed, each for itself, and do not go together. Those that did not parse are missing."""
    yield from _keys(values)
    yield from _writes(values)
    yield from _tables(values)


def _keys(values: Values) -> Iterator[Problem]:
    mode, keys = values.get("primary.key.mode"), values.get("primary.key.fields") or []
    if mode == "record_header" and not keys:
        hint = "the names of the headers"
        yield Problem("primary.key.fields", "required with primary.key.mode: record_header", hint)
    if mode in BY_COORDINATES and len(keys) not in (0, 3):
        yield Problem("primary.key.fields", "must be three names, for topic, partition and offset")
    given = values.given("delete.enabled") and values.get("delete.enabled")
    if mode is not None and mode not in BY_KEY and given:
        hint = "the values of a deleted row need not be in its event; its key, or a header, names it surely"
        yield Problem("delete.enabled", "needs primary.key.mode: record_key or record_header", hint, "true")


def _writes(values: Values) -> Iterator[Problem]:
    if values.get("insert.mode") != UPDATE:
        return
    if values.get("primary.key.mode") in BY_COORDINATES:
        hint = "use primary.key.mode: record_key, record_value or record_header"
        yield Problem("insert.mode", "has no row to change: each record has a key of its own", hint, "update")
    if values.get("adopt.tables") is False:
        hint = "it changes rows that others put into the table; the view cannot be rebuilt, verified or rolled back"
        yield Problem("insert.mode", "needs adopt.tables: true", hint, "update")


def _tables(values: Values) -> Iterator[Problem]:
    if values.get("field.include.list") and values.get("field.exclude.list"):
        yield Problem("field.exclude.list", "cannot be used together with field.include.list")
    if values.given("schema.evolution"):
        wanted = values.get("schema.evolution") == "basic"
        for option in ("auto.create", "auto.evolve"):
            if values.get(option) not in (None, wanted):
                hint = "keep one of the two"
                yield Problem(option, f"contradicts schema.evolution: {values['schema.evolution']}", hint)
    quoting, method = values.get("quote.identifiers"), values.get("quote.sql.identifiers")
    if values.given("quote.identifiers") and method is not None and quoting is not (method == "always"):
        yield Problem("quote.sql.identifiers", "contradicts quote.identifiers", "keep one of the two", method)
