"""Column defaults that are constants: `5`, `'x'::text`, `true`. What has to be computed has no place in a schema.

Source: pg_get_expr's forms; types as in io.debezium.connector.postgresql.connection.PostgresDefaultValueConverter.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any, Final

from headwater.connectors.debezium.names import ENUM
from headwater.connectors.postgres.catalog import ColumnInfo
from headwater.worker.api import DECIMAL, NO_DEFAULT

from .column_type import ColumnType
from .number import precision_and_scale, quantized, scale_of

_CONSTANT = re.compile(
    r"\(?(?:(?P<bare>-?\d[\d.]*(?:e[+-]?\d+)?|true|false)|B?'(?P<quoted>(?:[^']|'')*)')\)?"
    r"(?:::[\w\". ]+(?:\(\d+(?:,-?\d+)?\))?(?: with(?:out)? time zone)?)?",
    re.IGNORECASE,
)
_NUMERIC: Final = 1700
_BOOLEANS: Final = {"true": "t", "false": "f"}
_TYPES: Final = frozenset(
    (16, 20, 21, 23, 25, 114, 142, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1560, 1562, 1700, 2950, 3802)
)
"""Oids of the built-in types whose defaults Debezium puts into schemas."""


def constant_default(column: ColumnInfo, type: ColumnType) -> Any:
    """The value of a constant default in the schema of `type`, or `NO_DEFAULT`."""
    if column.default is None or column.generated or not (column.type_oid in _TYPES or type.schema.name == ENUM):
        return NO_DEFAULT
    if type.schema.fields:
        return NO_DEFAULT  # a struct as a default breaks Kafka Connect's readers (KAFKA-12694)
    found = _CONSTANT.fullmatch(column.default)
    if found is None:
        return NO_DEFAULT
    bare, quoted = found.group("bare", "quoted")
    text = _BOOLEANS.get(bare.lower(), bare) if bare is not None else quoted.replace("''", "'")
    try:
        value = type.decode(text.encode())
        if type.schema.name == DECIMAL and isinstance(value, Decimal):
            value = quantized(value, scale_of(type.schema))
        elif column.type_oid == _NUMERIC and column.typmod >= 4 and isinstance(value, str):
            value = format(quantized(Decimal(value), precision_and_scale(column.typmod)[1]), "f")
    except (ValueError, ArithmeticError, LookupError):
        return NO_DEFAULT  # the constant is written in another type, e.g. 1.5 for a whole number
    if isinstance(value, float) and not math.isfinite(value):
        return NO_DEFAULT  # not a number is never equal to itself: the schema would seem to change at each look
    return value
