"""PartitionRouting: the partition is chosen by fields of the change event.

Source: io.debezium.transforms.partitions.PartitionRouting of Debezium 3.7.0.Final. Differences: it works in sinks too;
an unknown hash function is an error; bytes, whose Java hash is another in each process, are refused with `java`.
"""

from __future__ import annotations

from typing import Any, Final

from headwater.connectors.debezium.envelope import DELETE, MESSAGE, TRUNCATE, is_envelope
from headwater.worker.api import (
    DataError,
    Option,
    Options,
    OptionType,
    Record,
    Schema,
    Transform,
    Type,
    Values,
    at_least,
)

from .java_hash import java_hash, murmur_hash
from .struct_values import value_of

_POSITIVE: Final = 0x7FFF_FFFF


class PartitionRouting(Transform):
    doc = "Choose the partition of change events by fields of theirs."
    options = Options(
        Option(
            "partition.payload.fields",
            OptionType.LIST,
            doc="Fields, as source.table or after.name; change.name is of the row after it, or before a delete.",
            validate=lambda fields: None if fields else "must name at least one field",
            importance="high",
        ),
        Option(
            "partition.topic.num",
            OptionType.INT,
            doc="The topic's partitions.",
            validate=at_least(1),
            importance="high",
        ),
        Option(
            "partition.hash.function",
            default="java",
            doc="How values are hashed.",
            choices=("java", "murmur"),
            importance="low",
        ),
    )

    def configure(self, values: Values) -> None:
        fields = values["partition.payload.fields"]
        self._paths = [tuple(name.strip() for name in field.split(".")) for field in fields]
        self._partitions: int = values["partition.topic.num"]
        self._hash = murmur_hash if values["partition.hash.function"] == "murmur" else java_hash

    def apply(self, record: Record) -> Record:
        event = record.value
        if event is None or not is_envelope(record.value_schema, event) or event.get("op") in (TRUNCATE, MESSAGE):
            return record
        total, found = 0, False
        try:
            for path in self._paths:
                value, schema = self._find(path, event, record.value_schema)
                if value is not None:
                    total += self._hash(value, schema)
                    found = True
        except DataError as error:
            raise DataError(f"{record.where()}: PartitionRouting: {error}") from error
        if not found:
            return record
        positive = total & _POSITIVE
        return record.replace(partition=0 if positive == _POSITIVE else positive % self._partitions)

    def _find(self, path: tuple[str, ...], event: dict[str, Any], schema: Schema | None) -> tuple[Any, Schema | None]:
        """None where there is no such field."""
        here = event
        for name in path[:-1]:
            if name == "change":
                name = "before" if event.get("op") == DELETE else "after"
            if name not in here or (schema is not None and schema.get(name) is None):
                return None, None
            schema = None if schema is None else schema.get(name)
            here = here[name]
            if not isinstance(here, dict) or (schema is not None and schema.type is not Type.STRUCT):
                return None, None
        of_field = None if schema is None else schema.get(path[-1])
        if schema is not None and of_field is None:
            return None, None
        return value_of(here, path[-1], of_field), of_field
