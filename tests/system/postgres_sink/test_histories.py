"""Made-up histories of a few rows, in batches of any size: the table holds what the fold of a verification says."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from headwater.connectors.postgres.sink.generations import PostgresGenerations
from headwater.worker.api import Record, Values
from headwater.worker.rebuild.fold import Fold
from tests.conftest import Database

from .records import Task, Topic, table, values

pytestmark = pytest.mark.system
HISTORIES = 6


def history(choose: random.Random, versioned: bool) -> list[Record]:
    """Versions fall now and then; a quantity that no column takes makes a bad record of some."""
    topic, records = Topic(), []
    for n in range(choose.randrange(5, 60)):
        row = {"id": choose.randrange(4), "name": f"n{n}", "qty": n if choose.random() < 0.95 else 1 << 40}
        what = choose.random()
        if what < 0.6:
            record = topic.put(row)
        elif what < 0.8:
            record = topic.delete(id=row["id"])
        elif what < 0.95:
            record = topic.tombstone(id=row["id"])
        else:
            record = topic.truncate()
        records.append(record.replace(version=100 + choose.randrange(30)) if versioned else record)
    return records


def first_ones(records: Iterable[Record]) -> list[tuple[int, str, int]]:
    """insert.mode: insert, without versions."""
    rows: dict[int, tuple[int, str, int]] = {}
    for record in records:
        row = record.value and record.value["after"]
        if record.value is not None and record.value["op"] == "t":
            rows.clear()
        elif row is None:
            rows.pop(record.key["id"], None)
        elif row["qty"] < 1 << 31:
            rows.setdefault(row["id"], (row["id"], row["name"], row["qty"]))
    return sorted(rows.values())


def differences(config: Values, view: str, records: Iterable[Record]) -> list[str]:
    generations, fold = PostgresGenerations(config, view), Fold(3)
    try:
        fold.add(generations.expect(records))
        wanted = fold.fingerprint()
        reader = generations.pin(1)
        try:
            found = reader.fingerprint()
        finally:
            reader.close()
        return [part for part in {*found, *wanted} if sums(found, part) != sums(wanted, part)]
    finally:
        fold.close()
        generations.close()


def sums(prints: dict[str, list[object]] | object, part: str) -> list[object]:
    """Of the buckets that hold rows."""
    assert isinstance(prints, dict)
    return [(n, one) for n, one in enumerate(prints.get(part, [])) if one.rows]


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("mode", ["upsert", "insert"])
def test_any_history(database: Database, mode: str, versioned: bool) -> None:
    for seed in range(HISTORIES):
        choose, name = random.Random(seed), f"t{seed}"
        config = values(database, insert_mode=mode, truncate_enabled="true", collection_name_format=name,
                        version_column="__version" if versioned else "none")  # fmt: skip
        records = history(choose, versioned)
        with Task(config, view=name) as task:
            left = records
            while left:
                size = choose.randrange(1, 20)
                task.put(*left[:size])
                left = left[size:]
        assert differences(config, name, records) == [], f"seed {seed}"
        if mode == "insert" and not versioned:
            assert table(database, name) == first_ones(records), f"seed {seed}"
