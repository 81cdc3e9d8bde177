"""What becomes of records, on both real servers."""

from __future__ import annotations

import urllib.error
from decimal import Decimal
from typing import Any

import pytest

from headwater.connectors.debezium import names
from headwater.worker.api import (
    Fatal,
    Fenced,
    Record,
    Retriable,
    Schema,
    TopicPartition,
    Type,
    decimal,
    primitive,
    struct,
)
from tests.servers.elasticsearch import SearchServer
from tests.system.postgres_sink.records import INT32, KEY, ROW, STRING, TEXT, Topic

from .task import Task, fresh, values

pytestmark = pytest.mark.system


def a_topic(**options: Any) -> tuple[Topic, TopicPartition]:
    name = f"{fresh()}.public.orders"
    return Topic(topic=name, **options), TopicPartition(name, 0)


def test_the_newest_of_each_key(search: SearchServer) -> None:
    topic, partition = a_topic()
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}), topic.put({"id": 2, "name": "b", "qty": 2}))
        assert search.documents(topic.name) == {
            "1": {"id": 1, "name": "a", "qty": 1},
            "2": {"id": 2, "name": "b", "qty": 2},
        }
        task.put(topic.put({"id": 1, "name": "c", "qty": None}, "u"), topic.delete(id=2), topic.tombstone(id=2))
        assert search.documents(topic.name) == {"1": {"id": 1, "name": "c", "qty": None}}
        assert task.sink.flush() == {partition: 5}
    with Task(values(search), partition, view=topic.name) as task:
        assert task.assigned == {partition: 5}
    assert search.indices(f"{topic.name}*") == [f"{topic.name}-g1"]


def test_an_older_version_never_wins(search: SearchServer) -> None:
    """Not over a newer document, not over a newer delete, and not within one request."""
    topic, partition = a_topic(flat=True)
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1, "name": "new"}, version=9), topic.put({"id": 1, "name": "old"}, version=8))
        task.put(topic.put({"id": 1, "name": "older"}, version=7), topic.put({"id": 2, "name": "x"}, version=9))
        gone = topic.tombstone(id=2)
        task.put(gone.replace(version=10))
        task.put(topic.put({"id": 2, "name": "late"}, version=9), topic.put({"id": 3, "name": "first"}, version=5))
        task.put(topic.put({"id": 3, "name": "same"}, version=5))
    found = search.documents(topic.name)
    assert {key: doc["name"] for key, doc in found.items()} == {"1": "new", "3": "same"}


def test_one_kind_of_versions(search: SearchServer) -> None:
    topic, partition = a_topic(flat=True)
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1}, version=9))
        with pytest.raises(Fatal, match="cannot be compared"):
            task.put(topic.put({"id": 1}))


def test_topics_whose_offsets_are_versions_in_one_index(search: SearchServer, caplog: pytest.LogCaptureFixture) -> None:
    """As long as they have no key in common; nobody else can tell, so the task says it, once."""
    word = fresh()
    one, other = Topic(topic=f"{word}.one", flat=True), Topic(topic=f"{word}.two", flat=True)
    places = TopicPartition(one.name, 0), TopicPartition(other.name, 0)
    with caplog.at_level("WARNING"), Task(values(search, index_name_format=word), *places, view=word) as task:
        task.put(one.put({"id": 1}), one.put({"id": 2}))
        task.put(other.put({"id": 3}))
        task.put(one.put({"id": 4}), other.put({"id": 5}))
    assert sorted(search.documents(word)) == ["1", "2", "3", "4", "5"]
    said = [record.getMessage() for record in caplog.records if "higher offset" in record.getMessage()]
    assert len(said) == 1 and one.name in said[0] and other.name in said[0]


def test_an_unchanged_large_value_stays(search: SearchServer) -> None:
    topic, partition = a_topic()
    mark = "__debezium_unavailable_value"
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1, "name": "large", "qty": 1}))
        task.put(topic.put({"id": 1, "name": mark, "qty": 2}, "u"))
        assert search.documents(topic.name) == {"1": {"id": 1, "name": "large", "qty": 2}}
        task.put(
            topic.put({"id": 2, "name": "two", "qty": 1}),
            topic.put({"id": 2, "name": mark, "qty": 3}, "u"),
            topic.put({"id": 3, "name": mark, "qty": 1}, "u"),
        )
    found = search.documents(topic.name)
    assert found["2"] == {"id": 2, "name": "two", "qty": 3}
    assert found["3"] == {"id": 3, "name": None, "qty": 1}


