"""Events become rows: upserts, deletes, evolution, placeholders, bad records."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.worker.api import DataError, Fatal, Record, TopicPartition, Type, Values, array, primitive, struct
from tests.conftest import Database

from .records import INT32, INT64, KEY, PARTITION, ROW, TEXT, TOPIC, Task, Topic, table, values

pytestmark = pytest.mark.system
OPTIONAL_INT = primitive(Type.INT32, optional=True)


def test_inserts_updates_and_deletes_in_one_batch_and_over_several(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        offsets = task.put(
            topic.put({"id": 1, "name": "a", "qty": 1}, "r"),
            topic.put({"id": 2, "name": "b", "qty": None}),
            topic.put({"id": 3, "name": None, "qty": 3}),
            topic.delete(id=3),
            topic.tombstone(id=3),
            topic.put({"id": 1, "name": "a\t\\N'", "qty": 2}, "u"),
        )
        assert offsets == {PARTITION: 6}
        assert table(database) == [(1, "a\t\\N'", 2), (2, "b", None)]
        task.put(topic.delete(id=1), topic.tombstone(id=1), topic.put({"id": 9, "name": "moved", "qty": 2}))
        assert table(database) == [(2, "b", None), (9, "moved", 2)]


def test_flat_records_with_tombstones_and_deleted_marks(database: Database) -> None:
    row = struct({"id": INT32, "name": TEXT, "__deleted": TEXT})
    topic = Topic(row, flat=True)
    with Task(values(database)) as task:
        task.put(*(topic.put({"id": n, "name": "x", "__deleted": "false"}) for n in range(4)))
        task.put(topic.put({"id": 0, "name": None, "__deleted": "true"}), topic.tombstone(id=1), topic.tombstone(id=77))
    assert table(database) == [(2, "x"), (3, "x")]


def test_soft_deletes_are_kept_where_deletes_are_off(database: Database) -> None:
    topic = Topic(struct({"id": INT32, "__deleted": TEXT}), flat=True)
    with Task(values(database, delete_enabled="false")) as task:
        task.put(topic.put({"id": 1, "__deleted": "true"}), topic.tombstone(id=1))
    assert table(database) == [(1, "true")]


def test_composite_keys_and_a_key_that_the_value_lacks(database: Database) -> None:
    key = struct({"region": TEXT, "id": INT64})
    topic = Topic(struct({"id": INT64, "name": TEXT}), key, flat=True)
    with Task(values(database, collection_name_format="${source.schema}.${source.table}")) as task:
        records = [
            topic._record({"region": "eu", "id": 1}, {"id": 1, "name": "x"}, topic.row, None),
            topic._record({"region": "us", "id": 1}, {"id": 1, "name": "y"}, topic.row, None),
            topic._record({"region": "us", "id": 1}, None, None, None),
        ]
        task.put(*records)
    with database.connect() as connection:
        assert connection.execute("SELECT region, id, name FROM public.orders").fetchall() == [("eu", 1, "x")]
        keys = connection.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'orders_pkey'")
        assert keys.fetchall() == [("PRIMARY KEY (region, id)",)]


def test_a_primitive_key_takes_its_name_from_the_option(database: Database) -> None:
    topic = Topic(struct({"name": TEXT}), INT64, flat=True)
    with Task(values(database, primary_key_fields="number")) as task:
        task.put(
            topic._record(5, {"name": "x"}, topic.row, None),
            topic._record(6, {"name": "y"}, topic.row, None),
            topic._record(5, None, None, None),
        )
    assert table(database) == [(6, "y")]


def test_a_topic_without_keys_appends_each_record_once(database: Database) -> None:
    topic = Topic(struct({"name": TEXT}), None)
    with Task(values(database)) as task:
        task.put(topic.put({"name": "same"}), topic.put({"name": "same"}))
    assert table(database, order="3") == [(TOPIC, 0, 0, "same"), (TOPIC, 0, 1, "same")]


def test_tables_evolve_with_the_schema(database: Database) -> None:
    topic = Topic()
    wider = struct({"id": INT64, "name": TEXT, "qty": primitive(Type.INT64, optional=True), "note": TEXT})
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        topic.row, topic.key = wider, struct({"id": INT64})
        task.put(topic.put({"id": 2**40, "name": "b", "qty": 2**50, "note": "new"}))
        topic.row, topic.key = ROW, KEY
        task.put(topic.put({"id": 3, "name": "old schema", "qty": 5}), topic.tombstone(id=1))
        assert not task.bad
    assert table(database) == [(3, "old schema", 5, None), (2**40, "b", 2**50, "new")]


def test_columns_that_a_newer_schema_lacks_become_null(database: Database) -> None:
    """The row is what its newest record says, so that a rebuild gives the same."""
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}), topic.put({"id": 2, "name": "a", "qty": 1}))
        topic.row = struct({"id": INT32, "name": TEXT})
        task.put(topic.put({"id": 1, "name": "b"}, "u"))
    assert table(database) == [(1, "b", None), (2, "a", 1)]


def test_a_type_that_does_not_fit_is_refused_by_name(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        topic.row = struct({"id": INT32, "name": TEXT, "qty": primitive(Type.FLOAT64, optional=True)})
        task.put(topic.put({"id": 2, "name": "a", "qty": 1.5}))
        topic.row = ROW
        task.put(topic.put({"id": 3, "name": "a", "qty": 3}))
        [(record, error)] = task.bad
    assert record.offset == 1 and isinstance(error, DataError)
    assert "column qty is integer" in str(error) and "rebuild" in str(error)
    assert table(database) == [(1, "a", 1), (3, "a", 3)]


def test_a_column_that_becomes_text_takes_old_and_new_records(database: Database) -> None:
    """A rebuild meets them in any order: the table is made for the newest, the log begins with the oldest."""
    flag, numbers = primitive(Type.BOOLEAN, optional=True), array(OPTIONAL_INT, optional=True)
    old = struct({"id": INT32, "qty": primitive(Type.INT64, optional=True), "paid": flag, "tags": numbers})
    new = struct({"id": INT32, "qty": TEXT, "paid": TEXT, "tags": array(TEXT, optional=True)})
    topic = Topic(old)
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "qty": 2**40, "paid": True, "tags": [1, None]}))
        topic.row = new
        task.put(topic.put({"id": 2, "qty": "many", "paid": "later", "tags": ["a"]}))
        topic.row = old
        task.put(topic.put({"id": 3, "qty": -3, "paid": False, "tags": [4, None]}))
        assert not task.bad
    assert table(database) == [
        (1, str(2**40), "true", ["1", None]),
        (2, "many", "later", ["a"]),
        (3, "-3", "false", ["4", None]),
    ]


def test_long_names_of_tables_have_keys(database: Database) -> None:
    names = ["n" * 62 + "1", "n" * 62 + "2", "é" * 31]
    topics = [Topic(topic=f"shop.public.{name}") for name in names]
    partitions = [TopicPartition(topic.name, 0) for topic in topics]
    with Task(values(database, collection_name_format="${source.table}"), *partitions) as task:
        task.put(*(topic.put({"id": 1, "name": "a", "qty": 1}) for topic in topics))
        assert not task.bad
    assert [table(database, name) for name in names] == [[(1, "a", 1)]] * 3


def test_evolution_off_says_what_is_missing(database: Database) -> None:
    topic = Topic()
    with Task(values(database, schema_evolution="none")) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        assert "is missing, and schema.evolution is none" in str(task.bad[0][1])


def test_placeholders_are_never_written_over_values(database: Database) -> None:
    topic = Topic(struct({"id": INT32, "name": TEXT, "note": TEXT}))
    unchanged = UNAVAILABLE_VALUE
    with Task(values(database)) as task:
        task.put(
            topic.put({"id": 1, "name": "long one", "note": "n1"}),
            topic.put({"id": 2, "name": "long two", "note": "n2"}),
            topic.put({"id": 1, "name": unchanged, "note": "n1b"}, "u"),
        )
        assert table(database) == [(1, "long one", "n1b"), (2, "long two", "n2")]
        task.put(
            topic.put({"id": 1, "name": unchanged, "note": "n1c"}, "u"),
            topic.put({"id": 2, "name": unchanged, "note": unchanged}, "u"),
            topic.put({"id": 3, "name": unchanged, "note": "never seen"}, "u"),
            topic.put({"id": 1, "name": "x", "note": unchanged}, "u"),
        )
    assert table(database) == [(1, "x", "n1c"), (2, "long two", "n2"), (3, None, "never seen")]


def test_the_database_refuses_single_records_and_the_others_go_through(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 0, "name": "a", "qty": 0}))
        with database.connect() as connection:
            connection.execute("ALTER TABLE shop_public_orders ADD CHECK (qty < 100)")
        records = [topic.put({"id": n, "name": f"row {n}", "qty": 500 if n in (7, 23) else n}) for n in range(1, 40)]
        records.append(topic.put({"id": 40, "name": "NUL \0", "qty": 1}))
        records.append(topic.put({"id": None, "name": "no key", "qty": 1}))
        records.append(topic.put({"id": "forty", "name": "a text for a number", "qty": 1}))
        offsets = task.put(*records)
        assert offsets == {PARTITION: 43}
        assert sorted(record.offset or 0 for record, _ in task.bad) == [7, 23, 40, 41, 42]
        assert all(isinstance(error, DataError) and record.where() in str(error) for record, error in task.bad)
    assert [row[0] for row in table(database)] == [n for n in range(40) if n not in (7, 23)]


def test_a_refused_row_is_not_shown(database: Database) -> None:
    """Messages go to logs and to REST: the server's own, of a broken CHECK or NOT NULL, hold the whole row."""
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 0, "name": "a", "qty": 0}))
        with database.connect() as connection:
            connection.execute("ALTER TABLE shop_public_orders ADD CONSTRAINT few CHECK (qty < 100)")
            connection.execute("ALTER TABLE shop_public_orders ALTER qty SET NOT NULL")
        task.put(
            topic.put({"id": 1, "name": "a secret", "qty": 500}), topic.put({"id": 2, "name": "a secret", "qty": None})
        )
        check, null = (str(error) for _, error in task.bad)
    assert '"few"' in check and '"qty"' in null
    assert "secret" not in check + null


