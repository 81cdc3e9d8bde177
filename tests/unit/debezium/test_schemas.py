"""Debezium's schemas, against what connect-json 4.3.1 prints for those of Debezium 3.7.0.Final."""

from __future__ import annotations

import pytest

from headwater.connectors.debezium import names
from headwater.connectors.debezium.envelope import envelope_schema
from headwater.connectors.debezium.side_schemas import MESSAGE_VALUE_SCHEMA, TRANSACTION_VALUE_SCHEMA
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.worker.api import Schema, Type, primitive, struct
from headwater.worker.convert.json_encode import dumps, json_encoder
from headwater.worker.convert.schema_json import schema_to_json

ROW = '{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"optional":true,"name":"p.s.t.Value"'
SOURCE = (
    '{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,'
    '"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":'
    '"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":'
    '"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":'
    '"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},'
    '{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string"'
    ',"optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":'
    'true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"'
    '},{"type":"string","optional":true,"field":"origin"},{"type":"int64","optional":true,"field":"origin_lsn"}],'
    '"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1'
)
TRANSACTION = (
    '{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,'
    '"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":'
    '"event.block","version":1'
)


def text(schema: Schema) -> str:
    return dumps(schema_to_json(schema, json_encoder(False, True))).decode()


def test_source() -> None:
    assert text(POSTGRES_SOURCE_SCHEMA) == SOURCE + "}"


def test_envelope() -> None:
    row = struct({"id": primitive(Type.INT32)}, name="p.s.t.Value")
    assert text(envelope_schema("p.s.t", row, POSTGRES_SOURCE_SCHEMA)) == (
        f'{{"type":"struct","fields":[{ROW},"field":"before"}},{ROW},"field":"after"}},{SOURCE},"field":"source"}},'
        f'{TRANSACTION},"field":"transaction"}},{{"type":"string","optional":false,"field":"op"}},'
        '{"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},'
        '{"type":"int64","optional":true,"field":"ts_ns"}],"optional":false,"name":"p.s.t.Envelope","version":2}'
    )


@pytest.mark.parametrize(
    ("schema", "printed"),
    [
        (
            names.bits(9),
            '{"type":"bytes","optional":false,"name":"io.debezium.data.Bits","version":1,"parameters":{"length":"9"}}',
        ),
        (
            names.enum(["a", "b"]),
            '{"type":"string","optional":false,"name":"io.debezium.data.Enum","version":1,"parameters":'
            '{"allowed":"a,b"}}',
        ),
        (
            names.enum_set(["a", "b"]),
            '{"type":"string","optional":false,"name":"io.debezium.data.EnumSet","version":1,"parameters":'
            '{"allowed":"a,b"}}',
        ),
        (names.semantic(names.JSON), '{"type":"string","optional":false,"name":"io.debezium.data.Json","version":1}'),
        (names.semantic(names.DATE), '{"type":"int32","optional":false,"name":"io.debezium.time.Date","version":1}'),
        (
            names.semantic(names.MICRO_DURATION),
            '{"type":"int64","optional":false,"name":"io.debezium.time.MicroDuration","version":1}',
        ),
        (
            names.semantic(names.ZONED_TIMESTAMP),
            '{"type":"string","optional":false,"name":"io.debezium.time.ZonedTimestamp","version":1}',
        ),
        (
            names.variable_scale_decimal(),
            '{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":'
            'false,"field":"value"}],"optional":false,"name":"io.debezium.data.VariableScaleDecimal","version":1,"doc":'
            '"Variable scaled decimal"}',
        ),
        (
            names.point(),
            '{"type":"struct","fields":[{"type":"double","optional":false,"field":"x"},{"type":"double","optional":'
            'false,"field":"y"},{"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":'
            '"srid"}],"optional":false,"name":"io.debezium.data.geometry.Point","version":1,"doc":"Geometry (POINT)"}',
        ),
        (
            names.geometry(),
            '{"type":"struct","fields":[{"type":"bytes","optional":false,"field":"wkb"},{"type":"int32","optional":true'
            ',"field":"srid"},{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string",'
            '"optional":false},"optional":true,"field":"extensions"}],"optional":true,"name":'
            '"io.debezium.data.geometry.Geometry","version":2,"doc":"Geometry"}',
        ),
        (
            names.sparse_double_vector(),
            '{"type":"struct","fields":[{"type":"int16","optional":false,"field":"dimensions"},{"type":"map","keys":'
            '{"type":"int16","optional":false},"values":{"type":"double","optional":false},"optional":false,"field":'
            '"vector"}],"optional":false,"name":"io.debezium.data.SparseDoubleVector","version":1,"doc":'
            '"Sparse double vector"}',
        ),
        (
            names.double_vector(),
            '{"type":"array","items":{"type":"double","optional":false},"optional":false,"name":'
            '"io.debezium.data.DoubleVector","version":1}',
        ),
    ],
)
def test_semantic_types(schema: Schema, printed: str) -> None:
    assert text(schema) == printed


MESSAGE_PRINTED = (
    '{"type":"struct","fields":[{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},'
    + SOURCE
    + ',"field":"source"},'
    + TRANSACTION
    + (
        ',"field":"transaction"},{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"'
        '},{"type":"bytes","optional":true,"field":"content"}],"optional":false,"name":"io.debezium.connector'
        '.postgresql.Message","version":1,"field":"message"}],"optional":false,"name":"io.debezium.connector.'
        'postgresql.MessageValue","version":1}'
    )
)
TRANSACTION_VALUE_PRINTED = (
    '{"type":"struct","fields":[{"type":"string","optional":false,"field":"status"},{"type":"string","opt'
    'ional":false,"field":"id"},{"type":"int64","optional":true,"field":"event_count"},{"type":"array","i'
    'tems":{"type":"struct","fields":[{"type":"string","optional":false,"field":"data_collection"},{"type'
    '":"int64","optional":false,"field":"event_count"}],"optional":true,"name":"event.collection","versio'
    'n":1},"optional":true,"field":"data_collections"},{"type":"int64","optional":false,"field":"ts_ms"}]'
    ',"optional":false,"name":"io.debezium.connector.common.TransactionMetadataValue","version":1}'
)


def test_logical_message() -> None:
    assert text(MESSAGE_VALUE_SCHEMA) == MESSAGE_PRINTED


def test_transaction_metadata() -> None:
    assert text(TRANSACTION_VALUE_SCHEMA) == TRANSACTION_VALUE_PRINTED