def test_partial_updates(search: SearchServer) -> None:
    """Fields of several records gather in one document; a replay changes nothing."""
    name = f"{fresh()}.parts"
    partition = TopicPartition(name, 0)
    records = [
        Record(name, {"id": 1}, value, KEY, None, partition=0, offset=offset)
        for offset, value in enumerate([{"a": 1}, {"b": {"x": 1}}, {"b": {"y": 2}}, {"a": 3}, None, {"c": 1}])
    ]
    made = values(search, write_method="upsert", batch_size="2")
    with Task(made, partition, view=name) as task:
        task.put(*records[:2])
        assert search.documents(name) == {"1": {"a": 1, "b": {"x": 1}}}
        task.put(*records[2:4])
        assert search.documents(name) == {"1": {"a": 3, "b": {"x": 1, "y": 2}}}
        task.put(*records[4:])
        assert search.documents(name) == {"1": {"c": 1}}
        for record in records:
            task.sink._writer.write(task.sink._changes([record]))  # type: ignore[union-attr]
            task.sink._writer.flush()  # type: ignore[union-attr]
    assert search.documents(name) == {"1": {"c": 1}}


def test_a_document_for_each_record(search: SearchServer) -> None:
    topic, partition = a_topic(flat=True, key=None)
    with Task(values(search, key_ignore="true"), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1}), topic.put({"id": 1}))
    assert sorted(search.documents(topic.name)) == [f"{topic.name}+0+0", f"{topic.name}+0+1"]


ALL = struct(
    {
        "id": INT32,
        "amount": decimal(2, 10, optional=True),
        "huge": decimal(4, 30, optional=True),
        "any": Schema(Type.STRUCT, True, name=names.VARIABLE_SCALE_DECIMAL, version=1),
        "day": primitive(Type.INT32, optional=True, name=names.DATE),
        "at": primitive(Type.INT64, optional=True, name=names.MICRO_TIMESTAMP),
        "zoned": primitive(Type.STRING, optional=True, name=names.ZONED_TIMESTAMP),
        "ratio": primitive(Type.FLOAT64, optional=True),
        "data": primitive(Type.BYTES, optional=True),
        "doc": primitive(Type.STRING, optional=True, name=names.JSON),
        "name": TEXT,
        "tags": Schema(Type.ARRAY, True, value_schema=STRING),
        "map": Schema(Type.MAP, True, key_schema=STRING, value_schema=STRING),
        "inner": struct({"x": INT32, "city": TEXT}, optional=True),
    }
)


def test_values_and_their_fields(search: SearchServer) -> None:
    topic, partition = a_topic(row=ALL)
    row = {
        "id": 1, "amount": Decimal("12.50"), "huge": Decimal("12345678901234567890.1234"),
        "any": {"scale": 3, "value": (1500).to_bytes(2, "big")}, "day": 18_262, "at": 1_577_873_730_123_456,
        "zoned": "2020-01-01T12:00:00.5+02:00", "ratio": 0.25, "data": b"\0\1", "doc": '{"a": [1, "x"]}',
        "name": "Zoë", "tags": ["a", "b"], "map": {"k": "v"}, "inner": {"x": 3, "city": "Bern"},
    }  # fmt: skip
    with Task(values(search), partition, view=topic.name) as task:
        task.put(
            topic.put(row), topic.put({**dict.fromkeys(row), "id": 2, "ratio": float("nan"), "day": 2_146_033_979})
        )
        assert task.bad == []
    found = search.documents(topic.name)
    assert found["1"] == {
        "id": 1, "amount": 12.5, "huge": "12345678901234567890.1234", "any": "1.500", "day": "2020-01-01",
        "at": "2020-01-01T10:15:30.123456Z", "zoned": "2020-01-01T10:00:00.5Z", "ratio": 0.25, "data": "AAE=",
        "doc": {"a": [1, "x"]}, "name": "Zoë", "tags": ["a", "b"], "map": {"k": "v"},
        "inner": {"x": 3, "city": "Bern"},
    }  # fmt: skip
    assert found["2"] == {**dict.fromkeys(row), "id": 2, "ratio": "NaN", "day": "infinity"}
    for query in (
        {"term": {"amount": 12.5}}, {"range": {"huge": {"gt": 1e19}}}, {"term": {"any": 1.5}},
        {"range": {"day": {"gte": "2019-12-31", "lte": "2020-01-01"}}},
        {"range": {"at": {"gte": "2020-01-01T10:15:30"}}},
        {"match": {"name": "zoë"}}, {"term": {"name.keyword": "Zoë"}}, {"term": {"tags.keyword": "b"}},
        {"term": {"map.k": "v"}}, {"term": {"inner.city.keyword": "Bern"}}, {"term": {"id": 1}},
    ):  # fmt: skip
        answer = search.request("POST", f"/{topic.name}/_search", {"query": query})
        assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["1"], query


