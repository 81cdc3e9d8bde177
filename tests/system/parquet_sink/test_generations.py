"""Generations of a view beside each other: built, compared, swapped, dropped, whatever was cut short."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.connectors.parquet.sink.generations import ParquetGenerations
from headwater.worker.api import BUCKETS, Fatal, Fenced, Fingerprint, Record, Values, bucket
from tests.system.postgres_sink.records import PARTITION, TOPIC, Topic

from .task import Task, current, rows, values

pytestmark = pytest.mark.system
MODES = ("change.log", "latest.state")


def expected(made: Values, records: Iterable[Record]) -> dict[str, list[Fingerprint]]:
    newest: dict[tuple[str, bytes], int | None] = {}
    generations = ParquetGenerations(made, "view")
    for row in generations.expect(records):
        newest[row.part, row.key] = row.digest
    found: dict[str, list[Fingerprint]] = {}
    for (part, key), digest in newest.items():
        if digest is not None:
            found.setdefault(part, [Fingerprint() for _ in range(BUCKETS)])[bucket(key)].add(digest)
    return found


def some_records(topic: Topic, seed: int, count: int = 400) -> list[Record]:
    chance, made, large = random.Random(seed), list[Record](), set[int]()
    for _ in range(count):
        number = chance.randrange(60)
        if chance.random() < 0.3:
            large.discard(number)
            made += [topic.delete(id=number), topic.tombstone(id=number)]
        elif number in large and chance.random() < 0.5:
            made.append(topic.put({"id": number, "name": UNAVAILABLE_VALUE, "qty": chance.randrange(9)}))
        else:
            large.add(number)
            made.append(topic.put({"id": number, "name": "x" * chance.randrange(2000, 3000), "qty": None}))
    return made


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("flat", [False, True])
def test_the_view_is_what_is_expected(tmp_path: Path, mode: str, flat: bool) -> None:
    topic = Topic(flat=flat)
    records = (
        [topic.put({"id": n % 7, "name": f"{n}", "qty": n}) for n in range(90)] if flat else some_records(topic, 5)
    )
    made = values(tmp_path, view_mode=mode)
    with Task(made) as task:
        for start in range(0, len(records), 70):
            task.put(*records[start : start + 70])
    generations = ParquetGenerations(made, "view")
    reader = generations.pin(1)
    assert reader.fingerprint() == expected(made, records)
    assert reader.offsets == {PARTITION: topic.next}
    keys = [key for key, _, _ in reader.rows(TOPIC, range(BUCKETS))]
    assert len(keys) == len(set(keys)) == len(rows(tmp_path))
    reader.close()
    generations.close()


def test_what_no_record_brings_is_told(tmp_path: Path) -> None:
    """Compaction has taken the record with the value of row 1; the one of row 2 is there."""
    topic = Topic()
    kept = [topic.put({"id": n, "name": UNAVAILABLE_VALUE, "qty": n}) for n in (1, 1)]
    kept += [topic.put({"id": 2, "name": "x" * 3000}), topic.put({"id": 2, "name": UNAVAILABLE_VALUE, "qty": 2})]
    rows_expected = ParquetGenerations(values(tmp_path, view_mode="latest.state"), "view").expect(kept)
    assert [row.filled for row in rows_expected] == [False, False, True, True]


@pytest.mark.parametrize("mode", MODES)
def test_built_beside_and_swapped(tmp_path: Path, mode: str) -> None:
    topic = Topic(flat=True)
    made = values(tmp_path, view_mode=mode)
    generations = ParquetGenerations(made, "view")
    first, second = topic.put({"id": 1, "name": "a"}), topic.put({"id": 2, "name": "b"})
    with Task(made) as live:
        live.put(first)
        generations.create(2, {})
        generations.create(2, {})
        assert [(g.number, g.current, g.complete) for g in generations.list()] == [(1, True, True), (2, False, False)]
        with Task(made, generation=2) as new:
            assert new.assigned == {PARTITION: None}
            new.put(first)
            generations.finish_load(2)
            assert generations.offsets(2) == {PARTITION: 1}
            with pytest.raises(Fatal, match="not 7"):
                generations.promote(2, 7)
            generations.promote(2, 1)
            generations.promote(2, 1)
            assert current(tmp_path)["generation"] == 2
            live.put(second)
            assert current(tmp_path)["generation"] == 2
            assert [row["id"] for row in rows(tmp_path)] == [1]
            new.put(second)
            assert [row["id"] for row in rows(tmp_path)] == [1, 2]
            assert (tmp_path / "current").readlink() == Path("g2")
            with pytest.raises(Fatal, match="not dropped"):
                generations.drop(2)
            generations.promote(1, 2)  # the way back
            generations.promote(2, 1)
            generations.drop(1)
            generations.drop(1)
            live.write([topic.put({"id": 3})])
            with pytest.raises(Fenced, match="dropped"):
                live.sink.flush()
            assert [g.number for g in generations.list()] == [2]
    left = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.parquet")}
    assert left == {"g2"}
    assert not list(tmp_path.glob("manifests/g1/*"))


def test_another_mode_needs_a_rebuild(tmp_path: Path) -> None:
    with Task(values(tmp_path)) as task:
        task.put(Topic(flat=True).put({"id": 1}))
    with pytest.raises(Fatal, match="Rebuild the view"):
        Task(values(tmp_path, view_mode="latest.state"))
    with pytest.raises(Fatal, match="no generation 3"):
        Task(values(tmp_path), generation=3)
