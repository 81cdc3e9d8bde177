"""The view's options: the names of Debezium's JDBC sink, with Confluent's as aliases where they say the same.

Source: JdbcSinkConnectorConfig and SinkConnectorConfig of Debezium 3.5 and of its main branch in August 2026,
JdbcSinkConfig and the reference of Confluent's kafka-connect-jdbc 10. `docs/connectors/postgres-sink-options.md` has
all of them.
"""

from __future__ import annotations

import re
from typing import Any, Final

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.worker.api import Option, Options, OptionType, Unsupported, at_least

from .connection import DRIVER_PARAMETERS, DRIVER_TUNING
from .meanings import NAMING_STRATEGIES
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


def _strategy(value: Any) -> str | None:
    if value.lower() in NAMING_STRATEGIES:
        return None
    return "Java classes cannot be loaded; use default, passthrough, collection.name.format or a RegexRouter"


def _zone(value: Any) -> str | None:
    return None if value.upper() in ("UTC", "Z", "GMT") else "only UTC: times without a zone are written as they are"


_CONNECTION: Final = (
    Option("connection.url", doc="jdbc:postgresql://host:port/db or postgresql://host:port/db. The password belongs "
           "in connection.password.", importance="high", group="connection"),
    Option("connection.username", default="", doc="User. Its default is the URL's.", aliases=("connection.user",),
           importance="high", group="connection"),
    Option("connection.password", OptionType.PASSWORD, "", "Password of the user.", importance="high",
           group="connection"),
    Option("connection.sslpassword", OptionType.PASSWORD, "", "Password of the client's key (sslkey).",
           importance="low", group="connection"),
    Option(rf"connection\.({'|'.join(sorted(DRIVER_PARAMETERS))})", default="", pattern=True, importance="low",
           group="connection", doc="A parameter of the PostgreSQL JDBC driver, as Confluent's connector takes them; it "
           "means the same as in connection.url, and wins over it. Those that tune the driver alone are accepted."),
    Option(rf"connection\.({'|'.join(sorted(DRIVER_TUNING))})", default="", pattern=True, group="connection"),
)  # fmt: skip

_WRITING: Final = (
    Option("insert.mode", default="upsert", choices=("upsert", "insert", "update"),
           importance="high", group="writes", doc="upsert: the newest record of a key is the row. insert: the first "
           "one is, a further one is refused (dead letter queue, or the task fails); a compacted topic is then not "
           "enough for a rebuild. update: only rows that are there are changed; needs adopt.tables, and such a view "
           "cannot be rebuilt, verified or rolled back."),
    Option("delete.enabled", OptionType.BOOLEAN, True, "Deletes and tombstones delete the row (Debezium's default is "
           "false); needs primary.key.mode record_key or record_header, and with insert.mode: update it must be "
           "given. false: they are ignored, and a flat record's `__deleted` is a column.", group="writes"),
    Option("truncate.enabled", OptionType.BOOLEAN, False, "Truncate events empty the table; where versions are "
           "compared, of what is older, and of what comes late.", group="writes"),
    Option("primary.key.mode", default="record_key",
           choices=("record_key", "record_value", "record_header", "kafka", "none"), aliases=("pk.mode",),
           importance="high", group="writes",
           doc="record_key: the fields of the record's key; a record without one gets its coordinates on the log as "
           "key, unless this option is given. record_value: fields of the value. record_header: headers. kafka, none: "
           "the coordinates (topic, partition, offset), a row for each record."),
    Option("primary.key.fields", OptionType.LIST, [], "Key columns; by default all fields of the record's key or, with "
           "record_value, of its value. Names the column of a key that is not a struct, the headers of record_header, "
           "and the three columns of the coordinates.", aliases=("pk.fields",), group="writes"),
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
    Option("collection.naming.strategy", default="default", aliases=("table.naming.strategy",), validate=_strategy,
           importance="low", group="tables", doc="passthrough: `${topic}` keeps its dots, so that the topic "
           "public.orders is the table orders of the schema public. Debezium's names of its two classes are taken."),
    Option("schema.evolution", default="basic", choices=("basic", "none", "validate-only"), group="tables",
           doc="basic: tables are created, columns added and widened (Debezium's default is none). none: all must be "
           "there; a rebuild copies the shape of the live tables. validate-only: the same, and a table that a topic's "
           "name leads to and that is missing fails the task at its start."),
    Option("auto.create", OptionType.BOOLEAN, None, "Are missing tables made? By default as schema.evolution says "
           "(Confluent's default is false).", group="tables"),
    Option("auto.evolve", OptionType.BOOLEAN, None, "Are columns added and widened? By default as schema.evolution "
           "says (Confluent's default is false).", group="tables"),
    Option("quote.identifiers", OptionType.BOOLEAN, True, "Names are taken exactly (Debezium's default is false). "
           "false: folded to lower case.", group="tables"),
    Option("quote.sql.identifiers", default=None, choices=("always", "never"), importance="low", group="tables",
           doc="Confluent's name: always is quote.identifiers: true, never is false."),
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
    Unsupported("column.naming.strategy", "Java classes cannot be loaded; rename fields with a transform",
                harmless=("io.debezium.connector.jdbc.naming.defaultcolumnnamingstrategy",)),
    Unsupported("collection.table.format", "use collection.name.format with ${source.schema} and ${source.table}",
                harmless=("${table}",)),
    Unsupported("cloud.events.schema.name.pattern", "CloudEvents are not read",
                harmless=(r".*cloudevents\.envelope$",)),
    Unsupported("dialect.postgres.postgis.schema", "geometries are written as jsonb", harmless=("public",)),
    Unsupported("dialect.postgres.unnest.insert.enabled", "Headwater uses COPY, which is faster",
                harmless=("true", "false")),
    Unsupported("dialect.sqlserver.identity.insert", _OTHER_DATABASE, harmless=("false",)),
    Unsupported("dialect.starrocks.catalog.name", _OTHER_DATABASE, harmless=("",)),
    Unsupported("keyed.message.batch.mode", "the newest record of a key in a batch is written; remove the option",
                harmless=("deduplication", "passthrough")),
    Unsupported("internal.enable.sces", _ALWAYS, harmless=("true", "false")),
    Unsupported("dialect.name", "Headwater writes PostgreSQL here", harmless=("postgresqldatabasedialect",)),
    Unsupported("db.timezone.date", "dates have no time zone", harmless=("none", "utc")),
    Unsupported("table.types", "a view needs a table that can be renamed: plain and partitioned ones are taken",
                harmless=("table", "partitioned table", "table,partitioned table", "table, partitioned table")),
    Unsupported("date.timezone", "dates have no time zone", harmless=("db_timezone", "utc")),
    Unsupported("date.calendar.system", "days before 1582 are counted as PostgreSQL counts them",
                harmless=("proleptic_gregorian",)),
    Unsupported("timestamp.fields.list", "name the type where the record is made, or convert it in a transform"),
    Unsupported("timestamp.precision.mode", "times keep PostgreSQL's microseconds", harmless=("microseconds",)),
    Unsupported("replace.null.with.default", "set value.converter.replace.null.with.default: false instead",
                harmless=("true",)),
    Unsupported("mssql.use.merge.holdlock", _OTHER_DATABASE, harmless=("true", "false")),
    Unsupported("trim.sensitive.log", _ALWAYS, harmless=("true", "false")),
    Unsupported(r"hibernate\..+", "there is no Hibernate in Headwater", pattern=True),
)  # fmt: skip


OPTIONS: Final = Options(*_CONNECTION, *_WRITING, *_TABLES, *_OPERATION, *_REFUSED)