def test_rules_for_texts(search: SearchServer) -> None:
    name = f"{fresh()}.texts"
    row = struct({"id": STRING, "code": TEXT, "body": TEXT, "other": TEXT, "own": TEXT})
    topic = Topic(row, struct({"id": STRING}), name, flat=True)
    made = values(search, string_mapping="keyword", text_fields="bo.*",
                  index_mappings='{"own": {"type": "text", "index": false}}')  # fmt: skip
    with Task(made, TopicPartition(name, 0), view=name) as task:
        task.put(topic.put({"id": "a|b", "code": "x" * 40_000, "body": "y", "other": "z", "own": "o"}))
        assert task.bad == []
    fields = search.request("GET", f"/{name}/_mapping")[f"{name}-g1"]["mappings"]["properties"]
    assert {field: about["type"] for field, about in fields.items()} == {
        "id": "keyword", "code": "keyword", "body": "text", "other": "keyword", "own": "text",
    }  # fmt: skip
    assert fields["own"]["index"] is False
    assert list(search.documents(name)) == ["a\\|b"]


def test_fields_come_and_cannot_change_their_kind(search: SearchServer) -> None:
    topic, partition = a_topic(flat=True)
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        topic.row = struct({"id": primitive(Type.INT64), "name": TEXT, "city": TEXT})
        task.put(topic.put({"id": 2**40, "name": "b", "city": "Bern"}))
        topic.row = struct({"id": INT32, "name": INT32, "city": struct({"zip": INT32})})
        task.put(topic.put({"id": 3, "name": 5, "city": {"zip": 1}}))
    (bad,) = task.bad
    assert "rebuild the view" in str(bad[1])
    fields = search.request("GET", f"/{topic.name}/_mapping")[f"{topic.name}-g1"]["mappings"]["properties"]
    assert fields["city"]["type"] == "text"
    assert len(search.documents(topic.name)) == 2


def test_a_refused_document_is_reported_and_the_one_before_it_stays(search: SearchServer) -> None:
    """The server refuses by item; of the same key, what came before in the same request counts."""
    name = f"{fresh()}.guessed"
    partition = TopicPartition(name, 0)

    def record(offset: int, key: int, value: Any) -> Record:
        return Record(name, {"id": key}, value, KEY, None, partition=0, offset=offset)

    with Task(values(search), partition, view=name) as task:
        task.put(record(0, 1, {"n": 1}))
        task.put(
            record(1, 2, {"n": 2}), record(2, 2, {"n": "many"}), record(3, 3, {"n": {"x": 1}}), record(4, 4, {"n": 4})
        )
    assert {r.offset for r, _ in task.bad} == {2, 3}
    assert all("refuses the document" in str(error) for _, error in task.bad)
    assert {key: doc["n"] for key, doc in search.documents(name).items()} == {"1": 1, "2": 2, "4": 4}


