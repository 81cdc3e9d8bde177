"""Options of Debezium 3.7's PostgreSQL connector that Headwater does not have, with the reason for each.

An unknown option is an error anyway; these say more. Values under `harmless` ask for what Headwater does, and pass.
Source: the same files as `options`, and Debezium's documentation page of the connector.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Unsupported

_LATER: Final = "planned, not there yet"
_SIGNALS: Final = "signals and incremental snapshots are planned, not there yet; a table that comes to match the "\
    "filters is read by itself"  # fmt: skip
_NAMING: Final = "io.debezium.schema."
_JAVA: Final = "it names a Java class, which Headwater cannot load"


def _plain(reason: str, **names: str | tuple[str, ...]) -> list[Unsupported]:
    """Names with `_` for `.`; the values under which each is harmless."""
    entries = []
    for name, values in names.items():
        values = (values,) if isinstance(values, str) else values
        entries.append(Unsupported(name.replace("_", "."), reason, harmless=tuple(filter(None, values))))
    return entries


UNSUPPORTED: Final[list[Unsupported]] = [
    # leaking or changing data when ignored
    Unsupported("column.propagate.source.type", _LATER),
    Unsupported("datatype.propagate.source.type", _LATER),
    *_plain(_LATER, skip_messages_without_change="false", provide_transaction_metadata="false",
            topic_transaction="transaction", message_prefix_include_list="", message_prefix_exclude_list="",
            schema_name_adjustment_mode="none", field_name_adjustment_mode="none", xmin_fetch_interval_ms="0",
            read_only="false", include_schema_comments="false"),
    Unsupported("event.converting.failure.handling.mode", "a value that cannot be converted is never written as "
                "null: see event.processing.failure.handling.mode", harmless=("fail",)),
    # signals, notifications
    *_plain(_SIGNALS, signal_data_collection="", signal_enabled_channels="source", signal_poll_interval_ms="5000",
            signal_emit_failure_max_retries="0", signal_emit_failure_backoff_ms="10000", signal_file="",
            incremental_snapshot_chunk_size="1024", incremental_snapshot_allow_schema_changes="false",
            incremental_snapshot_watermarking_strategy="insert_insert"),
    Unsupported(r"signal\.(kafka|consumer)\..+", _SIGNALS, pattern=True),
    Unsupported(r"notification\..+", "notifications are planned, not there yet; see the worker's status and log",
                pattern=True),
    # Java
    *_plain(_JAVA, converters="", post_processors="", transaction_metadata_factory=(
        "io.debezium.pipeline.txmetadata.defaulttransactionmetadatafactory",), sourceinfo_struct_maker=(
        "io.debezium.connector.postgresql.postgressourceinfostructmaker",), database_sslfactory="",
        database_connection_factory_class="", snapshot_mode_custom_name="", snapshot_locking_mode_custom_name="",
        snapshot_query_mode_custom_name="", queue_provider_type="memory"),
    Unsupported(r"topic\.(regex|replacement|key\..+)", _JAVA + "; use a RegexRouter transform", pattern=True),
    Unsupported("topic.naming.strategy", _JAVA + "; use a RegexRouter transform", harmless=(
        f"{_NAMING}schematopicnamingstrategy", f"{_NAMING}defaulttopicnamingstrategy")),
    Unsupported(r"(schemas?|tables?)\.storage\..+", _JAVA, pattern=True),
    Unsupported(r"driver\..+", "there is no JDBC driver; use database.initial.statements or database.ssl*",
                pattern=True),
    # snapshot
    Unsupported("snapshot.locking.mode", "the exported snapshot needs no locks", harmless=("none",)),
    Unsupported("snapshot.query.mode", _JAVA, harmless=("select_all",)),
    Unsupported("snapshot.max.threads.multiplier", "set snapshot.chunk.rows", harmless=("1",)),
    Unsupported("legacy.snapshot.max.threads", "tables are always read in chunks", harmless=("false",)),
    Unsupported(r"snapshot\.mode\.configuration\.based\..+", "set snapshot.mode to what you want", pattern=True,
                harmless=("false",)),
    # what the worker or PostgreSQL does instead
    *_plain("the worker retries: see errors.retry.timeout", slot_max_retries="6", errors_max_retries="-1"),
    *_plain("nothing here waits for the server to flush", lsn_flush_timeout_ms="30000",
            lsn_flush_timeout_action="fail"),
    *_plain("rows come by COPY or as a stream, never through a cursor", query_fetch_size="0"),
    *_plain("batches are handed over as soon as there is something", poll_dispatch_interval_ms="0"),
    Unsupported("topic.cache.size", "there is nothing to size", harmless=("10000",)),
    Unsupported("table.ignore.builtin", "system tables cannot be captured", harmless=("true",)),
    *_plain("a connector captures one database: database.dbname", database_include_list="", database_exclude_list=""),
    Unsupported("include.schema.changes", "PostgreSQL does not stream DDL", harmless=("true", "false")),
    Unsupported("statistics.metrics.enabled", "metrics are the worker's", harmless=("true", "false")),
    *_plain("metrics and logs are the worker's", custom_metric_tags="", custom_sanitize_pattern=""),
    Unsupported(r"openlineage\..+", "OpenLineage is not supported", pattern=True, harmless=("false",)),
    Unsupported(r"internal\..+", "Debezium's internal options have no meaning here", pattern=True),
    # names of the past
    Unsupported("database.server.name", "its name is topic.prefix since Debezium 2.0"),
    Unsupported(r"(schema|table|column)\.(whitelist|blacklist)", "its name ends in include.list or exclude.list",
                pattern=True),
    Unsupported("toasted.value.placeholder", "its name is unavailable.value.placeholder"),
]  # fmt: skip
