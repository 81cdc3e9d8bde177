"""What records become, what is expected of them, and what waits for a request."""

from __future__ import annotations

import pytest

from headwater.connectors.elasticsearch.sink import ElasticsearchSinkConnector
from headwater.connectors.elasticsearch.sink.documents import Documents
from headwater.connectors.elasticsearch.sink.expect import Expectation
from headwater.connectors.elasticsearch.sink.operations import Operation, Place, bulk_body
from headwater.connectors.elasticsearch.sink.pending import Pending
from headwater.connectors.elasticsearch.sink.remembered import Kept, Remembered
from headwater.worker.api import DataError, Record, Type, Values, primitive, struct
from tests.system.postgres_sink.records import TEXT, Topic


def parsed(**options: str) -> tuple[Values, list[str]]:
    raw: dict[str, str | None] = {name.replace("_", "."): text for name, text in options.items()}
    values, found = ElasticsearchSinkConnector.options.parse(raw)
    found += ElasticsearchSinkConnector().validate(values)
    return values, [problem.option for problem in found]


def documents(**options: str) -> Documents:
    return Documents(parsed(connection_url="http://h:9200", **options)[0])


def test_events_and_flat_records() -> None:
    made = documents()
    for topic in (Topic(), Topic(flat=True)):
        change = made.change(topic.put({"id": 1, "name": "a", "qty": None}))
        assert change is not None
        assert (change.id, change.document, change.plan.part) == (
            "1", {"id": 1, "name": "a", "qty": None}, "shop.public.orders",
        )  # fmt: skip
    gone = made.change(topic.tombstone(id=1))
    assert gone is not None and gone.document is None and gone.version == 1
    assert made.change(Topic().truncate()) is None


def test_marks_of_deleted_rows() -> None:
    """As ExtractNewRecordState leaves them."""
    row = struct({"id": primitive(Type.INT32), "__deleted": TEXT})
    topic = Topic(row, flat=True)
    made = documents()
    alive = made.change(topic.put({"id": 1, "__deleted": "false"}))
    gone = made.change(topic.put({"id": 1, "__deleted": "true"}))
    assert alive is not None and alive.document == {"id": 1}
    assert gone is not None and gone.document is None


def test_what_a_delete_does() -> None:
    topic = Topic()
    assert documents(behavior_on_null_values="ignore").change(topic.delete(id=1)) is None
    with pytest.raises(DataError):
        documents(behavior_on_null_values="fail").change(topic.tombstone(id=1))
    assert documents(key_ignore="true").change(topic.tombstone(id=1)) is None


def test_the_time_of_a_data_stream() -> None:
    options = {"data_stream_type": "logs", "data_stream_dataset": "shop"}
    record = Record("T", None, {"at": 5, "x": 1}, timestamp_ms=1000, partition=2, offset=7)
    change = documents(**options).change(record)
    assert change is not None and change.document is not None
    assert (change.plan.part, change.id, change.document["@timestamp"]) == (
        "logs-shop-t", "T+2+7", "1970-01-01T00:00:01Z",
    )  # fmt: skip
    change = documents(**options, data_stream_timestamp_field="none,at").change(record)
    assert change is not None and change.document is not None and change.document["@timestamp"] == 5
    with pytest.raises(DataError):
        documents(**options).change(record.replace(timestamp_ms=None))


def test_values_that_are_no_rows() -> None:
    with pytest.raises(DataError):
        documents().change(Record("t", "k", [1], offset=0))
    with pytest.raises(DataError, match="qty"):
        documents().change(Topic(flat=True).put({"id": 1, "name": "a", "qty": "many"}))


def test_expected_values_are_filled_in() -> None:
    values = parsed(connection_url="http://h:9200")[0]
    topic = Topic(flat=True)
    large = "x" * 2000
    mark = "__debezium_unavailable_value"
    full = topic.put({"id": 1, "name": large, "qty": 2})
    records = [topic.put({"id": 1, "name": large, "qty": 1}), topic.put({"id": 1, "name": mark, "qty": 2})]
    last = list(Expectation(values).rows(records))[-1]
    assert last.digest == next(iter(Expectation(values).rows([full]))).digest


def test_what_no_record_brings_is_told() -> None:
    """Compaction has taken the record with the value of row 1; the one of row 2 is there."""
    topic, mark = Topic(), "__debezium_unavailable_value"
    kept = [topic.put({"id": n, "name": mark, "qty": n}) for n in (1, 1)]
    kept += [topic.put({"id": 2, "name": "x" * 3000}), topic.put({"id": 2, "name": mark, "qty": 2})]
    for method in ("insert", "upsert"):
        values = parsed(connection_url="http://h:9200", write_method=method)[0]
        assert [row.filled for row in Expectation(values).rows(kept)] == [False, False, True, True]