@pytest.mark.parametrize("method", ["insert", "upsert"])
def test_what_follows_a_refused_document_finds_the_one_before_it(search: SearchServer, method: str) -> None:
    """All of one transaction, and in two requests: the second holds the document that the first one's refusal left."""
    name = f"{fresh()}.guessed"
    partition = TopicPartition(name, 0)
    changes = [(1, {"n": 1}), (2, {"x": 1}), (2, {"n": "many"}), (3, {"n": 3}), (2, {"z": 1})]
    records = [
        Record(name, {"id": key}, value, KEY, None, version=5, partition=0, offset=offset)
        for offset, (key, value) in enumerate(changes)
    ]
    with Task(values(search, write_method=method, batch_size="2"), partition, view=name) as task:
        task.put(records[0])
        task.put(*records[1:])
    assert [record.offset for record, _ in task.bad] == [2]
    last = {"x": 1, "z": 1} if method == "upsert" else {"z": 1}
    assert search.documents(name) == {"1": {"n": 1}, "2": last, "3": {"n": 3}}


def test_a_partial_change_is_not_blamed_for_a_bad_one_before_it(search: SearchServer) -> None:
    """All in one request, so that one document holds both."""
    name = f"{fresh()}.guessed"
    partition = TopicPartition(name, 0)
    changes: list[tuple[int, dict[str, Any] | None]] = [
        (1, {"n": 1}), (2, {"x": 1}), (4, {"x": 4}),
        (2, {"n": "many"}), (2, {"z": 1}), (3, {"n": "more"}), (3, {"z": 3}), (4, None), (4, {"n": "most"}),
        (4, {"z": 4}), (4, {"n": "last"}), (1, {"z": 1}),
    ]  # fmt: skip
    records = [
        Record(name, {"id": key}, value, KEY, None, version=5, partition=0, offset=offset)
        for offset, (key, value) in enumerate(changes)
    ]
    with Task(values(search, write_method="upsert"), partition, view=name) as task:
        task.put(*records[:3])
        task.put(*records[3:])
    assert sorted(record.offset for record, _ in task.bad if record.offset is not None) == [3, 5, 8, 10]
    assert search.documents(name) == {"1": {"n": 1, "z": 1}, "2": {"x": 1, "z": 1}, "3": {"z": 3}, "4": {"z": 4}}


def test_a_delete_that_comes_first_decides_no_fields(search: SearchServer) -> None:
    """As on a compacted topic, whose first record is a tombstone as often as not."""
    name = f"{fresh()}.gone"
    partition = TopicPartition(name, 0)
    gone = Record(name, {"id": 1}, None, KEY, None, partition=0, offset=0)
    there = Record(name, {"id": 2}, {"city": "Bern", "n": 2}, KEY, None, partition=0, offset=1)
    with Task(values(search), partition, view=name) as task:
        task.put(gone)
        task.put(there)
        assert task.bad == []
    search.request("POST", f"/{name}/_refresh")
    for query in ({"match": {"city": "bern"}}, {"range": {"n": {"gte": 2}}}):
        answer = search.request("POST", f"/{name}/_search", {"query": query})
        assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["2"], query
    topic, partition = a_topic()
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.delete(id=1), topic.put({"id": 2, "name": "b", "qty": 2}))
    mapping = search.request("GET", f"/{topic.name}/_mapping")[f"{topic.name}-g1"]["mappings"]
    assert mapping["dynamic"] == "false"


def test_names(search: SearchServer) -> None:
    """Upper case, illegal characters, several topics in one index; somebody else's index is left alone."""
    word = fresh()
    made = values(search, index_name_format=f"{word}-all")
    one, other = Topic(topic=f"{word}.One", flat=True), Topic(topic=f"{word}.Two", flat=True)
    with Task(made, TopicPartition(one.name, 0), TopicPartition(other.name, 0), view="Two topics: " + word) as task:
        task.put(one.put({"id": 1}, version=3), other.put({"id": 2}, version=3))
    assert sorted(search.documents(f"{word}-all")) == ["1", "2"]
    search.request("PUT", f"/{word}.theirs")
    theirs = Topic(topic=f"{word}.Theirs", flat=True)
    with Task(values(search), TopicPartition(theirs.name, 0), view=f"{word}-theirs") as task:
        task.write([theirs.put({"id": 1})])
        with pytest.raises(Fatal, match="an index of that name exists"):
            task.sink.flush()
    assert search.documents(f"{word}.theirs") == {}


