"""Debezium on Kafka Connect is stopped, Headwater goes on at its offset, in its topics and on its slot; and back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.conftest import Database

from .counting import (
    came_again_at_the_begin,
    came_again_with_a_moved_row,
    in_order,
    latest,
    nothing_lost,
    one_place_with_the_commit_before,
    repeated,
    repeated_only_what_debezium_would,
    writers,
)
from .numbered_writer import SCHEMA, TABLES
from .scene import Scene, wait_for

pytestmark = pytest.mark.compat
ENOUGH = 400
"""Records of one phase."""
SLOW = "SELECT * FROM public.{} WHERE pg_sleep(0.001) IS NOT NULL"
"""A millisecond for each row."""


def finish(scene: Scene) -> None:
    """Let whoever runs write all of it, then hold the topics against the database."""
    committed = scene.end_writing()
    last = scene.sentinels()
    for change in last:
        scene.until_all(change)
    nothing_lost(scene.records(), committed + last)


def test_there_and_back_again(database: Database, make_scene: Callable[[Database], Scene]) -> None:
    """Both are stopped in good order, within transactions as it happens: every change comes exactly once."""
    scene = make_scene(database)
    scene.begin()
    for phase in range(2):
        if phase:
            scene.start_java()
        scene.until_more(ENOUGH)
        scene.java.stop_connector(scene.name)
        scene.headwater.start()
        scene.until_more(ENOUGH)
        assert scene.headwater.stop() == 0
    scene.start_java()
    finish(scene)
    scene.java.stop_connector(scene.name)
    records = scene.records()
    counts = writers(records)
    assert counts[True] >= 2 * ENOUGH and counts[False] >= 2 * ENOUGH
    in_order(records)
    twice = repeated(records)
    for found in twice.values():
        explained = one_place_with_the_commit_before(found) or came_again_with_a_moved_row(found, records)
        assert explained or came_again_at_the_begin(found, records), twice


@pytest.mark.long
def test_killed_each_time(database: Database, make_scene: Callable[[Database], Scene]) -> None:
    """kill -9: Debezium has written more than it stored, and only that comes again; of Headwater's nothing does."""
    scene = make_scene(database)
    scene.begin()
    offsets = []
    for phase in range(3):
        if phase:
            scene.restart_java()
        scene.until_more(ENOUGH)
        scene.until_java_stored()
        scene.kill_java()
        offsets.append(scene.offset())
        last = scene.last_lsn()
        scene.headwater.start()
        scene.until_passed(last)
        scene.until_more(ENOUGH)
        scene.kill_headwater()
    scene.headwater.start()
    finish(scene)
    records = scene.records()
    in_order(records)
    repeated_only_what_debezium_would(records, offsets)


@pytest.mark.long
def test_debezium_stops_within_its_snapshot(database: Database, make_scene: Callable[[Database], Scene]) -> None:
    """It would begin anew, and so does Headwater; what has changed since comes over the rows that lie there already."""
    scene = make_scene(database)
    slow = {f"snapshot.select.statement.overrides.public.{table}": SLOW.format(table) for table in TABLES}
    tables = ",".join(f"public.{table}" for table in TABLES)
    scene.config |= slow | {"snapshot.select.statement.overrides": tables, "snapshot.fetch.size": "100"}  # Java's alone
    with scene.database.connect() as db:
        db.execute(SCHEMA.encode())
        for table in TABLES:
            db.execute(f"INSERT INTO {table} SELECT n, n, repeat('x', 500) FROM generate_series(1, 20000) n".encode())
        scene.start_java()
        scene.until_more(500)
        scene.java.stop_connector(scene.name)
        assert not scene.offset() or scene.offset()["snapshot_completed"] is False, "too late: it is complete"
        for table in TABLES:
            db.execute(f"DELETE FROM {table} WHERE id <= 100; UPDATE {table} SET seq = -id WHERE id <= 200".encode())
        scene.headwater.start()
        scene.sentinels()
        kept = [db.execute(f"SELECT id, seq FROM {table}".encode()).fetchall() for table in TABLES]
    rows = {(topic, key): seq for topic, rows in zip(scene.topics, kept, strict=True) for key, seq in rows}

    def differing() -> list[object]:
        """A few rows that are in the topics or in the tables alone."""
        return sorted(latest(scene.records()).items() ^ rows.items())[:5]

    with suppress(AssertionError):
        wait_for(lambda: not differing(), "the tables in the topics")
    assert not differing()
