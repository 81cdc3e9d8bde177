"""The options of the PostgreSQL source: Debezium 3.7's names, choices and defaults, and a few of our own.

Source: PostgresConnectorConfig, RelationalDatabaseConnectorConfig and CommonConnectorConfig of Debezium 3.7.0.Final.
Where a default differs from Debezium's, `doc` says so and why.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from headwater.worker.api import Option, Options, OptionType, at_least

from .mask_options import mask_options
from .unsupported import UNSUPPORTED

BOOLEAN, INT, LONG, LIST, PASSWORD = (
    OptionType.BOOLEAN, OptionType.INT, OptionType.LONG, OptionType.LIST, OptionType.PASSWORD,
)  # fmt: skip

OVERRIDE_PREFIX: Final = "snapshot.select.statement.overrides."


def split_list(text: str | None, separator: str = ",") -> list[str]:
    """`a,b\\,c` -> ["a", "b,c"]: Debezium's lists, in which a backslash keeps a comma inside a regular expression."""
    if not text:
        return []
    parts = re.split(rf"(?<!\\){re.escape(separator)}", text)
    return [part.replace(f"\\{separator}", separator).strip() for part in parts if part.strip()]


def _patterns(value: Any) -> str | None:
    return next((wrong for part in split_list(value) if (wrong := _no_pattern(part))), None)


