"""Objects are found once, at a cost that does not follow what was read, and remembered in few positions."""

from __future__ import annotations

import random
import time
from collections import Counter

import orjson
import pytest

from .store import S3Driver, Store

pytestmark = pytest.mark.system

HOUR = 3_600_000


def test_new_names_at_the_end_of_folders(store: Store) -> None:
    for day in range(3):
        for n in range(5):
            store.put(f"in/dt=2026-01-0{day}/{n:03}", f"{day} {n}\n")
    driver = S3Driver(store, format="lines", listing_full_interval_ms=HOUR).start().drain()
    assert driver.lines == [f"{day} {n}" for day in range(3) for n in range(5)]
    store.put("in/dt=2026-01-02/005", "more\n")
    driver.until(lambda: driver.lines[-1] == "more")
    store.put("in/dt=2026-01-03/000", "a new folder\n")
    driver.until(lambda: driver.lines[-1] == "a new folder")
    store.put("in/dt=2026-01-03/001", "more in it\n")
    driver.until(lambda: driver.lines[-1] == "more in it")
    assert len(driver.log) == 18
    driver.die()


def test_partitions_of_a_topic_in_one_folder(store: Store) -> None:
    for partition in range(3):
        store.put(f"in/orders+{partition}+{0:020}.jsonl", f"{partition} 0\n")
    driver = S3Driver(store, format="lines", listing_full_interval_ms=HOUR).start().drain()
    for partition in range(3):
        store.put(f"in/orders+{partition}+{7:020}.jsonl", f"{partition} 7\n")
    driver.until(lambda: len(driver.log) == 6)
    assert sorted(driver.lines) == [f"{partition} {n}" for partition in range(3) for n in (0, 7)]
    driver.die()


def test_a_name_between_older_ones_is_found_by_the_next_full_listing(store: Store) -> None:
    for n in range(0, 10, 2):
        store.put(f"in/{n}", f"{n}\n")
    driver = S3Driver(store, format="lines", listing_full_interval_ms=200).start().drain()
    store.put("in/3", "3\n")
    driver.until(lambda: "3" in driver.lines).drain()
    assert Counter(driver.lines) == dict.fromkeys("024683", 1)
    driver.die()


def test_everything_is_listed_although_folders_are_always_due(moto_store: Store) -> None:
    """To ask all of them takes longer than from one poll to the next."""
    for n in range(40):
        moto_store.put(f"in/{n:02}/b", f"{n}\n")
    driver = S3Driver(moto_store, format="lines", listing_full_interval_ms=100).start()
    driver.until(lambda: len(driver.log) == 40 and driver.rounds >= 2)
    moto_store.put("in/05/a", "between\n")
    driver.until(lambda: "between" in driver.lines)
    driver.die()


def test_old_objects_need_no_position(gateway_store: Store) -> None:
    store, count = gateway_store, 1_050
    for n in range(count):
        store.put(f"in/{n:05}", f"{n}\n")
    time.sleep(3)  # old enough, by a clock that counts seconds
    driver = S3Driver(store, format="lines", remember_ms=0, listing_full_interval_ms=100).start()
    driver.until(lambda: len(driver.log) >= 1_020)
    assert len(driver.objects) < 200  # the first page needs none any more, though the listing has not ended
    driver.die().start().until(lambda: len(driver.log) == count and not driver.objects)
    (mark,) = driver.stored
    assert orjson.loads(mark) == {"bucket": store.bucket, "prefix": "in/", "share": "0/1"}
    driver.die().start().drain()
    store.put("in/00000x", "new\n")
    driver.until(lambda: driver.lines[-1] == "new").drain()
    assert Counter(driver.lines) == dict.fromkeys([*map(str, range(count)), "new"], 1)
    driver.die()


def test_objects_that_are_gone_are_forgotten(store: Store) -> None:
    store.put("in/a", "a\n")
    store.put("in/b", "b\n")
    driver = S3Driver(store, format="lines", listing_full_interval_ms=100).start().drain()
    assert driver.objects == ["in/a", "in/b"]
    store.delete("in/a")
    driver.until(lambda: driver.objects == ["in/b"])
    driver.die()


@pytest.mark.parametrize("seed", range(2))
def test_tasks_share_objects_while_their_number_changes(gateway_store: Store, seed: int) -> None:
    choose = random.Random(seed)
    log: list[str] = []
    stored: dict[bytes, object] = {}
    wanted: list[str] = []
    for count in (2, 3, 1, 2):
        for _ in range(20):
            name = f"in/{choose.randrange(10**6):06}-{len(wanted)}"
            lines = [f"{name} {n}" for n in range(choose.randrange(1, 30))]
            gateway_store.put(name, "\n".join(lines))
            wanted += lines
        for index in range(count):
            driver = S3Driver(gateway_store, {"task.index": str(index), "task.count": str(count)}, format="lines",
                              record_batch_max_size=7, remember_ms=choose.choice([0, HOUR]),
                              listing_full_interval_ms=50)  # fmt: skip
            driver.stored = stored  # type: ignore[assignment]
            driver.start()
            for _ in range(choose.randrange(20)):
                driver.read()
            driver.die().start().drain().die()
            log += driver.lines
    assert Counter(log) == dict.fromkeys(wanted, 1)
