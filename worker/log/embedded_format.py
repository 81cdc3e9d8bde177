"""The embedded log's file: tables, format number, and the rule for upgrade.

Rule: `PRAGMA application_id` says that the file is ours, `PRAGMA user_version` its format. A file of an older format
is brought up step by step, in one transaction, when it is opened; one of a newer format is refused untouched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from .contract import LogError

APPLICATION_ID: Final = 0x48575452  # "HWTR"
FORMAT: Final = 1
PAGE_BYTES: Final = 16384
"""Change events with schemas have 1-3 kB: larger pages waste less of themselves on the rest behind the last row."""

OFFSET_BITS: Final = 40
"""record.id = partition id << 40 | offset: one integer key keeps a partition's records together and in order."""

TABLES: Final = (
    """CREATE TABLE topic (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, topic_id TEXT NOT NULL UNIQUE,
        config TEXT NOT NULL, created_ms INTEGER NOT NULL)""",
    # rows, bytes: of the records still there. clean_offset: below it each key is there once, since the compaction that
    # ended at cleaned_ms. tombstone_ms: when the oldest compacted tombstone still there was first compacted.
    """CREATE TABLE partition (
        id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, number INTEGER NOT NULL,
        begin_offset INTEGER NOT NULL DEFAULT 0, end_offset INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
        clean_offset INTEGER NOT NULL DEFAULT 0, cleaned_ms INTEGER NOT NULL DEFAULT 0, tombstone_ms INTEGER,
        UNIQUE (topic, number))""",
    # What lies below up_to was compacted at at_ms for the first time: the age of a tombstone counts from there.
    """CREATE TABLE cleaned (
        partition INTEGER NOT NULL, up_to INTEGER NOT NULL, at_ms INTEGER NOT NULL,
        PRIMARY KEY (partition, up_to)) WITHOUT ROWID""",
    # Partitions of deleted topics whose records are still to be removed.
    "CREATE TABLE garbage (partition INTEGER PRIMARY KEY)",
    # What many keys (kind 0) or values (kind 1) of a partition begin with.
    """CREATE TABLE prefix (
        id INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, kind INTEGER NOT NULL,
        bytes BLOB NOT NULL)""",
    "CREATE INDEX prefix_of_partition ON prefix (partition, kind)",
    # A key or value is its prefix's bytes, where it has a prefix, and then its own column.
    # key and headers before value: a scan for keys then reads no overflow pages.
    """CREATE TABLE record (
        id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key_prefix INTEGER, key BLOB, headers BLOB,
        value_prefix INTEGER, value BLOB)""",
    """CREATE TABLE producer (
        transactional_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, since_ms INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE group_offset (
        group_id TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (group_id, partition)) WITHOUT ROWID""",
    """CREATE TABLE group_member (
        group_id TEXT NOT NULL, member INTEGER NOT NULL, members INTEGER NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (group_id, member)) WITHOUT ROWID""",
    # catalog: rises with each topic made, altered or deleted. member: the last epoch given to a group member.
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO counter VALUES ('catalog', 1), ('member', 0)",
)

UPGRADES: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {}
"""From a format number to the step that makes the next one of it."""


def is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is new; False: it is a log that this version can read or upgrade. Changes nothing.

    Raises `LogError` for a file that something else made or that has a newer format, `sqlite3.Error`.
    """
    connection.execute("BEGIN")  # one snapshot for the three answers: another process may be making the file now
    try:
        ((ours,),) = connection.execute("PRAGMA application_id").fetchall()
        ((number,),) = connection.execute("PRAGMA user_version").fetchall()
        ((objects,),) = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    finally:
        connection.execute("ROLLBACK")
    if ours == 0 and number == 0 and objects == 0:
        return True
    if ours != APPLICATION_ID:
        raise LogError(
            f"{path} is an SQLite file that something else made; it was left as it is. "
            "Choose another folder with --data, or move that file away."
        )
    if number > FORMAT:
        raise LogError(
            f"{path} has format {number}; this version of Headwater reads formats up to {FORMAT}. "
            "It was left as it is. Install the version that wrote it, or a newer one."
        )
    return False


def is_current(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether nothing has to be made or upgraded. Raises as `is_empty` does."""
    if is_empty(connection, path):
        return False
    ((number,),) = connection.execute("PRAGMA user_version").fetchall()
    return bool(number == FORMAT)


def create_or_upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to `FORMAT`. The caller holds the writer's lock; nothing happens where there is nothing to do."""
    if is_empty(connection, path):
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES:
            connection.execute(statement)
    else:
        ((number,),) = connection.execute("PRAGMA user_version").fetchall()
        if number == FORMAT:
            return
        connection.execute("BEGIN IMMEDIATE")
        for step in range(number, FORMAT):
            UPGRADES[step](connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