def _no_pattern(text: str) -> str | None:
    """What is wrong with it; also what Python only warns of, for another Python may read it differently."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text)
    except (re.error, Warning) as error:
        return f"{text!r} is not a regular expression: {error}"
    return None


def _matching(pattern: str, meaning: str) -> Callable[[Any], str | None]:
    return lambda value: None if value is None or re.fullmatch(pattern, value) else f"must be {meaning}"


def _port(value: Any) -> str | None:
    return None if 1 <= value <= 65_535 else "must be a port: 1 to 65535"


def _operations(value: Any) -> str | None:
    given = {item.lower() for item in value}
    if wrong := given - {"c", "u", "d", "t", "none"}:
        return f"knows c, u, d, t and none, not {', '.join(sorted(wrong))}"
    return "holds none beside other operations" if "none" in given and len(given) > 1 else None


def _table_lists(value: Any) -> str | None:
    wrong = next((item for item in split_list(value, ";") if not re.fullmatch(r"[^:]+:[^:]+", item)), None)
    if wrong:
        return f"{wrong!r} must look like schema.table:column,column"
    tables = (item.rpartition(":")[0].strip() for item in split_list(value, ";"))
    return next((wrong for table in tables if (wrong := _no_pattern(table))), None)


def _identities(value: Any) -> str | None:
    expected = re.compile(r"[^\s:]+:(?i:default|full|nothing|index \S+)")
    wrong = next((item for item in split_list(value) if not expected.fullmatch(item)), None)
    return f"{wrong!r} must look like schema.table:FULL (or DEFAULT, NOTHING, INDEX name)" if wrong else None


TOPIC_NAME: Final = _matching(r"[A-Za-z0-9._-]+", "made of letters, digits, '.', '_' and '-'")


def _text(name: str, doc: str, default: Any = None, **more: Any) -> Option:
    return Option(name, OptionType.STRING, default, doc, **more)


def _number(name: str, default: int, doc: str, least: int = 0, type: OptionType = INT, **more: Any) -> Option:
    return Option(name, type, default, doc, validate=at_least(least), **more)


def _group(name: str, options: Iterable[Option]) -> list[Option]:
    return [replace(option, group=name) for option in options]


CONNECTION: Final = _group("Connection", [
    Option("database.hostname", doc="Host name or address of the server, or the folder of its Unix socket.",
           importance="high"),
    Option("database.port", INT, 5432, "Port of the server.", importance="high", validate=_port),
    Option("database.user", doc="User to connect as. It needs REPLICATION, and SELECT on the tables.",
           importance="high"),
    Option("database.password", PASSWORD, None, "The user's password.", importance="high"),
    Option("database.dbname", doc="The database to capture.", importance="high"),
    _text("database.sslmode", "Whether to encrypt the connection, as libpq understands it.", "prefer",
          choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
    _text("database.sslcert", "File with the client's certificate."),
    _text("database.sslkey", "File with the client's private key."),
    Option("database.sslpassword", PASSWORD, None, "Password of the client's private key."),
    _text("database.sslrootcert", "File with the certificates that may sign the server's."),
    _text("database.initial.statements", "SQL to run on every new connection (not on the replication connection), "
          "separated by ';' (a doubled ';;' stands for one in a statement). They must not change how values are "
          "written: DateStyle, IntervalStyle, TimeZone, bytea_output, search_path."),
    Option("database.tcpKeepAlive", BOOLEAN, True, "Send TCP keep-alive probes."),
    _number("database.query.timeout.ms", 600_000, "Longest time for one query of the catalogue or for rows; 0: no "
            "limit. Reading a chunk of a snapshot is not limited."),
    _number("connection.validation.timeout.ms", 60_000, "Longest time to wait for a connection.", 1, LONG),
])  # fmt: skip

REPLICATION: Final = _group("Replication", [
    _text("plugin.name", "Output plugin of the slot. Debezium's default is decoderbufs, ours is pgoutput, which "
          "every server has.", "pgoutput", choices=("pgoutput",)),
    _text("slot.name", "Name of the replication slot, made where it is missing. Default: headwater_<topic.prefix>, so "
          "that two connectors do not fight for one slot (Debezium: debezium).", importance="high",
          validate=_matching(r"[a-z0-9_]{1,63}", "1 to 63 lower-case letters, digits and underscores")),
    Option("slot.drop.on.stop", BOOLEAN, False, "Drop the slot when the task is stopped. What is changed in the "
           "meantime is then lost: only for tests."),
    Option("slot.failover", BOOLEAN, False, "Make the slot a failover slot (PostgreSQL 17 and later)."),
    _text("slot.stream.params", "Further parameters of pgoutput, `name=value` separated by ';', e.g. origin=none."),
    _number("slot.retry.delay.ms", 10_000, "How long to wait before trying again when the slot is in use.", 0, LONG),
    _text("offset.mismatch.strategy", "What to do when the slot and the stored position do not fit together. "
          "trust_offset (our default; Debezium's no_validation is read as it, since Headwater always validates): a "
          "slot that is ahead or gone is an error. trust_slot and trust_greater_lsn: accept the gap, go on from the "
          "slot with a new epoch and take back the mark that the topics are complete.", "trust_offset",
          choices=("trust_offset", "no_validation", "trust_slot", "trust_greater_lsn")),
    _text("publication.name", "Name of the publication. Default: headwater_<topic.prefix> (Debezium: "
          "dbz_publication).", importance="high"),
    _text("publication.autocreate.mode", "filtered (our default): make the publication for the captured tables and "
          "keep it in step, also with tables made later; needs to own the tables. all_tables (Debezium's default): "
          "FOR ALL TABLES where it is missing; needs a superuser and makes updates fail on every table without a "
          "replica identity. disabled, no_tables: you keep it.", "filtered",
          choices=("filtered", "all_tables", "disabled", "no_tables")),
    Option("publish.via.partition.root", BOOLEAN, False, "Capture a partitioned table as one table, under its own "
           "name. false: capture each partition as a table."),
    _text("replica.identity.autoset.values", "Set the replica identity of tables: `schema.table:FULL` (or DEFAULT, "
          "NOTHING, INDEX name), separated by commas; tables are regular expressions.", validate=_identities),
    _number("status.update.interval.ms", 10_000, "How often to tell the server what is durable, and to move the "
            "position of an idle stream.", 1),
    Option("flush.lsn.source", BOOLEAN, True, "false: the same as lsn.flush.mode = manual."),
    _text("lsn.flush.mode", "connector: tell the server what is durable, so that it may drop WAL. manual: never; "
          "somebody else must advance the slot. connector_and_driver: the same as connector, which already moves "
          "an idle slot.", None, choices=("connector", "manual", "connector_and_driver")),
    _number("retriable.restart.connector.wait.ms", 10_000, "Where given: how long to wait before connecting again "
            "after the connection was lost. Otherwise the worker's backoff applies.", 1, LONG),
])  # fmt: skip

TABLES: Final = _group("Tables", [
    _text("schema.include.list", "Schemas to capture: regular expressions, separated by commas.", validate=_patterns),
    _text("schema.exclude.list", "Schemas not to capture.", validate=_patterns),
    _text("table.include.list", "Tables to capture, as schema.table: regular expressions, separated by commas, each "
          "matching the whole name without regard to case.", validate=_patterns, importance="high"),
    _text("table.exclude.list", "Tables not to capture.", validate=_patterns),
    _text("column.include.list", "Columns to capture, as schema.table.column.", validate=_patterns),
    _text("column.exclude.list", "Columns not to capture. Columns of the key stay in the key.", validate=_patterns),
    *mask_options(_patterns),
    _text("message.key.columns", "Columns that make the key instead of the primary key: `schema.table:column,column`, "
          "separated by ';'; tables are regular expressions. Their values must be unique and sent with every "
          "update and delete (REPLICA IDENTITY FULL or an index of them).", validate=_table_lists),
    _number("guardrail.collections.max", 0, "Largest number of tables; 0: no limit."),
    _text("guardrail.collections.limit.action", "What to do when there are more.", "warn", choices=("warn", "fail")),
])  # fmt: skip

TOPICS: Final = _group("Topics", [
    Option("topic.prefix", doc="Names this database in topics and positions. Never change it.", importance="high",
           validate=TOPIC_NAME),
    _text("topic.delimiter", "Stands between prefix, schema and table.", ".", validate=TOPIC_NAME),
    _text("topic.heartbeat.prefix", "First part of the heartbeat topic's name.", "__debezium-heartbeat",
          validate=TOPIC_NAME, aliases=("heartbeat.topics.prefix",)),
    _text("topic.heartbeat.name", "Whole name of the heartbeat topic.", validate=TOPIC_NAME),
    _number("heartbeat.interval.ms", 0, "How often to write a heartbeat record; 0: never. Not needed to let an idle "
            "database drop WAL."),
    _text("heartbeat.action.query", "SQL to run with every heartbeat."),
    Option("extended.headers.enabled", BOOLEAN, False, "Add Debezium's __debezium.context headers to every record. "
           "Debezium's default is true; ours spares each record 150 bytes that few read."),
])  # fmt: skip

EVENTS: Final = _group("Events", [
    Option("tombstones.on.delete", BOOLEAN, True, "Write a tombstone after each delete, so that compaction can drop "
           "the key."),
    Option("skipped.operations", LIST, ["t"], "Operations not to write: c, u, d, t; or none. Captured truncates need "
           "topics of one partition, which Headwater then makes.", validate=_operations),
    _text("toast.policy", "Ours: what to write for a large value that an update left unchanged and the server "
          "therefore did not send. reselect: read the row again, by its key. placeholder: "
          "unavailable.value.placeholder, as Debezium does; on a compacted topic that loses the value for ever.",
          "reselect", choices=("reselect", "placeholder")),
    _text("unavailable.value.placeholder", "The placeholder; `hex:` starts one in hex.",
          "__debezium_unavailable_value"),
    _text("decimal.handling.mode", "How NUMERIC looks in events.", "precise", choices=("precise", "string", "double")),
    _text("time.precision.mode", "How dates and times look in events.", "adaptive",
          choices=("adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds")),
    _text("binary.handling.mode", "How BYTEA looks in events.", "bytes",
          choices=("bytes", "base64", "base64-url-safe", "hex")),
    _text("interval.handling.mode", "How INTERVAL looks in events.", "numeric", choices=("numeric", "string")),
    _text("hstore.handling.mode", "How HSTORE looks in events.", "json", choices=("json", "map")),
    _number("money.fraction.digits", 2, "Digits after the point of MONEY."),
    Option("include.unknown.datatypes", BOOLEAN, False, "Write columns of unknown types as bytes instead of leaving "
           "them out."),
    _text("schema.refresh.mode", "Accepted for Debezium's sake: the schema always follows the stream.", "columns_diff",
          choices=("columns_diff", "columns_diff_exclude_unchanged_toast")),
    _text("event.processing.failure.handling.mode", "What to do with an event that cannot be turned into a record: "
          "stop, or leave it out with or without a warning.", "fail", choices=("fail", "warn", "skip", "ignore")),
])  # fmt: skip

SNAPSHOT: Final = _group("Snapshot", [
    _text("snapshot.mode", "initial: what is there now, then changes; tables that come to match later are read, too. "
          "initial_only: then stop. no_data (never): changes only. always: at every start. when_needed: initial.",
          "initial", choices=("initial", "initial_only", "no_data", "never", "always", "when_needed"),
          importance="high"),
    _text("snapshot.isolation.mode", "Both are one snapshot that all tables share; weaker ones are not offered.",
          "serializable", choices=("serializable", "repeatable_read")),
    _number("snapshot.max.threads", 1, "Connections that read the snapshot in parallel.", 1),
    _number("snapshot.chunk.rows", 20_000, "Ours: rows a chunk. A snapshot that was interrupted resumes after its "
            "last whole chunk.", 1),
    _number("snapshot.fetch.size", 10_240, "Rows that each connection may read ahead.", 1),
    _number("snapshot.lock.timeout.ms", 10_000, "How long to wait for a table that is locked.", 0, LONG),
    _number("snapshot.delay.ms", 0, "How long to wait before a snapshot begins.", 0, LONG),
    _number("streaming.delay.ms", 0, "How long to wait between a snapshot and the stream.", 0, LONG),
    _text("snapshot.include.collection.list", "Tables to read; the others are streamed only. Default: all.",
          validate=_patterns),
    _text("snapshot.select.statement.overrides", "Tables, as schema.table, whose rows come from a SELECT of yours: "
          "one option snapshot.select.statement.overrides.<schema.table> each."),
    Option(re.escape(OVERRIDE_PREFIX) + r".+", OptionType.STRING, None, "The SELECT of one table.", pattern=True),
    _text("snapshot.tables.order.by.row.count", "Order of the tables, by their estimated number of rows.", "disabled",
          choices=("disabled", "ascending", "descending")),
])  # fmt: skip

BATCHES: Final = _group("Batches", [
    _number("max.batch.size", 2048, "Largest number of records in a batch. A larger transaction is split.", 1),
    _number("max.queue.size", 8192, "Rows that all snapshot connections together may read ahead.", 1),
    _number("max.queue.size.in.bytes", 0, "The same in bytes; 0: 32 MiB.", 0, LONG),
    _number("poll.interval.ms", 500, "Longest wait for events in one go.", 1, LONG),
    _number("executor.shutdown.timeout.ms", 4_000, "How long to wait for snapshot connections when stopping.", 1,
            LONG),
])  # fmt: skip

OPTIONS: Final = Options(
    *CONNECTION, *REPLICATION, *TABLES, *TOPICS, *EVENTS, *SNAPSHOT, *BATCHES, *UNSUPPORTED
)  # fmt: skip