def test_of_each_document_the_newest_waits() -> None:
    pending = Pending()
    place = Place("i", "1")
    for version in (5, 4, 5, 6):
        pending.put(Operation(place, Record("t"), b"{}", version))
    (newest,) = pending.take()
    assert newest.version == 6
    assert newest.before is not None and newest.before.version == 5
    assert (len(pending), pending.records, pending.held_bytes) == (0, 0, 0)


def test_lines_of_a_request() -> None:
    body = bulk_body(
        [
            Operation(Place("i", 'a"b'), Record("t"), b'{"x":1}', 7),
            Operation(Place("i", "2"), Record("t"), None, 8),
            Operation(Place("s", "3"), Record("t"), b"{}", None, appends=True),
        ]
    )
    assert body == (
        b'{"index":{"_index":"i","_id":"a\\"b","version":7,"version_type":"external_gte"}}\n{"x":1}\n'
        b'{"delete":{"_index":"i","_id":"2","version":8,"version_type":"external_gte"}}\n'
        b'{"create":{"_index":"s","_id":"3"}}\n{}\n'
    )


def test_memory_of_documents_is_bounded() -> None:
    held = Remembered(in_memory=2000)
    for n in range(100):
        held.put(("part", str(n)), Kept(b"x" * 100, n))
    held.put(("part", "5"), Kept(b"new", None))
    held.forget(("part", "6"))
    assert held.get(("part", "5")) == Kept(b"new", None)
    assert held.get(("part", "6")) is None
    assert held.get(("part", "7")) == Kept(b"x" * 100, 7)
    held.close()


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, []),
        ({"connection_url": "ftp://x"}, ["connection.url"]),
        ({"connection_url": "http://h:port"}, ["connection.url"]),
        ({"connection_url": "http://[::1"}, ["connection.url"]),
        ({"connection_url": "http://u:p@h:1"}, ["connection.url"]),
        ({"connection_url": "http://a,https://b"}, ["connection.url"]),
        ({"connection_username": "u"}, ["connection.password"]),
        ({"connection_username": "u", "connection_password": "p", "connection_api_key": "k"}, ["connection.api.key"]),
        ({"elastic_https_ca_file": "/nowhere.pem"}, ["elastic.https.ca.file"]),
        ({"write_method": "upsert", "key_ignore": "true"}, ["write.method"]),
        ({"data_stream_type": "logs"}, ["data.stream.dataset"]),
        ({"data_stream_dataset": "shop"}, ["data.stream.type"]),
        ({"index_settings": "[1]"}, ["index.settings"]),
        ({"keyword_fields": "("}, ["keyword.fields"]),
        ({"index_name_format": "${schema}"}, ["index.name.format"]),
        ({"elastic_https_ssl_truststore_location": "/x.jks"}, ["elastic.https.ssl.truststore.location"]),
        ({"behavior_on_malformed_documents": "warn"}, ["behavior.on.malformed.documents"]),
        ({"external_resource_usage": "INDEX"}, ["external.resource.usage"]),
    ],
)
def test_options(options: dict[str, str], wrong: list[str]) -> None:
    assert parsed(**({"connection_url": "https://h:9200"} | options))[1] == wrong


def test_confluents_names() -> None:
    assert parsed(
        connection_url="http://one:9200,http://two:9200", connection_username="u", connection_password="p",
        batch_size="2000", max_in_flight_requests="5", max_buffered_records="20000", linger_ms="1",
        flush_timeout_ms="180000", max_retries="5", retry_backoff_ms="100", connection_compression="false",
        max_connection_idle_time_ms="60000", connection_timeout_ms="1000", read_timeout_ms="3000", key_ignore="false",
        schema_ignore="false", compact_map_entries="true", topic_key_ignore="", topic_schema_ignore="",
        drop_invalid_message="false", behavior_on_null_values="delete", behavior_on_malformed_documents="fail",
        write_method="INSERT", external_resource_usage="DISABLED", elastic_security_protocol="PLAINTEXT",
        data_stream_type="none", data_stream_dataset="", data_stream_namespace="${topic}", type_name="_doc",
        use_autogenerated_ids="false", bulk_size_bytes="5242880", flush_synchronously="false",
    )[1] == []  # fmt: skip