def test_a_task_that_was_replaced_moves_no_offsets(search: SearchServer) -> None:
    topic, partition = a_topic(flat=True)
    made = values(search)
    with Task(made, partition, view=topic.name) as old, Task(made, partition, view=topic.name) as new:
        first = topic.put({"id": 1, "name": "new"}, version=1)
        new.put(first, topic.put({"id": 1, "name": "newer"}, version=2))
        with pytest.raises(Fenced):
            old.put(first)
        assert new.sink.flush() == {partition: 2}
    assert search.documents(topic.name)["1"]["name"] == "newer"
    with Task(made, partition, view=topic.name) as task, pytest.raises(Fatal, match="made again"):
        task.sink.assign({partition: "id-2"})


def test_an_index_that_goes_while_the_task_runs(search: SearchServer) -> None:
    topic, partition = a_topic(flat=True)
    with Task(values(search), partition, view=topic.name) as task:
        task.put(topic.put({"id": 1}))
        search.request("DELETE", f"/{topic.name}-g1")
        task.write([topic.put({"id": 2})])
        with pytest.raises(Fatal, match="is gone"):
            task.sink.flush()
    with pytest.raises(urllib.error.HTTPError):
        search.request("GET", f"/{topic.name}-g1")
    with Task(values(search), partition, view=topic.name) as task, pytest.raises(Fatal, match="somebody deleted it"):
        task.put(topic.put({"id": 2}))


def test_a_closed_index_is_waited_for(search: SearchServer) -> None:
    """Its documents are not malformed."""
    topic, partition = a_topic(flat=True)
    made = values(search, max_retries="1")
    with Task(made, partition, view=topic.name) as task:
        task.put(topic.put({"id": 1}))
        search.request("POST", f"/{topic.name}-g1/_close")
        task.write([topic.put({"id": 2})])
        with pytest.raises(Retriable, match="closed"):
            task.sink.flush()
        assert task.bad == []
    search.request("POST", f"/{topic.name}-g1/_open")
    with Task(made, partition, view=topic.name) as task:
        assert task.assigned == {partition: 1}


def test_data_streams(search: SearchServer) -> None:
    word = fresh()
    topic = Topic(topic=f"{word}.Events", flat=True, key=None, row=ROW)
    made = values(search, data_stream_type="logs", data_stream_dataset=word)
    partition = TopicPartition(topic.name, 0)
    records = [topic.put({"id": n, "name": f"n{n}"}).replace(timestamp_ms=1_577_873_730_123 + n) for n in range(5)]
    with Task(made, partition, view=word) as task:
        task.put(*records)
        task.sink._writer.write(task.sink._changes(records))  # type: ignore[union-attr]
        task.sink._writer.flush()  # type: ignore[union-attr]
        assert task.bad == []
    found = search.documents(f"logs-{word}-{topic.name.lower()}")
    assert sorted(doc["id"] for doc in found.values()) == list(range(5))
    assert {doc["@timestamp"] for doc in found.values() if doc["id"] == 0} == {"2020-01-01T10:15:30.123Z"}


def test_fields_that_a_data_stream_cannot_have(search: SearchServer) -> None:
    """Their records are bad; those before and after go on."""
    word = fresh()
    topic = Topic(topic=f"{word}.Events", flat=True, key=None, row=ROW)
    made = values(search, data_stream_type="logs", data_stream_dataset=word,
                  index_settings='{"number_of_replicas": 0, "mapping.total_fields.limit": 20}')  # fmt: skip
    many = struct({"id": INT32, **{f"field{n}": TEXT for n in range(30)}})
    records = [topic.put({"id": n}).replace(timestamp_ms=1_577_873_730_123) for n in range(3)]
    records[1] = records[1].replace(value={"id": 1, "field1": "x"}, value_schema=many)
    with Task(made, TopicPartition(topic.name, 0), view=word) as task:
        for record in records:
            task.put(record)
        assert [record.offset for record, _ in task.bad] == [1]
    found = search.documents(f"logs-{word}-{topic.name.lower()}")
    assert sorted(document["id"] for document in found.values()) == [0, 2]
