"""Debezium's offsets, made by hand from what the stream tells; beside Debezium itself see tests/compat."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from headwater.worker.api import Fatal, Record
from tests.conftest import Database

from .conftest import MakeDriver

pytestmark = pytest.mark.system
STREAM = orjson.dumps({"server": "t"})


def offset_at(records: list[Record], last: int) -> dict[str, Any]:
    """What Debezium stores with `records[last]`."""
    source = records[last].value["source"]
    before, lsn = json.loads(source["sequence"])
    same = sum(1 for r in records[: last + 1] if r.value["source"]["lsn"] == source["lsn"])
    offset = {"lsn": int(lsn), "lsn_proc": int(lsn), "lsn_events_processed": same, "messageType": "INSERT"}
    return offset | {"lsn_commit": int(before), "txId": source["txId"], "ts_usec": source["ts_us"]}


def test_goes_on_within_a_transaction(any_database: Database, make_driver: MakeDriver) -> None:
    """Wherever Debezium stopped, the rest of the transaction comes, and nothing twice."""
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (0)")
        driver.until_records(1)
        with db.transaction(), db.cursor() as cursor:
            db.execute("INSERT INTO t VALUES (1), (2)")
            with cursor.copy("COPY t FROM STDIN") as copy:  # one WAL record for all three
                for n in (3, 4, 5):
                    copy.write_row([n])
            db.execute("INSERT INTO t VALUES (6)")
        while len(driver.records) < 7:
            driver.step(ack=False)
        records = driver.records[1:]
        tables = {place: stored for place, stored in driver.positions.items() if place != STREAM}
        for last in range(6):
            driver.crash()
            driver.records = []
            driver.positions = tables | {STREAM: ({"server": "t"}, offset_at(records, last))}
            driver.open()
            while len(driver.records) < 5 - last:
                driver.step(ack=False)
            driver.step(ack=False)
            assert [r.value["after"]["id"] for r in driver.records] == list(range(last + 2, 7))
            assert all(r.version == records[0].version for r in driver.records)
            assert driver.stream_position()["format"] == 1


def test_goes_on_within_the_first_wal_record(any_database: Database, make_driver: MakeDriver) -> None:
    """The Begin has the LSN of a COPY that comes first. Debezium counts it where it reads an offset, not where it
    writes one, and repeats a row."""
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (0)")
        driver.until_records(1)
        with db.transaction(), db.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
            for n in (1, 2, 3, 4):
                copy.write_row([n])
        while len(driver.records) < 5:
            driver.step(ack=False)
        records = driver.records[1:]
        tables = {place: stored for place, stored in driver.positions.items() if place != STREAM}
        for last, expected in enumerate(([2, 3, 4], [2, 3, 4], [3, 4], [4])):
            driver.crash()
            driver.records = []
            driver.positions = tables | {STREAM: ({"server": "t"}, offset_at(records, last))}
            driver.open()
            while len(driver.records) < len(expected):
                driver.step(ack=False)
            driver.step(ack=False)
            assert [r.value["after"]["id"] for r in driver.records] == expected


def test_a_row_that_gets_another_key_comes_whole(any_database: Database, make_driver: MakeDriver) -> None:
    """Debezium may have stopped between the three records of such an update, and its offset counts them as written."""
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (0, 0)")
        driver.until_records(1)
        with db.transaction():
            db.execute("INSERT INTO t VALUES (1, 1), (7, 7)")
            db.execute("UPDATE t SET id = 2 WHERE id = 1")
            db.execute("UPDATE t SET n = 8 WHERE id = 7")
            db.execute("INSERT INTO t VALUES (3, 3)")
        driver.until_records(8)
        records = driver.records[1:]
        tables = {place: stored for place, stored in driver.positions.items() if place != STREAM}
        assert [r.value and r.value["op"] for r in records] == ["c", "c", "d", None, "c", "u", "c"]
        for last, wanted in ((2, ["d", None, "c", "u", "c"]), (5, ["c"])):
            driver.crash()
            driver.records = []
            offset = offset_at(records[last : last + 1], 0) | {"messageType": "UPDATE"}
            driver.positions = tables | {STREAM: ({"server": "t"}, offset)}
            driver.open()
            while len(driver.records) < len(wanted):
                driver.step(ack=False)
            driver.step(ack=False)
            assert [r.value and r.value["op"] for r in driver.records] == wanted
            assert [r.key for r in driver.records] == [r.key for r in records[-len(wanted) :]]


def test_tables_are_not_read_again_and_names_are_asked_for(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1)")
        driver = make_driver(any_database).open().until_records(1).until_caught_up()
        driver.close()
        db.execute("INSERT INTO t VALUES (2)")
        stored = driver.stream_position()["commit_lsn"]
        offset = {"lsn": stored, "last_snapshot_record": True, "snapshot": "INITIAL", "snapshot_completed": True}
        driver.records = []
        driver.positions = {STREAM: ({"server": "t"}, offset)}
        driver.complete.clear()
        driver.open().until_caught_up()
        assert [(r.value["op"], r.value["after"]["id"]) for r in driver.records] == [("c", 2)] and not driver.complete
        driver.close()
        driver.positions = {STREAM: ({"server": "t"}, offset)}
        with pytest.raises(Fatal, match=r"publication\.name .* dbz_publication"):
            driver.open(publication__name="another")
        with pytest.raises(Fatal, match=r"its default: slot\.name: debezium"):
            driver.open(slot__name="another")
