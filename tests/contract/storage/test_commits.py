"""Small files that are created or replaced under a condition: what a view's commits are made of."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from headwater.connectors.parquet.storage import Storage

WRITERS = 8
ATOMIC = pytest.mark.parametrize("place", ["local", "versitygw"], indirect=True)
"""moto looks and then writes, with nothing to hold others off in between: now and then two of its writers win."""


def test_what_is_not_there(storage: Storage) -> None:
    assert storage.read("a/b") is None
    assert list(storage.list()) == list(storage.list("a")) == []
    assert storage.replace("a/b", b"1", "some tag") is False
    storage.delete(["a/b"])


def test_create_only_if_absent(storage: Storage) -> None:
    assert storage.create("m/0001.json", b"mine") is True
    assert storage.create("m/0001.json", b"other") is False
    found = storage.read("m/0001.json")
    assert found is not None and found[0] == b"mine"


def test_the_same_bytes_are_the_same_writer(storage: Storage) -> None:
    """After a lost answer the writer asks again."""
    assert storage.create("m", b"mine") and storage.create("m", b"mine")


def test_replace_only_what_was_read(storage: Storage) -> None:
    storage.create("current", b"1")
    found = storage.read("current")
    assert found is not None
    assert storage.replace("current", b"2", found[1]) is True
    assert storage.replace("current", b"3", found[1]) is False
    assert storage.replace("current", b"2", found[1]) is True  # asked again after a lost answer
    after = storage.read("current")
    assert after is not None and after[0] == b"2" and after[1] != found[1]


@ATOMIC
def test_one_creator_wins(open_place: Callable[[], Storage]) -> None:
    storages = [open_place() for _ in range(WRITERS)]
    for number in range(10):
        won = _race(storages, lambda storage, me, path=f"m/{number}": storage.create(path, b"%d" % me))
        assert len(won) == 1
        found = storages[0].read(f"m/{number}")
        assert found is not None and found[0] == b"%d" % won[0]


@ATOMIC
def test_one_replacer_wins(open_place: Callable[[], Storage]) -> None:
    storages = [open_place() for _ in range(WRITERS)]
    storages[0].create("current", b"first")
    for number in range(10):
        found = storages[0].read("current")
        assert found is not None
        won = _race(storages, lambda s, me, tag=found[1], n=number: s.replace("current", b"%d by %d" % (n, me), tag))
        assert len(won) == 1
        after = storages[0].read("current")
        assert after is not None and after[0] == b"%d by %d" % (number, won[0])


def test_probe(storage: Storage) -> None:
    storage.probe()
    storage.probe("g1/manifests")
    assert list(storage.list()) == []


def test_paths_stay_below_the_root(storage: Storage) -> None:
    for path in ["", "/etc/passwd", "a/../b", "a//b", "a/", "./a", ".~0123456789abcdef.part", "a/.~x", "a\0b"]:
        with pytest.raises(ValueError, match="does not name a file below a root"):
            storage.read(path)


def _race(storages: list[Storage], attempt: Callable[[Storage, int], bool]) -> list[int]:
    barrier = threading.Barrier(len(storages))
    won: list[int] = []
    failed: list[BaseException] = []

    def run(me: int) -> None:
        barrier.wait()
        try:
            if attempt(storages[me], me):
                won.append(me)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(me,)) for me in range(len(storages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    return won
