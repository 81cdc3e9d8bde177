"""Records that chance made, the same in every run: structs within structs, of all types, optional, with defaults."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from headwater.worker.api import DATE, TIME, TIMESTAMP, Record, Schema, Type, array, decimal, mapping, primitive, struct

_NAMES = ("id", "a", "b", "c.d", "name", "x_y", "ü", "when")
_BITS = {Type.INT8: 7, Type.INT16: 15, Type.INT32: 31, Type.INT64: 62}
_LOGICAL = {DATE: (Type.INT32, -700_000, 100_000), TIME: (Type.INT32, 0, 86_399_999),
            TIMESTAMP: (Type.INT64, -(2**45), 2**45)}  # fmt: skip


class Chance:
    def __init__(self, seed: int, decimals: bool = True) -> None:
        self._random = random.Random(seed)
        self._decimals = decimals

    def record(self) -> Record:
        schema = self.struct(3)
        headers_of = self._random.choice((None, 1_700_000_000_123))
        return Record("t", "k", self.value(schema), None, schema, timestamp_ms=headers_of, partition=1, offset=7)

    def struct(self, depth: int) -> Schema:
        names = self._random.sample(_NAMES, self._random.randint(1, 6))
        of_fields = {name: self.schema(depth - 1) for name in names}
        return struct(of_fields, optional=self._often(0.3), name=self._random.choice((None, "named")))

    def schema(self, depth: int) -> Schema:
        kind = self._random.random()
        optional = self._often(0.5)
        if depth and kind < 0.25:
            return self.struct(depth)
        if depth and kind < 0.32:
            return array(self.schema(0), optional)
        if depth == 2 and kind < 0.35:
            return mapping(primitive(Type.STRING), self.schema(0), optional)
        made = self._leaf(optional)
        return made.with_(default=self._plain(made)) if self._often(0.3) else made

    def _leaf(self, optional: bool) -> Schema:
        kind = self._random.randrange(12)
        if kind == 0 and self._decimals:
            return decimal(self._random.choice((0, 2, 5)), None, optional)
        if kind == 1:
            name = self._random.choice(list(_LOGICAL))
            return primitive(_LOGICAL[name][0], optional, name=name, version=1)
        simple = (*_BITS, Type.FLOAT32, Type.FLOAT64, Type.BOOLEAN, Type.STRING, Type.BYTES)
        return primitive(self._random.choice(simple), optional, doc=self._random.choice((None, "said")))

    def value(self, schema: Schema) -> Any:
        if schema.optional and self._often(0.3):
            return None
        if schema.type is Type.STRUCT:
            return {field.name: self.value(field.schema) for field in schema.fields}
        if schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            return [self.value(schema.value_schema) for _ in range(self._random.randrange(3))]
        if schema.type is Type.MAP:
            assert schema.value_schema is not None
            return {f"k{n}": self.value(schema.value_schema) for n in range(self._random.randrange(3))}
        return self._plain(schema)

    def _plain(self, schema: Schema) -> Any:
        if schema.name in _LOGICAL:
            return self._random.randint(*_LOGICAL[schema.name][1:])
        if schema.type in _BITS:
            return self._random.randint(-(2 ** _BITS[schema.type]), 2 ** _BITS[schema.type] - 1)
        if schema.type is Type.BYTES:
            if schema.parameters:
                return Decimal(self._random.randint(-(10**12), 10**12)).scaleb(-int(schema.parameters["scale"]))
            return self._random.randbytes(self._random.randrange(4))
        if schema.type is Type.BOOLEAN:
            return self._often(0.5)
        if schema.type is Type.STRING:
            return self._random.choice(("", "x", "42", "-7", "true", "1.5", "2026-11-22", 'ü"\\'))
        return self._random.randint(-(2**20), 2**20) / 2**6  # the same as float32

    def _often(self, share: float) -> bool:
        return self._random.random() < share
