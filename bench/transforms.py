"""What each transform costs: a pipeline with it beside the same pipeline without, and beside Java's own class.

python bench/transforms.py [--rows N] [--without-java]

The pipeline: messages of a topic (JSON with schemas, 10 fields) become records for a sink. Shown: microseconds that the
transform adds to a record, and that as a share of the pipeline; then what Java's class needs for the same record, the
best of five rounds in a warm machine, and how many times as much it is here. Java's figures need Java 17 and Maven.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from headwater.connectors.debezium.envelope import envelope, envelope_schema  # noqa: E402
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA  # noqa: E402
from headwater.worker.api import Header, Record, Schema, Type, Values, decimal, primitive, struct  # noqa: E402
from headwater.worker.api.connector import SinkConnector  # noqa: E402
from headwater.worker.config.plan import ConnectorPlan, ErrorPolicy  # noqa: E402
from headwater.worker.config.plugins import installed  # noqa: E402
from headwater.worker.config.stages import build_stages  # noqa: E402
from headwater.worker.convert.json import JsonConverter  # noqa: E402
from headwater.worker.log.contract import Message  # noqa: E402
from headwater.worker.observe.metrics import TaskMetrics  # noqa: E402
from headwater.worker.runtime.errors import RecordErrors  # noqa: E402
from headwater.worker.runtime.pipe import SinkPipe  # noqa: E402
from tests.compat import java_stages  # noqa: E402
from tests.compat.java_stages import JavaStages  # noqa: E402
from tests.compat.typed import typed_record  # noqa: E402

APACHE = "org.apache.kafka.connect.transforms."
AT = 1_700_000_000_123
TEXT, OPTIONAL = primitive(Type.STRING), primitive(Type.STRING, True)
INNER = struct({"street": TEXT, "zip": OPTIONAL}, optional=True)
COLUMNS: Mapping[str, tuple[Schema, Any]] = {
    "id": (primitive(Type.INT64), 123456789),
    "name": (OPTIONAL, "Ada Lovelace"),
    "qty": (TEXT, "42"),
    "weight": (primitive(Type.FLOAT64), 71.25),
    "active": (primitive(Type.BOOLEAN), True),
    "placed": (TEXT, "2026-11-22 10:20:30"),
    "changed": (primitive(Type.INT64, True), AT),
    "price": (decimal(2, 10), Decimal("1234.50")),
    "note": (OPTIONAL, None),
    "address": (INNER, {"street": "Main", "zip": "N1"}),
}
KEY = struct({"id": primitive(Type.INT64)})
VALUE = struct({name: schema for name, (schema, _) in COLUMNS.items()}, name="shop.public.orders.Value")
RECORD = Record(
    "shop.public.orders", {"id": 123456789}, {name: value for name, (_, value) in COLUMNS.items()}, KEY, VALUE,
    (Header("trace", b"8f"),), AT, partition=0, offset=5,
)  # fmt: skip
CONFIGS: Mapping[str, Mapping[str, str]] = {
    "Cast$Value": {"spec": "qty:int32,weight:string"},
    "DropHeaders": {"headers": "trace"},
    "ExtractField$Key": {"field": "id"},
    "Filter": {},
    "Flatten$Value": {"delimiter": "_"},
    "HeaderFrom$Value": {"fields": "name", "headers": "name", "operation": "move"},
    "HoistField$Value": {"field": "order"},
    "InsertField$Value": {"topic.field": "topic", "offset.field": "offset"},
    "InsertHeader": {"header": "region", "value.literal": "eu"},
    "MaskField$Value": {"fields": "name,weight"},
    "RegexRouter": {"regex": r"shop\.public\.(.*)", "replacement": "$1"},
    "ReplaceField$Value": {"exclude": "note", "renames": "qty:quantity"},
    "SetSchemaMetadata$Value": {"schema.name": "shop.Order"},
    "TimestampConverter$Value": {"field": "placed", "target.type": "Timestamp", "format": "yyyy-MM-dd HH:mm:ss"},
    "TimestampRouter": {},
    "ValueToKey": {"fields": "id"},
}
SELECTS: Mapping[str, Mapping[str, str]] = {
    "Select where": {"where": "value.active && value.weight > 70.0"},
    "Select set": {"set.label": "value.name.upper() + ' ' + value.qty", "set.half": "value.weight / 2.0"},
    "Select copied fields": {"keep": "id", "set.who": "value.name", "set.street": "value.address.street"},
    "Select each": {"each": "[1, 2]", "set.n": "item", "type.n": "int64"},
}
CHANGE = VALUE.with_(fields=tuple(f for f in VALUE.fields if f.name != "address"))
ROW = {name: value for name, (_, value) in COLUMNS.items() if name != "address"}
OF_TABLE = {"version": "3.7", "connector": "postgresql", "name": "shop", "ts_ms": AT, "db": "d", "schema": "public",
            "table": "orders"}  # fmt: skip
EVENT = RECORD.replace(
    headers=(Header("trace", "8f", TEXT),),
    value=envelope("c", None, ROW, OF_TABLE, AT * 1000),
    value_schema=envelope_schema("shop.public.orders", CHANGE, POSTGRES_SOURCE_SCHEMA),
    offset=None,
)
HEADWATER_ONLY = ("ContentFilter", "ContentBasedRouter")
IN_PLACE = ("outbox.EventRouter", "TimezoneConverter")
"""Java's change the record that they get, which therefore has no second time that is like the first."""
DEBEZIUM: Mapping[str, Mapping[str, str]] = {
    "ExtractNewRecordState": {"add.fields": "op,source.ts_ms"},
    "outbox.EventRouter": {"table.field.event.payload": "note", "table.field.event.key": "id",
                           "route.by.field": "name"},
    "ByLogicalTableRouter": {"topic.regex": r"shop\.(.*)", "topic.replacement": "all.$1"},
    "HeaderToValue": {"headers": "trace", "fields": "trace", "operation": "copy"},
    "partitions.PartitionRouting": {"partition.payload.fields": "change.name", "partition.topic.num": "12"},
    "TimezoneConverter": {"converted.timezone": "Europe/Berlin", "include.list": "source:orders:source.ts_ms"},
    "ContentFilter": {"condition": "value.op == 'c' && value.after.weight > 70.0"},
    "ContentBasedRouter": {"topic.expression": "topic + '.' + value.op"},
}  # fmt: skip
BATCH = 500
JAVA_TIMES = 200_000


