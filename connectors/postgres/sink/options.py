"""The view's options: the names of Debezium's JDBC sink, with Confluent's as aliases where they say the same.

Source: JdbcSinkConnectorConfig and SinkConnectorConfig of Debezium 3.5, JdbcSinkConfig of Confluent's
kafka-connect-jdbc.
"""

from __future__ import annotations

import re
from typing import Any, Final

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.worker.api import Option, Options, OptionType, Unsupported, Values, at_least

from .naming import unknown_placeholders

COORDINATES: Final = ("__connect_topic", "__connect_partition", "__connect_offset")
"""Key columns of a view that has a row for each record (Debezium's and Confluent's names)."""


def _name_format(value: Any) -> str | None:
    wrong = unknown_placeholders(value)
    if wrong:
        return f"knows ${{topic}} and ${{source.NAME}}, not {', '.join(wrong)}"
    return "has more than one dot" if re.sub(r"\$\{[^}]*\}", "", value).count(".") > 1 else None


def _plain_identifier(value: Any) -> str | None:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", value):
        return None
    return "must be letters, digits and _, at most 63"


def _patterns(value: Any) -> str | None:
    for item in value:
        try:
            re.compile(item)
        except re.error as error:
            return f"{item!r} is not a regular expression: {error}"
    return None


def _zone(value: Any) -> str | None:
    return None if value.upper() in ("UTC", "Z", "GMT") else "only UTC: times without a zone are written as they are"


_CONNECTION: Final = (
    Option("connection.url", doc="jdbc:postgresql://host:port/db or postgresql://host:port/db. The password belongs "
           "in connection.password.", importance="high", group="connection"),
    Option("connection.username", default="", doc="User. Its default is the URL's.", aliases=("connection.user",),
           importance="high", group="connection"),
    Option("connection.password", OptionType.PASSWORD, "", "Password of the user.", importance="high",
           group="connection"),
)  # fmt: skip

_WRITING: Final = (
    Option("insert.mode", default="upsert", choices=("upsert", "insert", "update"),
           doc="`upsert`, or `insert`, which needs primary.key.mode kafka or none and means the same there.",
           group="writes"),
    Option("delete.enabled", OptionType.BOOLEAN, True, "Deletes and tombstones delete the row (Debezium's default is "
           "false); needs primary.key.mode: record_key. false: they are ignored, and a flat record's `__deleted` is a "
           "column.", group="writes"),
    Option("truncate.enabled", OptionType.BOOLEAN, False, "Truncate events empty the table.", group="writes"),
    Option("primary.key.mode", default="record_key", choices=("record_key", "record_value", "kafka", "none"),
           aliases=("pk.mode",), importance="high", group="writes",
           doc="record_key: the fields of the record's key; a record without one gets its coordinates on the log as "
           "key, unless this option is given. record_value: primary.key.fields of the value. kafka, none: the "
           "coordinates (topic, partition, offset), a row for each record."),
    Option("primary.key.fields", OptionType.LIST, [], "Key columns; by default all fields of the record's key. Names "
           "the column of a key that is not a struct, and the three columns of the coordinates.",
           aliases=("pk.fields",), group="writes"),
    Option("batch.size", OptionType.INT, 5000, "Records written in one transaction, as far as the log gives that many.",
           validate=at_least(1), group="writes"),
    Option("version.column", default="auto", group="writes", doc="A column that holds each row's version, so that an "
           "old event cannot overwrite a newer one. `auto`: `__version`, where several topics feed one table; `none`; "
           "or a name. Needed where a transform changes the key, and records of one row lie on several partitions."),
    Option("unavailable.value.placeholder", default=UNAVAILABLE_VALUE, group="writes",
           doc="What stands in an event for a large value that an update left unchanged; never written to the view."),
)  # fmt: skip

_TABLES: Final = (
    Option("collection.name.format", default="${topic}", aliases=("table.name.format",), validate=_name_format,
           importance="high", group="tables", doc="Table, or schema.table. ${topic}: the topic with dots as "
           "underscores; ${source.schema}, ${source.table}: from the event, or the topic's last parts."),
    Option("schema.evolution", default="basic", choices=("basic", "none"), group="tables", doc="basic: tables are "
           "created, columns added and widened (Debezium's default is none). none: all must be there."),
    Option("quote.identifiers", OptionType.BOOLEAN, True, "Names are taken exactly (Debezium's default is false). "
           "false: folded to lower case.", group="tables"),
    Option("field.include.list", OptionType.LIST, [], "Regular expressions for `field` or `topic:field`: only these "
           "become columns, besides the key.", validate=_patterns, aliases=("fields.whitelist",), group="tables"),
    Option("field.exclude.list", OptionType.LIST, [], "Regular expressions for `field` or `topic:field`: these do not "
           "become columns.", validate=_patterns, group="tables"),
    Option("adopt.tables", OptionType.BOOLEAN, False, "Write into existing tables that hold rows of somebody else's. "
           "Empty tables that fit are taken without it.", group="tables"),
    Option("state.schema", default="headwater", validate=_plain_identifier, group="tables", importance="low",
           doc="Schema for Headwater's own tables: generations, offsets, table shapes."),
)  # fmt: skip

