"""Record -> columns -> file -> columns: every value comes back, and with it the digest of its row."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.parquet.columns import Layout, cast, key_texts, merge, row_digests, show_row
from headwater.worker.api import Record, Schema

from .columns_of import tables

Columns = list[tuple[str, Schema]]
Rows = list[dict[str, Any]]


def records(rows: Rows) -> list[Record]:
    return [Record("orders", partition=0, offset=offset) for offset in range(len(rows))]


def through_a_file(batch: pa.RecordBatch) -> pa.Table:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([batch]), sink)
    return pq.read_table(pa.BufferReader(sink.getvalue()))


@given(tables())
def test_what_a_file_gives_back(table: tuple[Columns, Rows]) -> None:
    columns, rows = table
    batch = Layout(columns).batch(rows, records(rows))
    batch.validate(full=True)
    again = through_a_file(batch)
    assert again.schema.equals(batch.schema)
    found = [digest for part in again.to_batches() for digest in row_digests(part)]
    assert found == row_digests(batch)


@given(tables(), st.integers(0, 6), st.integers(0, 6))
def test_a_slice_is_its_rows(table: tuple[Columns, Rows], start: int, length: int) -> None:
    columns, rows = table
    layout = Layout(columns)
    batch = layout.batch(rows, records(rows))
    part, alone = batch.slice(start, length), layout.batch(rows[start : start + length], records(rows))
    names = [name for name, _ in columns]
    assert row_digests(part) == row_digests(alone) == row_digests(batch)[start : start + length]
    assert key_texts(part, names) == key_texts(alone, names) == key_texts(batch, names)[start : start + length]
    assert row_digests(cast(part, layout.arrow)) == row_digests(alone)
    assert [show_row(part, i) for i in range(part.num_rows)] == [show_row(alone, i) for i in range(part.num_rows)]


@given(tables(), tables(), st.randoms(use_true_random=False))
def test_columns_that_come_later(one: tuple[Columns, Rows], two: tuple[Columns, Rows], rng: random.Random) -> None:
    """Rows keep their digests when the schema grows around them, in whatever order the columns stand."""
    added = [(f"{name} later", schema) for name, schema in two[0]]
    columns, rows = one
    batch = Layout(columns).batch(rows, records(rows))
    wider = [*columns, *added]
    rng.shuffle(wider)
    merged = merge(batch.schema, Layout(wider).arrow)
    assert merged.names[: len(columns)] == batch.schema.names and len(merged) == len(wider)
    grown = cast(batch, merged)
    grown.validate(full=True)
    assert row_digests(grown) == row_digests(batch) == row_digests(Layout(wider).batch(rows, records(rows)))


@given(tables())
def test_different_rows_differ(table: tuple[Columns, Rows]) -> None:
    columns, rows = table
    batch = Layout(columns).batch(rows, records(rows))
    values = [repr(batch.slice(i, 1)) for i in range(batch.num_rows)]
    digests = row_digests(batch)
    assert all(digests[i] != digests[j] for i in range(len(rows)) for j in range(i) if values[i] != values[j])