def converter(is_key: bool) -> JsonConverter:
    made = JsonConverter()
    made.configure(made.options.parse({})[0], is_key)
    return made


def pipe(*transforms: tuple[str, Mapping[str, str]]) -> SinkPipe:
    """`transforms`: class and options of each."""
    aliases = [str(number) for number in range(len(transforms))]
    raw: dict[str, str] = {}
    for alias, (name, options) in zip(aliases, transforms, strict=True):
        raw[f"transforms.{alias}.type"] = name
        raw |= {f"transforms.{alias}.{option}": value for option, value in options.items()}
    stages, problems = build_stages(aliases, [], raw, installed())
    assert not problems, problems
    plan = ConnectorPlan(
        "bench", "sink", SinkConnector(), Values({}), {}, converter(True), converter(False), stages=stages,
        errors=ErrorPolicy(),
    )  # fmt: skip
    metrics = TaskMetrics()
    return SinkPipe(plan, RecordErrors(plan.errors, metrics, lambda seconds: False), metrics)


def messages(record: Record) -> list[Message]:
    key = converter(True).encoder(record.topic, record.key_schema)(record.key)
    value = converter(False).encoder(record.topic, record.value_schema)(record.value)
    headers = ((h.name, h.value if isinstance(h.value, bytes) else str(h.value).encode()) for h in record.headers)
    return [Message(record.topic, key, value, tuple(headers), AT, 0, 5)] * BATCH


def microseconds(work: SinkPipe, given: list[Message], rows: int) -> float:
    """Of CPU time a record, the best batch of all: the others were interrupted."""
    best = float("inf")
    for _ in range(rows // BATCH):
        began = time.process_time()
        work.process(given)
        best = min(best, time.process_time() - began)
    return best / BATCH * 1e6


def java_microseconds(java: JavaStages, name: str, options: Mapping[str, str], record: Record) -> float:
    answer = java.ask("measure", **{"class": name}, config=options, record=typed_record(record), times=JAVA_TIMES)
    nanoseconds: float = answer["nanoseconds"]
    return nanoseconds / 1000


def measure(rows: int, java: JavaStages | None) -> None:
    given = messages(RECORD)
    plain = microseconds(pipe(), given, rows)
    print(f"{'without a transform':<26} {plain:>6.2f} µs a record")
    for name, options in CONFIGS.items():
        show(name, (APACHE + name, options), given, plain, rows, java, RECORD)
    for name, options in SELECTS.items():
        show(name, ("Select", options), given, plain, rows, None, RECORD)
    names = [name for name in CONFIGS if name not in ("Filter", "ExtractField$Key", "HoistField$Value")]
    whole = microseconds(pipe(*((APACHE + name, CONFIGS[name]) for name in names)), given, rows)
    print(f"{f'{len(names)} of them in a chain':<26} {whole - plain:>+6.2f} µs, the pipeline {whole / plain:.1f} times")
    event = messages(EVENT)
    plain = microseconds(pipe(), event, rows)
    print(f"{'change event, without':<26} {plain:>6.2f} µs a record")
    for name, options in DEBEZIUM.items():
        full = name if name in HEADWATER_ONLY else "io.debezium.transforms." + name
        beside = None if name in HEADWATER_ONLY + IN_PLACE else java
        show(name, (full, options), event, plain, rows, beside, EVENT)


def show(
    name: str,
    stage: tuple[str, Mapping[str, str]],
    given: list[Message],
    plain: float,
    rows: int,
    java: JavaStages | None,
    record: Record,
) -> None:
    added = microseconds(pipe(stage), given, rows) - plain
    line = f"{name:<26} {added:>+6.2f} µs, {added / plain:>+5.0%} of the pipeline"
    if java is not None:
        theirs = java_microseconds(java, *stage, record)
        line += f"   Java {theirs:>5.2f} µs"
        line += f", here {added / theirs:>3.0f} times that" if added > 0 and theirs > 0.05 else ""
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--without-java", action="store_true")
    asked = parser.parse_args()
    if asked.without_java:
        measure(asked.rows, None)
        return
    with java_stages.running() as java:
        measure(asked.rows, java)


if __name__ == "__main__":
    main()
