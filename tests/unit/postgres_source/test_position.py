"""Positions as stored, read back and refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.source import PostgresSourceConnector
from headwater.connectors.postgres.source.debezium_offset import LastMessage
from headwater.connectors.postgres.source.options import OPTIONS
from headwater.connectors.postgres.source.position import (
    StreamPosition,
    TablePosition,
    read_positions,
    server_partition,
    stream_partition,
    table_partition,
    version_of,
)
from headwater.worker.api import ConfigError, Fatal, Position

LSN = st.integers(0, 2**53 - 1)
XID = st.none() | st.integers(3, 2**32 - 1)
LAST = st.builds(
    LastMessage, st.sampled_from(["INSERT", "UPDATE", "DELETE", "TRUNCATE"]), LSN, st.integers(1, 999), XID
)
BETWEEN = st.builds(
    StreamPosition, st.integers(0, 1023), st.text("0123456789", min_size=1), st.integers(1, 99), LSN,
    st.integers(0, 10**9), st.none() | LSN, commit_us=LSN, snapshot=st.booleans(),
)  # fmt: skip
WITHIN = st.builds(replace, BETWEEN, last=LAST, done_lsn=st.none() | LSN, snapshot=st.just(False))
STREAM = BETWEEN | WITHIN
TABLE = st.builds(
    TablePosition, st.sampled_from(["running", "complete", "streamed", "left"]), LSN, LSN, st.just(("a", "b")),
    st.just(("integer", "text")), st.none() | st.tuples(st.text(), st.text()), st.integers(0, 10**12), st.booleans(),
)  # fmt: skip


@given(STREAM, TABLE)
def test_reads_what_it_wrote(stream: StreamPosition, table: TablePosition) -> None:
    positions: list[tuple[Position, Position]] = [
        (stream_partition("shop"), json.loads(json.dumps(stream.json()))),
        (table_partition("shop", "public.t"), json.loads(json.dumps(table.json()))),
        (server_partition("shop"), json.loads(json.dumps(stream.server.json()))),
        (stream_partition("another"), {"nonsense": True}),
    ]
    stored = read_positions("shop", positions)
    assert stored.stream == stream and stored.tables == {"public.t": table} and stored.server == stream.server
    assert not stored.from_debezium and not stored.unfinished


def test_kafka_connect_takes_no_lists_and_older_positions_hold_them() -> None:
    table = TablePosition("running", 1, 2, ("a", "b"), ("int4", "text"), ("1", 'x"'), 3)
    written = table.json()
    assert all(isinstance(value, str | int) for value in written.values())
    lists = {"key": ["a", "b"], "types": ["int4", "text"], "after": ["1", 'x"']}
    for position in (written, dict(written) | lists):
        assert read_positions("shop", [(table_partition("shop", "public.t"), position)]).tables["public.t"] == table


def test_versions_rise_with_the_epoch() -> None:
    assert version_of(1, 0) > version_of(0, 2**53 - 1)
    assert version_of(1023, 2**53 - 1) == 2**63 - 1
    for epoch, lsn in ((1024, 0), (0, 2**53)):
        with pytest.raises(Fatal, match="too large for a version"):
            version_of(epoch, lsn)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ({"lsn": 5, "incremental_snapshot_collections": "[]"}, "an incremental snapshot of Debezium's is under way"),
        ({"commit_lsn": 5}, "format None"),
        ({"format": 2, "commit_lsn": 5}, "format 2"),
        ({"format": 1}, "epoch"),
    ],
)
def test_refuses_what_it_does_not_know(position: Position, message: str) -> None:
    with pytest.raises(Fatal, match=message):
        read_positions("shop", [(stream_partition("shop"), position)])
    required = {"topic.prefix": "shop", "database.hostname": "h", "database.user": "u", "database.dbname": "d"}
    values, _ = OPTIONS.parse(required)
    connector = PostgresSourceConnector()
    with pytest.raises(ConfigError, match=message):
        connector.alter_offsets(values, [(stream_partition("shop"), position)])
    with pytest.raises(ConfigError, match='must have "server": "shop"'):
        connector.alter_offsets(values, [(stream_partition("else"), None)])
    connector.alter_offsets(values, [(stream_partition("shop"), None), (table_partition("shop", "public.t"), None)])
