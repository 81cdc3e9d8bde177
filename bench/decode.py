"""How many rows of pgoutput text one CPU-second decodes: parse, values, key. Run: python bench/decode.py [ROWS]"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from functools import partial

from headwater.connectors.postgres.catalog import ColumnInfo, TableInfo, Types
from headwater.connectors.postgres.source.codec import TableCodec
from headwater.connectors.postgres.source.copy_text import parse_line
from headwater.connectors.postgres.source.pgoutput import Insert, parse
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.connectors.postgres.types.registry import column_type

COLUMNS = [
    ("id", 20, -1, b"123456"),
    ("customer", 23, -1, b"4711"),
    ("status", 25, -1, b"shipped"),
    ("note", 25, -1, b"leave it with the neighbours, please"),
    ("price", 1700, (10 << 16 | 2) + 4, b"1234.56"),
    ("weight", 701, -1, b"0.30000000000000004"),
    ("paid", 16, -1, b"t"),
    ("made", 1184, -1, b"2024-05-06 07:08:09.123456+00"),
    ("due", 1114, -1, b"2024-05-06 07:08:09.123456"),
    ("extra", 3802, -1, b'{"a": 1, "b": [true, null]}'),
]


def per_cpu_second(count: int, work: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(count):
        work()
    return count / (time.process_time() - started)


def main(count: int) -> None:
    columns = tuple(ColumnInfo(name, n, oid, typmod) for n, (name, oid, typmod, _) in enumerate(COLUMNS, 1))
    table = TableInfo(1, "public", "orders", "r", columns, ("id",))
    codec = TableCodec(table, Types(list), ValueModes(), "bench")
    values = [value for *_, value in COLUMNS]
    row = struct.pack(">H", len(values)) + b"".join(b"t" + struct.pack(">I", len(value)) + value for value in values)
    message = b"I" + struct.pack(">I", 1) + b"N" + row
    line = b"\t".join(values) + b"\n"

    def stream() -> None:
        insert = parse(message)
        assert isinstance(insert, Insert)
        codec.key(codec.decode_row(insert.new), insert.new)

    def snapshot() -> None:
        fields = parse_line(line)
        codec.key(codec.decode_row(fields), fields)

    print(f"{len(values)} columns, rows per CPU-second")
    for name, work in (("parse alone", lambda: parse(message)), ("stream", stream), ("snapshot", snapshot)):
        print(f"{name:12} {per_cpu_second(count, work):12,.0f}")
    for column, (name, *_, value) in zip(columns, COLUMNS, strict=True):
        type = column_type(column, Types(list), ValueModes())
        assert type is not None
        print(f"  {name:10} {1e9 / per_cpu_second(count, partial(type.decode, value)):8.0f} ns a value")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
