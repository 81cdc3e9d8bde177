"""Rows per second of the JSON converter, beside orjson alone on the same values.

python bench/json_converter.py [--rows N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from headwater.connectors.debezium.envelope import CREATE, envelope, envelope_schema
from headwater.connectors.debezium.names import MICRO_TIMESTAMP, UUID, semantic
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA, source_blocks
from headwater.worker.api import Schema, Type, decimal, primitive, struct
from headwater.worker.convert.json import JsonConverter

PLAIN = {
    "id": (primitive(Type.INT64), 123456789),
    "name": (primitive(Type.STRING, True), "Ada Lovelace"),
    "city": (primitive(Type.STRING, True), "London"),
    "note": (primitive(Type.STRING, True), None),
    "quantity": (primitive(Type.INT32), 42),
    "weight": (primitive(Type.FLOAT64), 71.25),
    "active": (primitive(Type.BOOLEAN), True),
    "uuid": (semantic(UUID), "3d6a0f3e-6a0c-4a52-9a43-0f8b0b7f2f11"),
    "created": (semantic(MICRO_TIMESTAMP), 1_700_000_000_000_000),
    "updated": (semantic(MICRO_TIMESTAMP, True), 1_700_000_000_000_001),
}
WITH_DECIMAL = PLAIN | {"price": (decimal(2, 10), Decimal("1234.50")), "blob": (primitive(Type.BYTES), b"x" * 32)}


def rate(work: Callable[[], object], rows: int) -> float:
    """Rows per second, the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(rows):
            work()
        best = min(best, time.perf_counter() - started)
    return rows / best


def change_event(columns: dict[str, tuple[Schema, Any]]) -> tuple[Schema, dict[str, Any]]:
    row_schema = struct({name: schema for name, (schema, _) in columns.items()}, name="shop.public.t.Value")
    row = {name: value for name, (_, value) in columns.items()}
    source = source_blocks("1", "shop", "db")("public", "t", 1_700_000_000_000_000, 24023128, 555, 24023119)
    return (
        envelope_schema("shop.public.t", row_schema, POSTGRES_SOURCE_SCHEMA),
        envelope(CREATE, None, row, source, 1_700_000_000_000_000),
    )


def measure(title: str, columns: dict[str, tuple[Schema, Any]], rows: int, **options: str) -> None:
    schema, value = change_event(columns)
    converter = JsonConverter()
    converter.configure(JsonConverter.options.parse(options)[0], is_key=False)
    encode = converter.encoder("t", schema)
    data = encode(value)
    assert data is not None
    payload = orjson.dumps(value, default=str)
    figures = {
        "encode": (rate(lambda: encode(value), rows), rate(lambda: orjson.dumps(value, default=str), rows)),
        "decode": (rate(lambda: converter.decode("t", data), rows), rate(lambda: orjson.loads(payload), rows)),
    }
    for verb, (ours, raw) in figures.items():
        print(f"{title:<34} {verb}  {ours:>10,.0f} rows/s   orjson alone {raw:>10,.0f}   ratio {ours / raw:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    rows = parser.parse_args().rows
    measure("10 plain columns, with schemas", PLAIN, rows)
    measure("10 plain columns, no schemas", PLAIN, rows, **{"schemas.enable": "false"})
    measure("+ decimal and bytes, with schemas", WITH_DECIMAL, rows)
