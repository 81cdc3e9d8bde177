from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater.connectors.postgres.catalog import ColumnInfo, TypeInfo, Types
from headwater.connectors.postgres.types.default import constant_default
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.connectors.postgres.types.registry import column_type
from headwater.worker.api import NO_DEFAULT

TYPES = Types(
    lambda: [
        TypeInfo(23, "pg_catalog", "int4"),
        TypeInfo(1007, "pg_catalog", "_int4", element=23),
        TypeInfo(20000, "public", "mood", kind="e", labels=("sad", "ok")),
        TypeInfo(20001, "public", "positive", kind="d", base=23),
    ]
)


def default_of(expression: str | None, oid: int, typmod: int = -1, generated: str = "") -> Any:
    column = ColumnInfo("c", 1, oid, typmod, default=expression, generated=generated)
    type = column_type(column, TYPES, ValueModes())
    assert type is not None
    return constant_default(column, type)


@pytest.mark.parametrize(
    ("expression", "oid", "typmod", "value"),
    [
        ("5", 23, -1, 5),
        ("'-1'::integer", 21, -1, -1),
        ("'9223372036854775807'::bigint", 20, -1, 2**63 - 1),
        ("(5)::bigint", 20, -1, 5),
        ("true", 16, -1, True),
        ("false", 16, -1, False),
        ("5", 1700, (10 << 16 | 2) + 4, Decimal("5.00")),
        ("1.5", 701, -1, 1.5),
        ("'1e+300'::double precision", 701, -1, 1e300),
        ("'it''s'::text", 25, -1, "it's"),
        ("''::character varying", 1043, -1, ""),
        ("'x'::character varying(10)", 1043, -1, "x"),
        ("'x'::bpchar", 1042, 9, "x"),
        ("'sad'::mood", 20000, -1, "sad"),
        ("'sad'::\"My schema\".mood", 20000, -1, "sad"),
        ("'{\"a\": 1}'::jsonb", 3802, -1, '{"a": 1}'),
        ("'101'::\"bit\"", 1560, 3, b"\x05"),
        ("B'1'::\"bit\"", 1560, 1, True),
        ("'2020-01-01'::date", 1082, -1, 18262),
        ("'2020-01-01 00:00:00'::timestamp without time zone", 1114, 3, 1577836800000),
        ("'2020-01-01 00:00:00+00'::timestamp with time zone", 1184, 0, "2020-01-01T00:00:00Z"),
        ("'10:00:00'::time without time zone", 1083, -1, 36_000_000_000),
        ("'1 day'::interval", 1186, -1, 86_400_000_000),
    ],
)
def test_constants(expression: str, oid: int, typmod: int, value: object) -> None:
    result = default_of(expression, oid, typmod)
    assert result == value and type(result) is type(value)


@pytest.mark.parametrize(
    ("expression", "oid"),
    [
        (None, 23),
        ("nextval('s.t_id_seq'::regclass)", 23),
        ("now()", 1184),
        ("CURRENT_DATE", 1082),
        ("(1 + 2)", 23),
        ("'a'::text || 'b'::text", 25),
        ("upper('a'::text)", 25),
        ("E'a\\\\b'::text", 25),
        ("NULL::integer", 23),
        ("1.5", 23),
        ("1.5", 1700),  # a struct
        ("'NaN'::double precision", 701),
        ("'{1}'::integer[]", 1007),
        ("'\\x00'::bytea", 17),
        ("1", 20001),
        ("'127.0.0.1'::inet", 869),
        ("'2020-01-01 00:00:00+02'::timestamp with time zone", 1184),
    ],
)
def test_what_is_no_constant_has_no_default(expression: str | None, oid: int) -> None:
    assert default_of(expression, oid) is NO_DEFAULT


def test_a_decimal_default_as_text_has_all_its_digits() -> None:
    column = ColumnInfo("c", 1, 1700, (10 << 16 | 2) + 4, default="2")
    modes = ValueModes(decimal="string")
    type = column_type(column, TYPES, modes)
    assert type is not None and constant_default(column, type) == "2.00"


def test_a_default_that_the_column_cannot_hold_exactly() -> None:
    assert default_of("1.005", 1700, (10 << 16 | 2) + 4) is NO_DEFAULT


def test_a_generated_column_has_no_default() -> None:
    assert default_of("5", 23, generated="s") is NO_DEFAULT
