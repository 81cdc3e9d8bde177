"""Every option of Debezium 3.7's PostgreSQL connector is honoured or refused by name; none is unknown or ignored."""

from __future__ import annotations

import pytest

from headwater.connectors.postgres.source import PostgresSourceConnector
from headwater.connectors.postgres.source.connection import statements
from headwater.connectors.postgres.source.options import OPTIONS, split_list
from headwater.connectors.postgres.source.settings import settings_of
from headwater.worker.api import Values

REQUIRED = {
    "topic.prefix": "Shop-1",
    "database.hostname": "h",
    "database.user": "u",
    "database.dbname": "d",
}

DEBEZIUM = """
binary.handling.mode column.exclude.list column.include.list column.mask.hash.SHA-256.with.salt.abc
column.mask.hash._hashAlgorithm_.with.salt._salt_ column.mask.hash.v2.SHA-256.with.salt.abc
column.mask.with.10.chars column.propagate.source.type column.truncate.to.20.chars connection.validation.timeout.ms
converters custom.metric.tags custom.sanitize.pattern database.connection.factory.class database.dbname
database.hostname database.initial.statements database.password database.port database.query.timeout.ms
database.sslcert database.sslfactory database.sslkey database.sslmode database.sslpassword database.sslrootcert
database.tcpKeepAlive database.user datatype.propagate.source.type decimal.handling.mode errors.max.retries
event.converting.failure.handling.mode event.processing.failure.handling.mode executor.shutdown.timeout.ms
extended.headers.enabled field.name.adjustment.mode flush.lsn.source guardrail.collections.limit.action
guardrail.collections.max heartbeat.action.query heartbeat.interval.ms heartbeat.topics.prefix hstore.handling.mode
include.schema.changes include.schema.comments include.unknown.datatypes incremental.snapshot.allow.schema.changes
incremental.snapshot.chunk.size incremental.snapshot.watermarking.strategy internal.advanced.metrics.enable
internal.create.slot.command.timeout internal.custom.retriable.exception internal.log.position.check.enable
internal.offset.activity.monitor.interval.ms internal.slot.seek.to.known.offset.on.start
internal.snapshot.scan.all.columns.force interval.handling.mode legacy.snapshot.max.threads lsn.flush.mode
lsn.flush.timeout.action lsn.flush.timeout.ms max.batch.size max.queue.size max.queue.size.in.bytes
message.key.columns message.prefix.exclude.list message.prefix.include.list money.fraction.digits
notification.enabled.channels notification.sink.topic.name offset.mismatch.strategy openlineage.integration.enabled
openlineage.integration.job.namespace plugin.name poll.dispatch.interval.ms poll.interval.ms post.processors
provide.transaction.metadata publication.autocreate.mode publication.name publish.via.partition.root
query.fetch.size queue.provider.type read.only replica.identity.autoset.values retriable.restart.connector.wait.ms
schema.exclude.list schema.include.list schema.name.adjustment.mode schema.refresh.mode schemas.storage.class
signal.consumer.group.id signal.data.collection signal.emit.failure.backoff.ms signal.emit.failure.max.retries
signal.enabled.channels signal.file signal.kafka.bootstrap.servers signal.kafka.poll.timeout.ms signal.kafka.topic
signal.poll.interval.ms skip.messages.without.change skipped.operations slot.drop.on.stop slot.failover
slot.max.retries slot.name slot.retry.delay.ms slot.stream.params snapshot.delay.ms snapshot.fetch.size
snapshot.include.collection.list snapshot.isolation.mode snapshot.lock.timeout.ms snapshot.locking.mode
snapshot.locking.mode.custom.name snapshot.max.threads snapshot.max.threads.multiplier snapshot.mode
snapshot.mode.configuration.based.snapshot.data snapshot.mode.configuration.based.snapshot.on.data.error
snapshot.mode.configuration.based.snapshot.on.schema.error snapshot.mode.configuration.based.snapshot.schema
snapshot.mode.configuration.based.start.stream snapshot.mode.custom.name snapshot.query.mode
snapshot.query.mode.custom.name snapshot.select.statement.overrides
snapshot.select.statement.overrides.public.orders snapshot.tables.order.by.row.count sourceinfo.struct.maker
statistics.metrics.enabled status.update.interval.ms streaming.delay.ms table.exclude.list table.ignore.builtin
table.include.list tables.storage.class time.precision.mode tombstones.on.delete topic.cache.size topic.delimiter
topic.heartbeat.name topic.heartbeat.prefix topic.naming.strategy topic.prefix topic.transaction
transaction.metadata.factory unavailable.value.placeholder xmin.fetch.interval.ms
"""