_OPERATION: Final = (
    Option("use.time.zone", default="UTC", aliases=("database.time_zone", "db.timezone"), validate=_zone,
           group="operation", importance="low", doc="Only UTC."),
    Option("swap.lock.timeout.ms", OptionType.LONG, 2000, "How long a swap, or a change of a table, waits for its "
           "lock, and so holds up readers, before it steps back and tries again.", validate=at_least(1),
           group="operation", importance="low"),
    Option("swap.wait.timeout.ms", OptionType.LONG, 600_000, "How long a swap waits for transactions that are older "
           "than the new generation's rows, and goes on trying.", validate=at_least(1), group="operation",
           importance="low"),
)  # fmt: skip

_ALWAYS: Final = "Headwater does this always; remove the option"
_ONE_CONNECTION: Final = "each task has one connection; remove the option"
_RETRIES: Final = "set errors.retry.timeout and errors.retry.delay.max.ms instead"
_OTHER_DATABASE: Final = "it belongs to another database"

_REFUSED: Final = (
    Unsupported("connection.provider", _ONE_CONNECTION),
    Unsupported("connection.pool.min_size", _ONE_CONNECTION, harmless=("1", "5")),
    Unsupported("connection.pool.max_size", _ONE_CONNECTION, harmless=("1", "32")),
    Unsupported("connection.pool.acquire_increment", _ONE_CONNECTION, harmless=("1", "32")),
    Unsupported("connection.pool.timeout", _ONE_CONNECTION, harmless=("1800",)),
    Unsupported("connection.restart.on.errors", _ALWAYS, harmless=("true", "false")),
    Unsupported("connection.attempts", _RETRIES, harmless=("3",)),
    Unsupported("connection.backoff.ms", _RETRIES, harmless=("10000",)),
    Unsupported("use.reduction.buffer", _ALWAYS, harmless=("true", "false")),
    Unsupported("flush.max.retries", _RETRIES, harmless=("5",)),
    Unsupported("flush.retry.delay.ms", _RETRIES, harmless=("1000",)),
    Unsupported("max.retries", _RETRIES, harmless=("10",)),
    Unsupported("retry.backoff.ms", _RETRIES, harmless=("3000",)),
    Unsupported("auto.create", "use schema.evolution: basic or none", harmless=("true",)),
    Unsupported("auto.evolve", "use schema.evolution: basic or none", harmless=("true",)),
    Unsupported("column.naming.strategy", "Java classes cannot be loaded; rename fields with a transform",
                harmless=("io.debezium.connector.jdbc.naming.defaultcolumnnamingstrategy",)),
    Unsupported("collection.naming.strategy", "Java classes cannot be loaded; use collection.name.format",
                harmless=("io.debezium.sink.naming.defaultcollectionnamingstrategy",)),
    Unsupported("table.naming.strategy", "Java classes cannot be loaded; use collection.name.format",
                harmless=("io.debezium.sink.naming.defaultcollectionnamingstrategy",
                          "io.debezium.connector.jdbc.naming.defaulttablenamingstrategy")),
    Unsupported("collection.table.format", "use collection.name.format with ${source.schema} and ${source.table}",
                harmless=("${table}",)),
    Unsupported("cloud.events.schema.name.pattern", "CloudEvents are not read",
                harmless=(r".*cloudevents\.envelope$",)),
    Unsupported("dialect.postgres.postgis.schema", "geometries are written as jsonb", harmless=("public",)),
    Unsupported("dialect.postgres.unnest.insert.enabled", "Headwater uses COPY, which is faster",
                harmless=("true", "false")),
    Unsupported("dialect.sqlserver.identity.insert", _OTHER_DATABASE, harmless=("false",)),
    Unsupported("dialect.name", "Headwater writes PostgreSQL here", harmless=("postgresqldatabasedialect",)),
    Unsupported("db.timezone.date", "dates have no time zone", harmless=("none", "utc")),
    Unsupported("quote.sql.identifiers", "use quote.identifiers", harmless=("always",)),
    Unsupported("table.types", "only tables can be a view", harmless=("table",)),
    Unsupported("mssql.use.merge.holdlock", _OTHER_DATABASE, harmless=("true", "false")),
    Unsupported("trim.sensitive.log", _ALWAYS, harmless=("true", "false")),
    Unsupported(r"hibernate\..+", "there is no Hibernate in Headwater", pattern=True),
)  # fmt: skip


def deletes_rows(values: Values) -> bool:
    """Only the record's key names the row surely: the values of a deleted row need not be in the event."""
    return bool(values["delete.enabled"]) and values["primary.key.mode"] == "record_key"


OPTIONS: Final = Options(*_CONNECTION, *_WRITING, *_TABLES, *_OPERATION, *_REFUSED)
