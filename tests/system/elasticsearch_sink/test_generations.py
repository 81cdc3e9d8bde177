"""Generations of a view: built beside, held still, swapped, dropped, on both real servers."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from headwater.connectors.elasticsearch.sink.generations import ElasticsearchGenerations
from headwater.worker.api import (
    Fatal,
    Fingerprint,
    Record,
    TopicPartition,
    Type,
    Values,
    bucket,
    primitive,
    struct,
)
from headwater.worker.rebuild.fold import Fold
from tests.servers.elasticsearch import SearchServer
from tests.system.postgres_sink.records import Topic

from .task import Task, fresh, values

pytestmark = pytest.mark.system


class Scene:
    """A view with some history, and its records."""

    def __init__(self, server: SearchServer, **options: str) -> None:
        self.server = server
        self.topic = Topic(topic=f"{fresh()}.public.orders")
        self.partition = TopicPartition(self.topic.name, 0)
        self.values = values(server, **options)
        self.generations = ElasticsearchGenerations(self.values, self.topic.name)
        self.records: list[Record] = []
        large: set[int] = set()  # an event leaves out such values only: shorter ones lie in the row itself
        for n in range(200):
            key = n % 60
            row = {"id": key, "name": f"n{n}" + "x" * (2000 if n % 3 == 0 else 0), "qty": n}
            if key in large and n % 4 == 3:
                row["name"] = "__debezium_unavailable_value"
            elif n % 3 == 0:
                large.add(key)
            else:
                large.discard(key)
            self.records.append(self.topic.put(row, "u" if n >= 60 else "c"))
            if n % 11 == 10:
                self.records.append(self.topic.delete(id=key))
                large.discard(key)

    def write(self, generation: int, records: Iterable[Record], made: Values | None = None) -> None:
        with Task(made or self.values, self.partition, view=self.topic.name, generation=generation) as task:
            for record in records:
                task.write([record])
            task.sink.flush()
            assert task.bad == []

    def expected(self, records: Iterable[Record]) -> dict[str, list[Fingerprint]]:
        fold = Fold()
        fold.add(self.generations.expect(records))
        return fold.fingerprint()


def test_what_is_held_still_equals_the_fold(search: SearchServer) -> None:
    scene = Scene(search, index_settings='{"number_of_shards": 3, "number_of_replicas": 0}')
    scene.write(1, scene.records)
    reader = scene.generations.pin(1)
    try:
        scene.write(1, [scene.topic.put({"id": 1, "name": "later", "qty": 0}, "u")])
        assert reader.offsets == {scene.partition: len(scene.records)}
        found = reader.fingerprint()
        assert found == scene.expected(scene.records)
        assert found == reader.fingerprint()
        rows = list(reader.rows(scene.topic.name, [bucket(b"5")]))
        assert [shown for key, _, shown in rows if key == b"5" and '"id":5' in shown]
    finally:
        reader.close()
    with_later = scene.generations.pin(1)
    assert with_later.fingerprint() != found
    with_later.close()
    scene.generations.close()


def test_partial_updates_are_folded(search: SearchServer) -> None:
    scene = Scene(search, write_method="upsert")
    assert scene.generations.every_record
    scene.write(1, scene.records)
    reader = scene.generations.pin(1)
    assert reader.fingerprint() == scene.expected(scene.records)
    reader.close()


def test_what_the_server_refused_is_not_expected(search: SearchServer) -> None:
    name = f"{fresh()}.guessed"
    partition = TopicPartition(name, 0)
    from tests.system.postgres_sink.records import KEY

    records = [
        Record(name, {"id": n}, {"n": "many" if n == 3 else n}, KEY, None, partition=0, offset=n) for n in range(6)
    ]
    text = struct({"n": primitive(Type.STRING)})  # the index itself has no room for it: nothing is sent
    records.append(Record(name, {"id": 6}, {"n": "x"}, KEY, text, partition=0, offset=6))
    made = values(search)
    with Task(made, partition, view=name) as task:
        task.put(*records[:2])
        task.put(*records[2:6])
    with Task(made, partition, view=name) as task:
        task.put(records[6])
        assert len(task.bad) == 1
    generations = ElasticsearchGenerations(made, name)
    reader = generations.pin(1)
    assert sorted(reader.refused) == [(name, 0, 3), (name, 0, 6)]
    fold = Fold()
    fold.add(generations.expect(record for record in records if record.offset not in (3, 6)))
    assert reader.fingerprint() == fold.fingerprint()
    reader.close()

    mended = records[3].replace(value={"n": 3})
    with Task(made, partition, view=name) as task:
        task.give_again(records[6])  # no better than before
        task.give_again(mended)
        assert len(task.bad) == 1
    reader = generations.pin(1)
    assert sorted(reader.refused) == [(name, 0, 6)]
    fold = Fold()
    fold.add(generations.expect([*records[:3], mended, *records[4:6]]))
    assert reader.fingerprint() == fold.fingerprint()
    reader.close()
    generations.close()


def test_built_swapped_swapped_back_and_dropped(search: SearchServer) -> None:
    scene = Scene(search)
    name = scene.topic.name
    scene.write(1, scene.records)
    slim = scene.generations
    samples = {name: scene.records[-2]}
    assert {f.level for f in slim.preflight(samples)} <= {"ok", "warning"}
    slim.create(2, samples)
    slim.create(2, samples)
    listed = {info.number: (info.current, info.complete) for info in slim.list()}
    assert listed == {1: (True, True), 2: (False, False)}
    scene.write(2, scene.records)
    index = f"{name}-g2"
    assert search.request("GET", f"/{index}/_settings")[index]["settings"]["index"]["refresh_interval"] == "-1"
    assert set(search.request("GET", f"/{name}/_alias")) == {f"{name}-g1"}
    slim.finish_load(2)
    slim.finish_load(2)
    assert "refresh_interval" not in search.request("GET", f"/{index}/_settings")[index]["settings"]["index"]
    assert slim.offsets(2) == {scene.partition: len(scene.records)}
    with pytest.raises(Fatal, match="see generation 1"):
        slim.promote(2, 7)
    slim.promote(2, 1)
    slim.promote(2, 1)
    assert set(search.request("GET", f"/{name}/_alias")) == {f"{name}-g2"}
    scene.write(1, [scene.topic.put({"id": 1, "name": "old", "qty": 0}, "u")])  # the kept one follows the log
    scene.write(2, [scene.records[0]][:0])
    assert set(search.request("GET", f"/{name}/_alias")) == {f"{name}-g2"}
    with pytest.raises(Fatal, match="not dropped"):
        slim.drop(2)
    slim.promote(1, 2)
    assert search.documents(name)["1"]["name"] == "old"
    slim.drop(2)
    slim.drop(2)
    assert [info.number for info in slim.list()] == [1]
    assert search.indices(f"*{name.split('.')[0]}*") == sorted([f"{name}-g1", f"headwater-{name}-g1"])
    with pytest.raises(Fatal, match="was dropped"):
        scene.write(2, scene.records)
    slim.close()


def test_a_part_that_comes_up_during_the_swap(search: SearchServer) -> None:
    """Tasks of both generations know nothing of the swap; names end up where readers look."""
    word = fresh()
    one, other = Topic(topic=f"{word}.one", flat=True), Topic(topic=f"{word}.two", flat=True)
    places = TopicPartition(one.name, 0), TopicPartition(other.name, 0)
    made = values(search)
    generations = ElasticsearchGenerations(made, word)
    with Task(made, *places, view=word) as old:
        old.put(one.put({"id": 1}))
        generations.create(2, {})
        with Task(made, *places, view=word, generation=2) as new:
            one.next = 0
            new.put(one.put({"id": 1}))
            generations.finish_load(2)
            generations.promote(2, 1)
            record = other.put({"id": 2})
            old.put(record)
            assert search.documents(other.name) == {}
            new.put(record)
            assert set(search.request("GET", f"/{other.name}/_alias")) == {f"{other.name}-g2"}
            generations.promote(1, 2)
            assert set(search.request("GET", f"/{other.name}/_alias")) == {f"{other.name}-g1"}
            assert set(search.request("GET", f"/{one.name}/_alias")) == {f"{one.name}-g1"}
    generations.drop(2)
    generations.close()
    assert search.indices(f"*{word}*") == sorted([f"{one.name}-g1", f"{other.name}-g1", f"headwater-{word}-g1"])


def test_the_newest_records_decide_the_fields(search: SearchServer) -> None:
    """A field that the live index cannot hold is what a rebuild is for: the oldest records come first there, too."""
    name = f"{fresh()}.kinds"
    topic, partition = Topic(topic=name, flat=True), TopicPartition(name, 0)
    made = values(search)
    old, new = topic.put({"id": 1, "name": "a", "qty": 1}), topic.put({"id": 2, "name": "b", "qty": 2})
    amount = struct({"id": primitive(Type.INT32), "qty": primitive(Type.FLOAT64)})
    new = new.replace(value={"id": 2, "qty": 2.5}, value_schema=amount)
    with Task(made, partition, view=name) as task:
        task.put(old, new)
        assert [record.offset for record, _ in task.bad] == [1]
    generations = ElasticsearchGenerations(made, name)
    generations.create(2, {name: new})
    with Task(made, partition, view=name, generation=2) as task:
        task.put(old, new)
        assert task.bad == []
    assert search.documents(f"{name}-g2") == {"1": old.value, "2": new.value}
    generations.drop(2)
    assert search.indices(f"{name}*") == [f"{name}-g1"]
    generations.close()


def test_an_index_of_somebody_else_outlives_the_generation(search: SearchServer) -> None:
    """It has the name that the generation's own index was to have: nothing is written, changed or dropped there."""
    scene = Scene(search)
    scene.write(1, scene.records[:1])
    index = f"{scene.topic.name}-g2"
    search.request("PUT", f"/{index}", {"settings": {"index": {"refresh_interval": "17s", "number_of_replicas": 0}}})
    search.request("PUT", f"/{index}/_doc/1", {"theirs": True})
    scene.generations.create(2, {})
    with pytest.raises(Fatal, match="is not this view's"):
        scene.write(2, scene.records[:1])
    scene.generations.finish_load(2)
    settings = search.request("GET", f"/{index}/_settings")[index]["settings"]["index"]
    assert settings["refresh_interval"] == "17s"
    scene.generations.drop(2)
    assert [info.number for info in scene.generations.list()] == [1]
    assert search.documents(index) == {"1": {"theirs": True}}
    search.request("DELETE", f"/{index}")
    scene.generations.close()
