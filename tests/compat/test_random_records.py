"""Kafka Connect's transforms on records that chance made, against the Java classes."""

from __future__ import annotations

import pytest

from headwater.worker.api import Record

from .java_stages import JavaStages
from .random_records import Chance
from .stages_compared import run_both

pytestmark = pytest.mark.compat
APACHE = "org.apache.kafka.connect.transforms."
ROUNDS, RECORDS = 4, 50
CONFIGS = [
    ("Cast$Value", {"spec": "id:string,a:int16,b:float64,name:boolean,ü:int64,when:float32"}),
    ("Cast$Value", {"spec": "id:boolean,a:string,b:int8,name:int32,when:string", "replace.null.with.default": "false"}),
    ("ExtractField$Value", {"field": "a.b", "field.syntax.version": "V2"}),
    ("ExtractField$Value", {"field": "a.`c.d`.id", "field.syntax.version": "V2", "replace.null.with.default": "false"}),
    ("ExtractField$Value", {"field": "c.d"}),
    ("Flatten$Value", {"delimiter": "_"}),
    ("HeaderFrom$Value", {"fields": "id", "headers": "h", "operation": "move"}),
    (
        "HeaderFrom$Value",
        {"fields": "a,b", "headers": "h,h", "operation": "copy", "replace.null.with.default": "false"},
    ),
    ("HoistField$Value", {"field": "whole"}),
    ("InsertField$Value", {"topic.field": "from", "offset.field": "offset!", "timestamp.field": "at"}),
    ("InsertField$Value", {"partition.field": "part", "replace.null.with.default": "false"}),
    ("MaskField$Value", {"fields": "id,a,name"}),
    ("MaskField$Value", {"fields": "b,when", "replacement": "7"}),
    ("ReplaceField$Value", {"exclude": "a,when", "renames": "id:key,name:a"}),
    ("SetSchemaMetadata$Value", {"schema.name": "n", "schema.version": "3"}),
    ("TimestampConverter$Value", {"field": "when", "target.type": "string", "format": "yyyy-MM-dd HH:mm:ss.SSS"}),
    ("TimestampConverter$Value", {"field": "id", "target.type": "unix", "format": "yyyy-MM-dd"}),
    ("ValueToKey", {"fields": "id"}),
]


@pytest.mark.parametrize(("name", "config"), CONFIGS, ids=lambda value: value if isinstance(value, str) else None)
def test_as_java(java_stages: JavaStages, name: str, config: dict[str, str]) -> None:
    for seed in range(ROUNDS):
        chance = Chance(seed, decimals="MaskField" not in name)  # theirs lose their scale
        records: list[Record] = [chance.record() for _ in range(RECORDS)]
        both = run_both(java_stages, APACHE + name, config, records)
        for record, ours, theirs in zip(records, both.ours, both.theirs, strict=True):
            assert ours == theirs, f"seed {seed}: {record}\n{both.errors}"