def test_a_bad_record_fails_the_task_where_nobody_takes_it(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        task.context.report_bad_record = None
        task.write([topic.put({"id": 1, "name": "fine", "qty": 1}), topic.put({"id": 2, "name": "\0", "qty": 1})])
        for _ in range(2):
            with pytest.raises(DataError, match="NUL"):
                task.sink.flush()
    with Task(values(database)) as task:
        assert task.assigned == {PARTITION: None}


def test_records_without_schemas_are_told_what_to_set(database: Database) -> None:
    with Task(values(database)) as task:
        task.put(Record(TOPIC, {"id": 1}, {"id": 1}, partition=0, offset=0))
        assert "value.converter.schemas.enable: true" in str(task.bad[0][1])


def test_truncate_empties_the_table_where_it_is_enabled(database: Database) -> None:
    for enabled, expected in (("true", [(2, "b", 2)]), ("false", [(1, "a", 1), (2, "b", 2)])):
        topic = Topic()
        with Task(values(database, truncate_enabled=enabled, collection_name_format=f"t_{enabled}")) as task:
            task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
            task.put(topic.truncate(), topic.put({"id": 2, "name": "b", "qty": 2}))
        assert table(database, f"t_{enabled}") == expected
        with database.connect() as connection:
            connection.execute("DELETE FROM headwater.offsets")


def test_a_truncate_of_one_of_several_topics_leaves_newer_rows(database: Database) -> None:
    """Versions tell what there was at that time, and what comes late."""
    one, other = Topic(), Topic(topic="shop.public.more")
    config = values(database, truncate_enabled="true", collection_name_format="both", version_column="__version")
    records = [
        one.put({"id": 1, "name": "old", "qty": 1}, version=10),
        other.put({"id": 2, "name": "newer", "qty": 2}, version=30),
        one.truncate().replace(version=20),
        other.put({"id": 3, "name": "late", "qty": 3}, version=15),
        one.put({"id": 4, "name": "next", "qty": 4}, version=20),
        other.put({"id": 2, "name": "newest", "qty": 2}, version=31),
    ]
    for batch in (1, 2, len(records)):
        view = f"by_{batch}"
        format_ = {"collection.name.format": view}
        with Task(Values({**config, **format_}), PARTITION, TopicPartition(other.name, 0), view=view) as task:
            for at in range(0, len(records), batch):
                task.put(*records[at : at + batch])
            assert not task.bad
        assert table(database, view) == [(2, "newest", 2, 31), (4, "next", 4, 20)]


def test_a_truncate_without_a_version_takes_no_newer_rows_of_other_topics(database: Database) -> None:
    one, other = Topic(), Topic(topic="shop.public.more")
    config = values(database, truncate_enabled="true", collection_name_format="both", version_column="__version")
    with Task(config, PARTITION, TopicPartition(other.name, 0)) as task:
        task.put(one.put({"id": 1, "name": "a", "qty": 1}), other.put({"id": 2, "name": "b", "qty": 2}, version=30))
        with pytest.raises(Fatal, match="a newer version of the row"):
            task.put(one.truncate())
    assert [row[0] for row in table(database, "both")] == [1, 2]


def test_foreign_tables_are_left_alone(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE shop_public_orders (id int PRIMARY KEY, name varchar(3), qty numeric)")
        connection.execute("INSERT INTO shop_public_orders VALUES (1, 'old', 1)")
        topic = Topic()
        with Task(values(database)) as task:
            with pytest.raises(Fatal, match=r"holds rows that Headwater did not write; set collection\.name\.format"):
                task.put(topic.put({"id": 2, "name": "new", "qty": 2}))
            assert not task.bad  # to tolerate it would skip the whole topic
        with Task(values(database, adopt_tables="true"), view="adopting") as task:
            topic.next = 0
            task.put(topic.put({"id": 1, "name": "new", "qty": 2}), topic.put({"id": 3, "name": "long", "qty": 2}))
            assert [record.offset for record, _ in task.bad] == [1]
        assert table(database) == [(1, "new", 2)]


def test_an_empty_table_that_fits_is_used(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        connection.execute("CREATE TABLE shop_public_orders (qty bigint, name mood, id bigint PRIMARY KEY)")
        topic = Topic()
        with Task(values(database, schema_evolution="none")) as task:
            task.put(topic.put({"id": 2, "name": "ok", "qty": 2}), topic.put({"id": 3, "name": "great", "qty": 2}))
            assert [record.offset for record, _ in task.bad] == [1]
        assert table(database) == [(2, "ok", 2)]


def test_two_views_cannot_share_a_table(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as one, Task(values(database), view="other") as two:
        record = topic.put({"id": 1, "name": "a", "qty": 1})
        one.put(record)
        with pytest.raises(Fatal, match="belongs to generation 1 of the view view"):
            two.put(record)
        assert not two.bad


def test_fields_can_be_left_out_and_names_folded(database: Database) -> None:
    topic = Topic(struct({"id": INT32, "Name": TEXT, "Secret": TEXT}))
    options = {"field_exclude_list": "shop.public.orders:Secret", "quote_identifiers": "false"}
    with Task(values(database, collection_name_format="Orders", **options)) as task:
        task.put(topic.put({"id": 1, "Name": "a", "Secret": "s"}))
    with database.connect() as connection:
        assert connection.execute("SELECT id, name FROM orders").fetchall() == [(1, "a")]
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT secret FROM orders")


def test_odd_names_are_quoted(database: Database) -> None:
    odd = 'a "b" %s; é'
    row = struct({"id": INT32, odd: TEXT})
    topic = Topic(row)
    with Task(values(database, collection_name_format='T%s"x')) as task:
        task.put(topic.put({"id": 1, odd: "a"}), topic.put({"id": 2, odd: UNAVAILABLE_VALUE}), topic.delete(id=5))
        assert not task.bad
    expected: list[tuple[Any, ...]] = [(1, "a"), (2, None)]
    with database.connect() as connection:
        assert connection.execute('SELECT * FROM "T%s""x" ORDER BY 1').fetchall() == expected
