"""What the source database itself wrote down of every change, held against what a reader of the topics has counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import psycopg
from psycopg.rows import tuple_row

from tests.live_writer import TABLES

Key = tuple[str, ...]
Event = tuple[int, str]
"""The transaction's id and the operation: c, u, d, or t for the tombstone after a delete."""
Events = Mapping[tuple[str, Key], Sequence[Event]]
"""By table and key, in order. A row without a key stands under its text."""

_TABLE = """
CREATE TABLE history (number bigserial PRIMARY KEY, writer text, tx bigint, name text, op text, key text[]);
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_key text[];
    new_key text[];
BEGIN
    IF TG_OP <> 'INSERT' THEN SELECT array_agg(to_jsonb(OLD) ->> name) INTO old_key FROM unnest(TG_ARGV) name; END IF;
    IF TG_OP <> 'DELETE' THEN SELECT array_agg(to_jsonb(NEW) ->> name) INTO new_key FROM unnest(TG_ARGV) name; END IF;
    INSERT INTO history (writer, tx, name, op, key)
    SELECT current_setting('application_name'), pg_current_xact_id()::text::bigint, TG_TABLE_NAME, op, key
    FROM (SELECT 'u' AS op, new_key AS key WHERE old_key = new_key
          UNION ALL SELECT 'd', old_key WHERE old_key IS NOT NULL AND old_key IS DISTINCT FROM new_key
          UNION ALL SELECT 'c', new_key WHERE new_key IS NOT NULL AND new_key IS DISTINCT FROM old_key) changes;
    RETURN NULL;
END $$;
"""


def keep_history(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """From now on the database remembers each change, in the change's own transaction."""
    connection.execute(_TABLE)
    for table, key in TABLES.items():
        columns = ", ".join(f"'{column}'" for column in key or ["text"])
        connection.execute(
            f"CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION remember({columns})"
        )


def compare_with_history(connection: psycopg.Connection[tuple[object, ...]], seen: Events, gaps: bool) -> int:
    """Every change since a table's snapshot is there, once, in order per key; returns how many events there are.

    `gaps`: events that have a successor of their key may have gone before the reader came, also the first ones of the
    stream, so that a tombstone is left of a delete before what seems its begin. Where a table's stream begins is
    not known; a change lost right there shows in the comparison of the rows. Raises `AssertionError`.
    """
    streamed = {(table, tx) for (table, _), events in seen.items() for tx, _ in events if tx}
    known: set[tuple[str, int]] = set()
    began: set[tuple[str, str]] = set()
    expected: dict[tuple[str, Key], list[Event]] = defaultdict(list)
    whole: dict[tuple[str, Key], list[Event]] = defaultdict(list)
    for writer, tx, table, key, op in _committed(connection):
        known.add((table, tx))
        if (table, tx) in streamed:
            began.add((table, writer))
        events = [(tx, "d"), (tx, "t")] if op == "d" else [(tx, op)]
        whole[table, key] += events
        if (table, writer) in began:
            expected[table, key] += events
    assert streamed <= known, f"changes that were never committed: {sorted(streamed - known)[:10]}"
    wrong = [
        f"{key}: {_difference(list(seen.get(key, ())), expected.get(key, []))}"
        for key in {*expected, *seen}
        if list(seen.get(key, ())) != expected.get(key, []) and not (gaps and _is_part(seen.get(key, ()), whole[key]))
    ]
    assert not wrong, f"{len(wrong)} keys' events differ from what was committed:\n" + "\n".join(wrong[:10])
    return sum(map(len, seen.values()))


def _committed(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[tuple[str, int, str, Key, str]]:
    """Writer, transaction, table, key and operation of every change, each writer's in order, each key's as well."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        for writer, tx, table, key, op in cursor.execute(
            "SELECT writer, tx, name, key, op FROM history ORDER BY number"
        ):
            yield writer, tx, table, tuple(key), op


def _is_part(some: Sequence[Event], of: Sequence[Event]) -> bool:
    """Whether `some` is `of` with events left out, but not the last. Tombstones of several deletes are alike."""
    ours, theirs = ([(0 if op == "t" else tx, op) for tx, op in events] for events in (some, of))
    left = iter(theirs)
    return ours[-1:] == theirs[-1:] and all(event in left for event in ours)


def _difference(found: Sequence[Event], expected: Sequence[Event]) -> str:
    at = next((i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(found), len(expected)) if at is None else at
    return f"from number {at} on {list(found[at : at + 5])} was read, {list(expected[at : at + 5])} was committed"
