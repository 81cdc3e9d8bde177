"""insert.mode, primary.key.mode, who makes tables, and names, as Debezium's and Confluent's sinks know them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from headwater.connectors.postgres.sink import PostgresSinkConnector
from headwater.connectors.postgres.sink.generations import PostgresGenerations
from headwater.worker.api import (
    DataError,
    Fatal,
    Header,
    Record,
    TaskContext,
    TopicPartition,
    Type,
    Values,
    primitive,
    struct,
)
from headwater.worker.rebuild.fold import Fold
from tests.conftest import Database

from .records import INT32, INT64, PARTITION, TEXT, TOPIC, Task, Topic, table, values

pytestmark = pytest.mark.system
NAME = "shop_public_orders"


def statement(database: Database, *statements: str) -> None:
    with database.connect() as connection:
        for one in statements:
            connection.execute(one)  # type: ignore[arg-type]


def equal_to_the_fold(config: Values, records: Iterable[Record], number: int = 1) -> bool:
    """As `verify` compares: what the log makes of the view, against what is in it."""
    generations, fold = PostgresGenerations(config, "view"), Fold()
    try:
        fold.add(generations.expect(records))
        reader = generations.pin(number)
        try:
            found = {part: prints for part, prints in reader.fingerprint().items() if any(p.rows for p in prints)}
        finally:
            reader.close()
        return found == fold.fingerprint()
    finally:
        fold.close()
        generations.close()


def test_insert_takes_the_first_record_of_each_key_and_refuses_the_others(database: Database) -> None:
    topic = Topic()
    config = values(database, insert_mode="insert")
    records = [
        topic.put({"id": 1, "name": "first", "qty": 1}),
        topic.put({"id": 2, "name": "first", "qty": 1}),
        topic.put({"id": 1, "name": "again", "qty": 2}),
        topic.delete(id=2),
        topic.put({"id": 2, "name": "after its delete", "qty": 3}),
        topic.put({"id": 3, "name": "first", "qty": 1}),
    ]
    later = [topic.put({"id": 3, "name": "again", "qty": 9}), topic.put({"id": 4, "name": "first", "qty": 1})]
    with Task(config) as task:
        task.put(*records)
        task.put(*later)
        refused = [(record.offset, error) for record, error in task.bad]
    assert [offset for offset, _ in refused] == [2, 6]
    assert all(isinstance(error, DataError) and "takes each key once" in str(error) for _, error in refused)
    assert table(database) == [(1, "first", 1), (2, "after its delete", 3), (3, "first", 1), (4, "first", 1)]
    assert equal_to_the_fold(config, [*records, *later])
    generations = PostgresGenerations(config, "view")
    assert generations.every_record, "a compacted topic has lost the first records"
    generations.close()


def test_insert_is_rebuilt_to_the_same(database: Database) -> None:
    topic = Topic()
    config = values(database, insert_mode="insert", delete_enabled="false")
    records = [topic.put({"id": n % 7, "name": f"n{n}", "qty": n}) for n in range(20)]
    with Task(config) as task:
        task.put(*records)
    generations = PostgresGenerations(config, "view")
    try:
        generations.create(2, {TOPIC: records[-1]})
        with Task(config, generation=2) as task:
            for record in records:
                task.put(record)
        generations.finish_load(2)
        before = table(database)
        generations.promote(2, 1)
    finally:
        generations.close()
    assert table(database) == before == [(n, f"n{n}", n) for n in range(7)]
    assert equal_to_the_fold(config, records, 2)


def test_update_changes_rows_of_others_and_adds_none(database: Database) -> None:
    statement(
        database,
        f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text, qty integer, theirs text DEFAULT 'kept')",
        f"INSERT INTO {NAME} (id, name, qty) VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)",
    )
    topic = Topic()
    config = values(database, insert_mode="update", adopt_tables="true")
    with Task(config) as task:
        task.put(
            topic.put({"id": 1, "name": "changed", "qty": None}),
            topic.put({"id": 9, "name": "not there", "qty": 9}),
            topic.delete(id=2),
            topic.tombstone(id=2),
        )
        assert not task.bad
    assert table(database) == [(1, "changed", None, "kept"), (2, "b", 2, "kept"), (3, "c", 3, "kept")]
    generations = PostgresGenerations(config, "view")
    try:
        [finding] = generations.preflight({TOPIC: topic.put({"id": 1, "name": "x", "qty": 1})})
        assert finding.level == "error" and "neither rebuilt nor verified" in finding.message
        with pytest.raises(Fatal, match="neither rebuilt nor verified"):
            generations.pin(1)
        with pytest.raises(Fatal, match="neither rebuilt nor verified"):
            generations.create(2, {})
    finally:
        generations.close()


def test_update_leaves_what_a_record_does_not_name(database: Database) -> None:
    """Neither must the records have a value for each column that has to have one: they add no rows."""
    statement(
        database,
        f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text, qty integer, customer text NOT NULL)",
        f"INSERT INTO {NAME} VALUES (1, 'a', 1, 'x'), (2, 'b', 2, 'y'), (3, 'c', 3, 'z')",
    )
    topic = Topic()
    with Task(values(database, insert_mode="update", adopt_tables="true")) as task:
        task.put(topic.put({"id": 1, "name": "changed", "qty": 10}))
        first = [topic.put({"id": 3, "name": "named", "qty": 30})]
        topic.row = struct({"id": INT32, "name": TEXT})
        task.put(*first, topic.put({"id": 2, "name": "changed"}), topic.put({"id": 3, "name": "again"}))
        assert not task.bad
    assert table(database) == [(1, "changed", 10, "x"), (2, "changed", 2, "y"), (3, "again", 30, "z")]


def test_update_finds_columns_of_others_also_later(database: Database) -> None:
    statement(
        database,
        f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text, qty bigint)",
        f"INSERT INTO {NAME} VALUES (1, 'a', 1)",
    )
    topic = Topic(struct({"id": INT32, "name": TEXT}))
    with Task(values(database, insert_mode="update", adopt_tables="true")) as task:
        task.put(topic.put({"id": 1, "name": "b"}))
        topic.row = struct({"id": INT32, "qty": INT32})
        task.put(topic.put({"id": 1, "qty": 2}))
        assert not task.bad
    assert table(database) == [(1, "b", 2)]


def test_update_with_deletes_that_were_asked_for(database: Database) -> None:
    statement(
        database,
        f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text, qty integer)",
        f"INSERT INTO {NAME} VALUES (1, 'a', 1), (2, 'b', 2)",
    )
    topic = Topic()
    with Task(values(database, insert_mode="update", adopt_tables="true", delete_enabled="true")) as task:
        task.put(
            topic.delete(id=1),
            topic.put({"id": 1, "name": "gone already", "qty": 5}),
            topic.put({"id": 2, "name": "b2", "qty": 5}),
            topic.put({"id": 2, "name": "b3", "qty": 6}),
        )
        assert not task.bad
    assert table(database) == [(2, "b3", 6)]


def test_update_makes_no_table(database: Database) -> None:
    topic = Topic()
    with (
        Task(values(database, insert_mode="update", adopt_tables="true")) as task,
        pytest.raises(Fatal, match="changes rows that others put there"),
    ):
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))


def with_headers(record: Record, **headers: bytes | None) -> Record:
    return record.replace(headers=tuple(Header(name, value) for name, value in headers.items()))


def test_headers_name_the_row(database: Database) -> None:
    topic = Topic()
    config = values(database, primary_key_mode="record_header", primary_key_fields="tenant,place")
    records = [
        with_headers(topic.put({"id": 1, "name": "a", "qty": 1}), tenant=b"t1", place="ä".encode(), more=b"x"),
        with_headers(topic.put({"id": 1, "name": "b", "qty": 1}), tenant=b"t2", place=b"p"),
        with_headers(topic.put({"id": 2, "name": "c", "qty": 2}), tenant=b"t1", place="ä".encode()),
        with_headers(topic.put({"id": 3, "name": "d", "qty": 2}), tenant=b"t3", place=b"p"),
        with_headers(topic.delete(id=3), tenant=b"t3", place=b"p"),
        topic.tombstone(id=3),
        with_headers(topic.put({"id": 4, "name": "e", "qty": 2}), tenant=b"t4"),
        with_headers(topic.put({"id": 5, "name": "f", "qty": 2}), tenant=b"t5", place=None),
    ]
    with Task(config) as task:
        task.put(*records)
        assert [(r.offset, "header" in str(e) or "no value" in str(e)) for r, e in task.bad] == [(6, True), (7, True)]
    assert table(database) == [("t1", "ä", 2, "c", 2), ("t2", "p", 1, "b", 1)]
    assert equal_to_the_fold(config, records)


def test_all_fields_of_the_value_are_the_key_where_none_are_named(database: Database) -> None:
    topic = Topic(struct({"id": INT32, "name": TEXT, "secret": TEXT}), flat=True)
    config = values(database, primary_key_mode="record_value", field_exclude_list="secret")
    records = [topic.put({"id": n % 2, "name": "x", "secret": "s"}) for n in range(4)]
    records.append(topic.put({"id": 1, "name": None, "secret": "s"}))
    with Task(config) as task:
        task.put(*records)
        assert [record.offset for record, _ in task.bad] == [4]
    assert table(database) == [(0, "x"), (1, "x")]
    assert equal_to_the_fold(config, records)


def test_the_mark_of_a_delete_may_be_a_boolean(database: Database) -> None:
    topic = Topic(struct({"id": INT32, "name": TEXT, "__deleted": primitive(Type.BOOLEAN)}), flat=True)
    records = [topic.put({"id": n, "name": "a", "__deleted": False}) for n in range(3)]
    records.append(topic.put({"id": 1, "name": None, "__deleted": True}))
    with Task(values(database)) as task:
        task.put(*records)
    assert table(database) == [(0, "a"), (2, "a")]
    assert equal_to_the_fold(values(database), records)


def test_truncates_need_no_key(database: Database) -> None:
    topic = Topic()
    records = [
        topic.put({"id": 1, "name": "a", "qty": 1}),
        topic.truncate(),
        topic.put({"id": 2, "name": "b", "qty": 2}),
    ]
    for option in ("record_key", "record_value"):
        config = values(database, truncate_enabled="true", primary_key_mode=option, primary_key_fields="id",
                        collection_name_format=option)  # fmt: skip
        with Task(config, view=option) as task:
            task.put(*records)
            assert not task.bad
        assert table(database, option) == [(2, "b", 2)]


def test_tables_are_made_but_not_changed(database: Database) -> None:
    topic = Topic()
    with Task(values(database, auto_create="true", auto_evolve="false")) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        topic.row = struct({"id": INT32, "name": TEXT, "note": TEXT})
        task.put(topic.put({"id": 2, "name": "a", "note": "new"}))
        [(_, error)] = task.bad
    assert "column note is missing, and auto.evolve is false: ALTER TABLE … ADD COLUMN" in str(error)
    assert table(database) == [(1, "a", 1)]


def test_tables_are_changed_but_not_made(database: Database) -> None:
    statement(database, f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text)")
    topic, other = Topic(), Topic(topic="shop.public.other")
    partitions = [TopicPartition(topic.name, 0), TopicPartition(other.name, 0)]
    with Task(values(database, auto_create="false"), *partitions) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}), other.put({"id": 1, "name": "a", "qty": 1}))
        [(_, error)] = task.bad
    assert "shop_public_other is missing, and auto.create is false: create it" in str(error)
    assert table(database) == [(1, "a", 1)]


def test_columns_that_users_add_and_widen_are_used(database: Database) -> None:
    """As the error asks for; the same where there was more in the table from the start than the first record has."""
    statement(database, f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text, qty integer, early text)")
    topic, config = Topic(), values(database, schema_evolution="none")
    records = [topic.put({"id": 1, "name": "a", "qty": 1})]
    with Task(config) as task:
        task.put(*records)
        topic.row = struct({"id": INT32, "name": TEXT, "qty": INT64, "early": TEXT, "note": TEXT})
        statement(database, f"ALTER TABLE {NAME} ADD COLUMN note varchar(20), ALTER COLUMN qty TYPE bigint")
        records.append(topic.put({"id": 2, "name": "b", "qty": 1 << 40, "early": "e", "note": "n"}))
        task.put(records[-1])
        assert not task.bad
    assert table(database) == [(1, "a", 1, None, None), (2, "b", 1 << 40, "e", "n")]
    assert equal_to_the_fold(config, records)


def test_a_column_that_users_widened_too_little_is_refused(database: Database) -> None:
    topic = Topic()
    with Task(values(database, auto_create="true", auto_evolve="false")) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        topic.row = struct({"id": INT32, "name": TEXT, "qty": INT64})
        statement(database, f"ALTER TABLE {NAME} ALTER COLUMN qty TYPE numeric(12,2)")
        task.put(topic.put({"id": 2, "name": "b", "qty": 1 << 40}))
        [(_, error)] = task.bad
    assert "ALTER COLUMN" in str(error) and "TYPE bigint" in str(error)


def test_what_was_added_to_a_users_table_is_there_in_its_next_generation(database: Database) -> None:
    statement(database, f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text)")
    topic, config = Topic(), values(database, auto_create="false")
    records = [topic.put({"id": 1, "name": "a", "qty": 1})]
    topic.row = struct({"id": INT32, "name": TEXT})
    records.append(topic.put({"id": 2, "name": "b"}))
    with Task(config) as task:
        task.put(*records)
    generations = PostgresGenerations(config, "view")
    try:
        generations.create(2, {TOPIC: records[-1]})
        with Task(config, generation=2) as task:
            task.put(*records)
            assert not task.bad
    finally:
        generations.close()
    assert equal_to_the_fold(config, records, 2)


def test_a_missing_table_fails_at_the_start(database: Database) -> None:
    config = values(database, schema_evolution="validate-only")
    sink = PostgresSinkConnector().task()
    try:
        sink.open(TaskContext("view", 0, config))
        with pytest.raises(
            Fatal, match=r"public\.shop_public_orders is missing, and schema\.evolution is validate-only"
        ):
            sink.assign({PARTITION: "id-1"})
    finally:
        sink.close()
    statement(database, f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name text, qty integer)")
    topic = Topic()
    with Task(config) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
    assert table(database) == [(1, "a", 1)]


def test_a_view_whose_tables_users_make_is_rebuilt_in_their_shape(database: Database) -> None:
    statement(
        database,
        f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name varchar(20) NOT NULL, qty bigint, "
        "twice bigint GENERATED ALWAYS AS (qty * 2) STORED, loaded text DEFAULT 'here')",
        f"CREATE INDEX by_name ON {NAME} (name)",
    )
    config = values(database, schema_evolution="none")
    topic = Topic()
    records = [topic.put({"id": n, "name": f"n{n}", "qty": n}) for n in range(5)]
    with Task(config) as task:
        task.put(*records)
    before = table(database)
    assert before[2] == (2, "n2", 2, 4, "here")
    generations = PostgresGenerations(config, "view")
    try:
        findings = generations.preflight({TOPIC: records[0]})
        assert not [f for f in findings if f.level == "error"], findings
        wider = Topic(struct({"id": INT32, "name": TEXT, "note": TEXT})).put({"id": 1, "name": "n", "note": "x"})
        errors = [f for f in generations.preflight({TOPIC: wider}) if f.level == "error"]
        assert [("column note" in f.message, "schema.evolution is none" in f.message) for f in errors] == [(True, True)]
        generations.create(2, {TOPIC: records[0]})
        with Task(config, generation=2) as task:
            task.put(*records)
            assert not task.bad
        generations.finish_load(2)
        generations.promote(2, 1)
        assert table(database) == before
        generations.promote(1, 2)
        assert table(database) == before
    finally:
        generations.close()
    assert equal_to_the_fold(config, records)
    with database.connect() as connection:
        indexes = connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [NAME]).fetchone()
    assert indexes == (2,)


def test_all_columns_of_a_users_table_are_carried_over(database: Database) -> None:
    """Also those that no record has: a view may read them, rights and comments hang on them, a sequence fills them."""
    statement(
        database,
        f"CREATE TABLE {NAME} (id integer PRIMARY KEY, name varchar(20), qty integer, nr serial, "
        "twice integer GENERATED ALWAYS AS (qty * 2) STORED)",
        f"CREATE VIEW seen AS SELECT id, name, nr, twice FROM {NAME}",
        f"COMMENT ON COLUMN {NAME}.twice IS 'two of them'",
        f"GRANT SELECT (twice) ON {NAME} TO PUBLIC",
    )
    config, topic = values(database, schema_evolution="none"), Topic()
    records = [topic.put({"id": n, "name": f"n{n}", "qty": n}) for n in range(3)]
    with Task(config) as task:
        task.put(*records)
    generations = PostgresGenerations(config, "view")
    try:
        findings = generations.preflight({TOPIC: records[0]})
        assert not [f for f in findings if f.level == "error"], findings
        generations.create(2, {TOPIC: records[0]})
        with Task(config, generation=2) as task:
            task.put(*records)
        generations.finish_load(2)
        for number, instead_of in ((2, 1), (1, 2), (2, 1)):
            generations.promote(number, instead_of)
        generations.drop(1)
    finally:
        generations.close()
    with Task(config, generation=2) as task:
        task.put(topic.put({"id": 3, "name": "n3", "qty": 3}))
    assert [(row[0], row[3]) for row in table(database, "seen")] == [(0, 0), (1, 2), (2, 4), (3, 6)]
    assert len({row[2] for row in table(database, "seen")}) == 4, "numbers of one sequence"
    with database.connect() as connection:
        [told] = connection.execute(
            "SELECT col_description(attrelid, attnum), attacl IS NOT NULL FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attname = 'twice'",
            [NAME],
        ).fetchall()
    assert told == ("two of them", True)


def test_topics_name_schema_and_table_where_they_keep_their_dots(database: Database) -> None:
    statement(database, "CREATE SCHEMA sales")
    topic = Topic(topic="sales.Orders", flat=True)
    partition = TopicPartition(topic.name, 0)
    with Task(values(database, collection_naming_strategy="passthrough"), partition) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
    with database.connect() as connection:
        assert connection.execute('SELECT * FROM sales."Orders"').fetchall() == [(1, "a", 1)]


def test_names_without_quotes_are_folded(database: Database) -> None:
    topic = Topic(struct({"Id": INT32, "Name": TEXT}), struct({"Id": INT32}), topic="Orders", flat=True)
    records = [topic.put({"Id": 1, "Name": "a"})]
    config = values(database, quote_sql_identifiers="never")
    with Task(config, TopicPartition("Orders", 0)) as task:
        task.put(*records)
    with database.connect() as connection:
        assert connection.execute("SELECT id, name FROM orders").fetchall() == [(1, "a")]
    assert equal_to_the_fold(config, records)
