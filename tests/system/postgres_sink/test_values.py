"""Every type of an event, into the view and back."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.connectors.debezium import names
from headwater.connectors.postgres.sink.columns import column_of
from headwater.connectors.postgres.sink.copy_out import copy_rows
from headwater.connectors.postgres.sink.generations import PostgresGenerations
from headwater.worker.api import (
    DATE,
    TIME,
    TIMESTAMP,
    Schema,
    TopicPartition,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)
from tests.conftest import Database
from tests.servers.postgres import PostgresServer

from .records import INT32, INT64, STRING, Task, Topic, values
from .test_generations import check_equal

pytestmark = pytest.mark.system

BIG: Final = 9223372036825200000
FLOAT32, FLOAT64 = primitive(Type.FLOAT32), primitive(Type.FLOAT64)

# schema, value in the event, type of the column, value::text there
EXAMPLES: Final[list[tuple[Schema, Any, str, str]]] = [
    (primitive(Type.INT8), -128, "smallint", "-128"),
    (primitive(Type.INT16), 32767, "smallint", "32767"),
    (INT32, -(2**31), "integer", "-2147483648"),
    (INT64, 2**63 - 1, "bigint", "9223372036854775807"),
    (FLOAT32, 0.1, "real", "0.1"),
    (FLOAT64, -math.inf, "double precision", "-Infinity"),
    (FLOAT64, math.nan, "double precision", "NaN"),
    (FLOAT64, 5e-324, "double precision", "5e-324"),
    (primitive(Type.BOOLEAN), True, "boolean", "true"),
    (STRING, "tab\tline\nback\\slash é 𝄞 \\N", "text", "tab\tline\nback\\slash é 𝄞 \\N"),
    (primitive(Type.BYTES), b"\0\xff'\\", "bytea", "\\x00ff275c"),
    (decimal(2, 10), Decimal("-1.50"), "numeric(10,2)", "-1.50"),
    (decimal(0), Decimal(10) ** 400, "numeric", "1" + "0" * 400),
    (decimal(3, 2), Decimal("0.001"), "numeric", "0.001"),
    (names.variable_scale_decimal(), {"scale": 3, "value": b"\xfb.\x10"}, "numeric", "-315.888"),
    (names.variable_scale_decimal(), {"scale": -2, "value": b"\x07"}, "numeric", "700"),
    (primitive(Type.INT32, name=DATE, version=1), -1, "date", "1969-12-31"),
    (names.semantic(names.DATE), -719893, "date", "0002-01-01 BC"),
    (names.semantic(names.DATE), 2146033979, "date", "infinity"),
    (names.semantic(names.DATE), -2147472692, "date", "infinity"),
    (names.semantic(names.DATE), 2_932_897, "date", "10000-01-01"),
    (primitive(Type.INT32, name=TIME, version=1), 1, "time without time zone", "00:00:00.001"),
    (names.semantic(names.TIME), 86399999, "time without time zone", "23:59:59.999"),
    (names.semantic(names.MICRO_TIME), 86_400_000_000, "time without time zone", "24:00:00"),
    (names.semantic(names.NANO_TIME), 1_999, "time without time zone", "00:00:00.000001"),
    (primitive(Type.INT64, name=TIMESTAMP, version=1), -1, "timestamp without time zone", "1969-12-31 23:59:59.999"),
    (names.semantic(names.TIMESTAMP), BIG // 1000, "timestamp without time zone", "infinity"),
    (names.semantic(names.MICRO_TIMESTAMP), -9223372036832400000, "timestamp without time zone", "-infinity"),
    (names.semantic(names.MICRO_TIMESTAMP), 253402300800000001, "timestamp without time zone",
     "10000-01-01 00:00:00.000001"),
    (names.semantic(names.MICRO_TIMESTAMP), -62198755200000000, "timestamp without time zone",
     "0002-01-01 00:00:00 BC"),
    (names.semantic(names.NANO_TIMESTAMP), -1, "timestamp without time zone", "1969-12-31 23:59:59.999999"),
    (names.semantic(names.NANO_TIMESTAMP), 2**63 - 1, "timestamp without time zone", "infinity"),
    (names.semantic(names.ZONED_TIMESTAMP), "2016-11-04T11:51:30.123456Z", "timestamp with time zone",
     "2016-11-04 11:51:30.123456+00"),
    (names.semantic(names.ZONED_TIMESTAMP), "2016-11-04T11:51:30+02:30", "timestamp with time zone",
     "2016-11-04 09:21:30+00"),
    (names.semantic(names.ZONED_TIMESTAMP), "-0043-03-15T00:00:00Z", "timestamp with time zone",
     "0044-03-15 00:00:00+00 BC"),
    (names.semantic(names.ZONED_TIMESTAMP), "+123456-03-15T00:00:00.5Z", "timestamp with time zone",
     "123456-03-15 00:00:00.5+00"),
    (names.semantic(names.ZONED_TIMESTAMP), "-infinity", "timestamp with time zone", "-infinity"),
    (names.semantic(names.ZONED_TIME), "10:15:30.5Z", "time with time zone", "10:15:30.5+00"),
    (names.semantic(names.ZONED_TIME), "24:00:00Z", "time with time zone", "24:00:00+00"),
    (names.semantic(names.ZONED_TIME), "10:15:30-05:30", "time with time zone", "10:15:30-05:30"),
    (names.semantic(names.ISO_DATE), "2016-11-04Z", "date", "2016-11-04"),
    (names.semantic(names.ISO_TIME), "10:15:30.123456Z", "time without time zone", "10:15:30.123456"),
    (names.semantic(names.ISO_TIMESTAMP), "2016-11-04T11:51:30Z", "timestamp without time zone", "2016-11-04 11:51:30"),
    (names.semantic(names.YEAR), 2020, "integer", "2020"),
    (names.semantic(names.INTERVAL), "P1Y2M-3DT-4H-5M-6.7S", "interval", "1 year 2 mons -3 days -04:05:06.7"),
    (names.semantic(names.INTERVAL), "infinity", "interval", "infinity"),
    (names.semantic(names.MICRO_DURATION), 90_000_000_000, "interval", "25:00:00"),
    (names.semantic(names.NANO_DURATION), -1_000, "interval", "-00:00:00.000001"),
    (names.semantic(names.JSON), '{"b": [1.50, 1e2, "\\u00e9"], "a": {}, "b": null}', "jsonb", '{"a": {}, "b": null}'),
    (names.semantic(names.JSON), "1.10", "jsonb", "1.10"),
    (names.semantic(names.UUID), "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "uuid",
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    (names.semantic(names.LTREE), "Top.Science", "text", "Top.Science"),
    (names.semantic(names.XML), "<a/>", "text", "<a/>"),
    (names.enum(["sad", "ok"]), "ok", "text", "ok"),
    (names.enum_set(["a", "b"]), "a,b", "text", "a,b"),
    (names.bits(5), b"\x05", "bit(5)", "00101"),
    (names.bits(12), b"\x01\x08", "bit(12)", "100000000001"),
    (names.bits(2**31 - 1), b"\x05", "bit varying", "101"),
    (names.bits(2**31 - 1), b"", "bit varying", ""),
    (names.point(), {"x": 1.5, "y": -2.0, "wkb": None, "srid": None}, "point", "(1.5,-2)"),
    (names.geography(), {"wkb": b"\x01", "srid": 4326}, "jsonb", '{"wkb": "AQ==", "srid": 4326}'),
    (names.float_vector(), [0.5, -1.0], "real[]", "{0.5,-1}"),
    (names.sparse_double_vector(), {"dimensions": 3, "vector": {1: 0.5}}, "jsonb",
     '{"vector": {"1": 0.5}, "dimensions": 3}'),
    (array(INT32.as_optional()), [1, None, -3], "integer[]", "{1,NULL,-3}"),
    (array(STRING), ['a "q"', "NULL", "", "{,}", "\\"], "text[]", '{"a \\"q\\"","NULL","","{,}","\\\\"}'),
    (array(INT64), [], "bigint[]", "{}"),
    (array(decimal(1, 4)), [Decimal("1.5"), Decimal(2)], "numeric(4,1)[]", "{1.5,2.0}"),
    (array(names.semantic(names.DATE)), [0, -2147472691], "date[]", "{1970-01-01,-infinity}"),
    (array(names.semantic(names.JSON)), ['{"a":1}'], "jsonb[]", '{"{\\"a\\": 1}"}'),
    (array(names.semantic(names.UUID)), ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "uuid[]",
     "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"),
    (array(names.bits(3)), [b"\x05"], "bit(3)[]", "{101}"),
    (array(array(INT32)), [[1], [2, 3]], "jsonb", "[[1], [2, 3]]"),
    (mapping(STRING, STRING.as_optional()), {"a": "1", "b": None}, "jsonb", '{"a": "1", "b": null}'),
    (struct({"a": FLOAT64, "b": primitive(Type.BYTES)}), {"a": math.nan, "b": b"x"}, "jsonb",
     '{"a": "nan", "b": "eA=="}'),
]  # fmt: skip


def test_each_type_becomes_the_right_column_with_the_right_value(
    any_pg: PostgresServer, make_database: Callable[[PostgresServer], Database]
) -> None:
    examples = [e for e in EXAMPLES if any_pg.major >= 17 or e[2:] != ("interval", "infinity")]
    database = make_database(any_pg)
    row = struct({"id": INT32} | {f"c{n}": example[0].as_optional() for n, example in enumerate(examples)})
    topic = Topic(row)
    full = {"id": 1} | {f"c{n}": example[1] for n, example in enumerate(examples)}
    empty = {"id": 2} | {f"c{n}": None for n in range(len(examples))}
    with Task(values(database)) as task:
        records = [topic.put(full), topic.put(empty)]
        task.put(*records)
        assert not task.bad, task.bad
    with database.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        for number, (schema, _, type_name, text) in enumerate(examples):
            found = connection.execute(
                f"SELECT format_type(atttypid, atttypmod), c{number}::text FROM shop_public_orders, pg_attribute "  # type: ignore[arg-type]
                f"WHERE id = 1 AND attrelid = 'shop_public_orders'::regclass AND attname = 'c{number}'"
            ).fetchone()
            assert found == (type_name, text), schema
        counted = " + ".join(f"(c{n} IS NULL)::int" for n in range(len(examples)))
        assert connection.execute(f"SELECT {counted} FROM shop_public_orders WHERE id = 2").fetchone() == (  # type: ignore[arg-type]
            len(examples),
        )
    generations = PostgresGenerations(values(database), "view")
    check_equal(generations, 1, records)
    generations.close()


_text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=80)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.decimals(-1000, 1000, places=3).map(str) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)


def _json_text(value: Any) -> str:
    return json.dumps(value)


def _moments() -> st.SearchStrategy[str]:
    return st.datetimes().map(lambda moment: moment.isoformat() + "Z")


_SCALARS: Final[list[tuple[Schema, st.SearchStrategy[Any]]]] = [
    (primitive(Type.INT16), st.integers(-(2**15), 2**15 - 1)),
    (INT32, st.integers(-(2**31), 2**31 - 1)),
    (INT64, st.integers(-(2**63), 2**63 - 1)),
    (FLOAT32, st.floats(width=32)),
    (FLOAT64, st.floats()),
    (primitive(Type.BOOLEAN), st.booleans()),
    (STRING, _text),
    (primitive(Type.BYTES), st.binary(max_size=80)),
    (decimal(4, 20), st.decimals(-(10**15), 10**15, places=4)),
    (decimal(0), st.integers(-(10**60), 10**60).map(Decimal)),
    (names.variable_scale_decimal(), st.builds(lambda s, v: {"scale": s, "value": v}, st.integers(-50, 50),
                                               st.binary(min_size=1, max_size=20))),
    (names.semantic(names.DATE), st.integers(-2_400_000, 2_145_000_000)),
    (names.semantic(names.MICRO_TIME), st.integers(0, 86_400_000_000)),
    (names.semantic(names.TIMESTAMP), st.integers(-210_000_000_000_000, 9_224_000_000_000_000)),
    (names.semantic(names.MICRO_TIMESTAMP), st.integers(-210_000_000_000_000_000, 9_223_372_036_854_775_807)),
    (names.semantic(names.NANO_TIMESTAMP), st.integers(-(2**63), 2**63 - 1)),
    (names.semantic(names.ZONED_TIMESTAMP), _moments()),
    (names.semantic(names.INTERVAL), st.builds(lambda y, m, d, h: f"P{y}Y{m}M{d}DT{h}H0M0.000001S",
                                               *[st.integers(-1000, 1000)] * 4)),
    (names.semantic(names.MICRO_DURATION), st.integers(-(2**62), 2**62)),
    (names.semantic(names.JSON), _json.map(_json_text)),
    (names.semantic(names.UUID), st.uuids().map(str)),
    (names.bits(17), st.integers(0, 2**17 - 1).map(lambda n: n.to_bytes(3, "little"))),
    (names.point(), st.builds(lambda x, y: {"x": x, "y": y, "wkb": None, "srid": None},
                              st.floats(allow_nan=False), st.floats(allow_nan=False))),
]  # fmt: skip
_ALL: Final = [
    *_SCALARS,
    *((array(schema.as_optional()), st.lists(st.none() | one, max_size=4)) for schema, one in _SCALARS),
    (mapping(STRING, STRING), st.dictionaries(_text, _text, max_size=3)),
    (array(array(INT32)), st.just([[1], []])),
]
_schemas = st.lists(st.sampled_from(_ALL), min_size=4, max_size=12)
_topics = itertools.count()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_row_comes_back_equal(database: Database, data: st.DataObject) -> None:
    columns = data.draw(_schemas)
    number = next(_topics)
    row = struct({"id": INT32} | {f"c{n}": schema.as_optional() for n, (schema, _) in enumerate(columns)})
    topic = Topic(row, topic=f"shop.public.t{number}")
    drawn = [
        {"id": key} | {f"c{n}": data.draw(st.none() | one) for n, (_, one) in enumerate(columns)} for key in range(4)
    ]
    with Task(values(database), TopicPartition(topic.name, 0), view=f"v{number}") as task:
        records = [topic.put(one) for one in drawn]
        task.put(*records)
        assert not task.bad, task.bad
    generations = PostgresGenerations(values(database), f"v{number}")
    check_equal(generations, 1, records)
    generations.close()
    with database.connect() as connection:
        _check_read_back(connection, f"shop_public_t{number}", columns, drawn)


def _check_read_back(
    connection: psycopg.Connection[Any], name: str, columns: list[tuple[Schema, Any]], drawn: list[dict[str, Any]]
) -> None:
    kinds = [column_of(schema) for schema, _ in columns]
    listed = ", ".join(f"CAST(c{n} AS {kind.staged})" for n, (kind, _) in enumerate(kinds))
    connection.execute("SET timezone = 'UTC'")
    for one, fields in zip(drawn, copy_rows(connection, f"SELECT {listed} FROM {name} ORDER BY id"), strict=True):
        for n, ((kind, read), field) in enumerate(zip(kinds, fields, strict=True)):
            if one[f"c{n}"] is None:
                assert field is None
            else:
                assert field is not None
                assert kind.canonical(kind.unpack(field)) == kind.canonical(read(one[f"c{n}"]))
