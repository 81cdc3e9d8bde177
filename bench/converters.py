"""What each converter costs: change events of 10 columns written and read, records a second, and their size.

python bench/converters.py [--records N]

One process, no log and no registry: schemas are known, as they are after the first record. Best of five rounds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from headwater.worker.api import Converter, Schema, Type, decimal, primitive, struct  # noqa: E402
from headwater.worker.convert.avro import AvroConverter, AvroFormat  # noqa: E402
from headwater.worker.convert.json import JsonConverter  # noqa: E402
from headwater.worker.convert.json_schema import JsonSchemaConverter, JsonSchemaFormat  # noqa: E402
from headwater.worker.convert.protobuf import ProtobufConverter, ProtobufFormat  # noqa: E402

TEXT, OPTIONAL, LONG = primitive(Type.STRING), primitive(Type.STRING, True), primitive(Type.INT64, True)
ROW = struct(
    {
        "id": primitive(Type.INT64), "name": OPTIONAL, "email": OPTIONAL, "quantity": primitive(Type.INT32, True),
        "weight": primitive(Type.FLOAT64, True), "active": primitive(Type.BOOLEAN, True), "price": decimal(2, 10, True),
        "placed": primitive(Type.INT64, True, name="io.debezium.time.MicroTimestamp", version=1), "note": OPTIONAL,
        "changed": LONG,
    },
    name="shop.public.orders.Value",
    optional=True,
)  # fmt: skip
SOURCE = struct(dict.fromkeys(("version", "connector", "name", "db", "schema", "table"), TEXT)
                | dict.fromkeys(("ts_ms", "txId", "lsn", "xmin"), LONG), name="shop.Source")  # fmt: skip
ENVELOPE = struct({"before": ROW, "after": ROW, "source": SOURCE, "op": TEXT, "ts_ms": LONG},
                  name="shop.public.orders.Envelope")  # fmt: skip
AT = 1_700_000_000_123
EVENT: dict[str, Any] = {
    "before": None,
    "after": {"id": 123456789, "name": "Ada Lovelace", "email": "ada@example.org", "quantity": 42, "weight": 71.25,
              "active": True, "price": Decimal("1234.50"), "placed": AT * 1000, "note": None, "changed": AT},
    "source": {"version": "3.7", "connector": "postgresql", "name": "shop", "db": "shop", "schema": "public",
               "table": "orders", "ts_ms": AT, "txId": 777, "lsn": 123456789, "xmin": None},
    "op": "c",
    "ts_ms": AT,
}  # fmt: skip
FORMATS: dict[str, tuple[type[Converter], Callable[..., Any]]] = {
    "AvroConverter": (AvroConverter, AvroFormat),
    "JsonSchemaConverter": (JsonSchemaConverter, JsonSchemaFormat),
    "ProtobufConverter": (ProtobufConverter, ProtobufFormat),
}
ROUNDS = 5


def with_registry(name: str, schema: Schema) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    converter, make = FORMATS[name]
    made = make(converter.options.parse({"schema.registry.url": "http://nowhere"})[0])
    form = made.form_of(schema)
    write, head = made.write_as(schema, form, True), b"\0\0\0\0\1"
    return lambda value: head + write(value), made.read_as(form.text, None)


def json(schemas: str, schema: Schema) -> tuple[Callable[[Any], Any], Callable[[bytes], Any]]:
    made = JsonConverter()
    made.configure(JsonConverter.options.parse({"schemas.enable": schemas})[0], False)
    return made.encoder("t", schema), lambda data: made.decode("t", data)


def best(work: Callable[[Any], Any], value: Any, records: int) -> float:
    """Records a second."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(records):
            work(value)
        shortest = min(shortest, time.perf_counter() - began)
    return records / shortest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000)
    records = parser.parse_args().records
    kinds = {"JsonConverter, with schemas": json("true", ENVELOPE), "JsonConverter": json("false", ENVELOPE)}
    kinds |= {name: with_registry(name, ENVELOPE) for name in FORMATS}
    print(f"{'converter':<30}{'bytes':>8}{'written/s':>12}{'read/s':>12}")
    for name, (write, read) in kinds.items():
        data = write(EVENT)
        read(data)
        print(f"{name:<30}{len(data):>8,}{best(write, EVENT, records):>12,.0f}{best(read, data, records):>12,.0f}")


if __name__ == "__main__":
    main()