def parse(**options: str) -> Values:
    values, problems = OPTIONS.parse(REQUIRED | options)
    assert not problems, problems
    return values


@pytest.mark.parametrize("name", DEBEZIUM.split())
def test_is_known(name: str) -> None:
    assert OPTIONS.find(name) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provide.transaction.metadata", "true"),
        ("signal.data.collection", "public.signals"),
        ("converters", "isbn"),
        ("skip.messages.without.change", "true"),
        ("snapshot.mode", "custom"),
        ("plugin.name", "decoderbufs"),
        ("skipped.operations", "x"),
        ("table.include.list", "("),
        ("table.include.list", "public[[.*"),  # Python warns of a "possible nested set"
        ("message.key.columns", "public.(:id"),
        ("database.port", "99999"),
        ("database.port", "0"),
        ("slot.name", "Upper"),
    ],
)
def test_is_refused(name: str, value: str) -> None:
    _, problems = OPTIONS.parse(REQUIRED | {name: value})
    assert [problem.option for problem in problems] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provide.transaction.metadata", "false"),
        ("topic.naming.strategy", "io.debezium.schema.SchemaTopicNamingStrategy"),
        ("snapshot.locking.mode", "none"),
        ("slot.max.retries", "6"),
        ("signal.enabled.channels", "source"),
    ],
)
def test_defaults_pass(name: str, value: str) -> None:
    assert parse(**{name: value})


def test_rules_over_several_options() -> None:
    def problems(**options: str) -> list[str]:
        return [problem.option for problem in PostgresSourceConnector().validate(parse(**options))]

    assert problems() == []
    assert problems(**{"table.include.list": "a", "table.exclude.list": "b"}) == ["table.exclude.list"]
    listed = {"snapshot.select.statement.overrides": "public.a"}
    assert problems(**listed) == ["snapshot.select.statement.overrides"]
    select = "snapshot.select.statement.overrides.public.a"
    assert problems(**listed, **{select: "SELECT 1"}) == []
    assert problems(**{select: "SELECT 1"}) == [select]
    assert problems(**{"unavailable.value.placeholder": "hex:zz"}) == ["unavailable.value.placeholder"]


def test_names_that_follow_from_the_prefix() -> None:
    settings = settings_of(parse(), "orders")
    assert settings.slot == settings.publication == "headwater_shop_1"
    assert settings.application == "headwater orders"
    assert settings.topic("public", "t") == "Shop-1.public.t"
    assert settings.heartbeat_topic == "__debezium-heartbeat.Shop-1"
    assert settings.flush_lsn and not settings_of(parse(**{"flush.lsn.source": "false"})).flush_lsn
    assert settings_of(parse(**{"flush.lsn.source": "false", "lsn.flush.mode": "connector"})).flush_lsn


def test_the_password_stays_out_of_sight() -> None:
    values = parse(**{"database.password": "hunter2"})
    assert "hunter2" not in repr(settings_of(values)) and "hunter2" not in repr(values)


def test_lists() -> None:
    assert split_list(r"a\.b{1\,2}, c,,") == [r"a\.b{1,2}", "c"]
    assert statements("SET a = 1; SET b = ';;' ;") == ["SET a = 1", "SET b = ';'"]
