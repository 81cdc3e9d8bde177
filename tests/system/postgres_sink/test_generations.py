"""Build beside, compare, swap, go back, drop; readers and writers at work all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.connectors.postgres.sink.generations import PostgresGenerations
from headwater.worker.api import BUCKETS, Fatal, Fenced, Fingerprint, Record, Retriable, Values, bucket, struct
from tests.conftest import Database
from tests.servers.postgres import PostgresServer

from .records import INT32, KEY, PARTITION, ROW, TEXT, TOPIC, Task, Topic, table, values

pytestmark = pytest.mark.system
NARROW = struct({"id": INT32, "name": TEXT})
"""What the rebuilt view looks like: a column less."""


def narrow(records: Iterable[Record]) -> list[Record]:
    """What the changed config makes of the same records."""
    topic = Topic(NARROW)
    out = []
    for record in records:
        if record.value is None or record.value["after"] is None:
            out.append(record)
            continue
        topic.next = record.offset or 0
        out.append(topic.put({k: v for k, v in record.value["after"].items() if k != "qty"}, record.value["op"]))
    return out


def history(topic: Topic, rows: int = 50) -> list[Record]:
    records = [topic.put({"id": n, "name": f"n{n}", "qty": n}) for n in range(rows)]
    for n in range(0, rows, 5):
        records += [topic.delete(id=n), topic.tombstone(id=n)]
    return records + [topic.put({"id": n, "name": f"again {n}", "qty": None}, "u") for n in range(1, rows, 10)]


def expected(generations: PostgresGenerations, records: Iterable[Record]) -> dict[str, list[Fingerprint]]:
    held: dict[tuple[str, bytes], int] = {}
    for row in generations.expect(records):
        if row.digest is None:
            held.pop((row.part, row.key), None)
        elif not (row.first and (row.part, row.key) in held):
            held[row.part, row.key] = row.digest
    found: dict[str, list[Fingerprint]] = {}
    for (part, key), digest in held.items():
        found.setdefault(part, [Fingerprint() for _ in range(BUCKETS)])[bucket(key)].add(digest)
    return found


def check_equal(generations: PostgresGenerations, number: int, records: Iterable[Record]) -> None:
    reader = generations.pin(number)
    try:
        wanted, found = expected(generations, records), reader.fingerprint()
        assert found == {part: wanted.get(part, [Fingerprint() for _ in range(BUCKETS)]) for part in found}
        assert set(wanted) <= set(found)
    finally:
        reader.close()


@pytest.fixture
def database(any_pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> Database:
    """On both major versions."""
    return make_database(any_pg)


@pytest.fixture
def opened(database: Database) -> Iterator[PostgresGenerations]:
    generations = PostgresGenerations(values(database), "view")
    yield generations
    generations.close()


def build(database: Database, generations: PostgresGenerations, records: list[Record], number: int = 2) -> Values:
    config = values(database)
    generations.create(number, {TOPIC: narrow(records)[0]})
    with Task(config, generation=number) as task:
        task.put(*narrow(records))
    generations.finish_load(number)
    return config


def test_what_the_database_refused_is_not_expected(database: Database, opened: PostgresGenerations) -> None:
    """Until it is given once more: a row of a new key, one that stands in the place of another, and a delete."""
    topic = Topic()
    records = [topic.put({"id": n, "name": "x", "qty": n}) for n in range(4)]
    with Task(values(database)) as task:
        task.put(*records)
        with database.connect() as connection:
            connection.execute("ALTER TABLE shop_public_orders ADD CONSTRAINT few CHECK (qty < 100)")
            connection.execute("CREATE TABLE line (of_order int REFERENCES shop_public_orders)")
            connection.execute("INSERT INTO line VALUES (3)")
        refused = [topic.put({"id": 9, "name": "x", "qty": 500}), topic.put({"id": 1, "name": "x", "qty": 600}, "u")]
        refused.append(topic.delete(id=3))
        later = topic.put({"id": 5, "name": "x", "qty": 5})
        task.put(*refused, later)
        assert [record for record, _ in task.bad] == refused
    places = {(TOPIC, 0, record.offset) for record in refused}
    reader = opened.pin(1)
    assert reader.refused == places
    reader.close()
    check_equal(opened, 1, [*records, later])

    with database.connect() as connection:
        connection.execute("ALTER TABLE shop_public_orders DROP CONSTRAINT few")
    with Task(values(database)) as task:
        for record in refused:
            task.give_again(record)
        assert [record for record, _ in task.bad] == refused[2:]
    reader = opened.pin(1)
    assert reader.refused == {(TOPIC, 0, refused[2].offset)}
    reader.close()
    check_equal(opened, 1, [*records, *refused[:2], later])

    with database.connect() as connection:
        connection.execute("DROP TABLE line")
        connection.execute("DROP TABLE headwater.refused")  # as a Headwater left it that did not know of it
    assert opened.pin(1).refused == set()
    with Task(values(database)) as task:
        task.give_again(refused[2])
    check_equal(opened, 1, [*records, *refused, later])


def test_a_dropped_generation_forgets_what_it_refused(database: Database, opened: PostgresGenerations) -> None:
    topic = Topic()
    records = [topic.put({"id": n, "name": "x", "qty": n}) for n in range(3)]
    with Task(values(database)) as task:
        task.put(*records)
    opened.create(2, {TOPIC: records[0]})
    with Task(values(database), generation=2) as task:
        with database.connect() as connection:
            connection.execute("ALTER TABLE shop_public_orders__g2 ADD CHECK (id <> 1)")
        task.put(*records)
        assert [record for record, _ in task.bad] == records[1:2]
    reader = opened.pin(2)
    assert reader.refused == {(TOPIC, 0, 1)}
    reader.close()
    opened.drop(2)
    with database.connect() as connection:
        assert connection.execute("SELECT * FROM headwater.refused").fetchall() == []


def test_a_view_is_built_beside_verified_swapped_and_rolled_back(
    database: Database, opened: PostgresGenerations
) -> None:
    records = history(Topic())
    assert opened.list() == []
    with Task(values(database)) as task:
        task.put(*records)
    before = table(database)
    build(database, opened, records)
    assert table(database) == before
    assert [(i.number, i.current, i.complete, i.parts) for i in opened.list()] == [
        (1, True, True, ("public.shop_public_orders",)),
        (2, False, True, ("public.shop_public_orders",)),
    ]
    assert opened.list()[1].rows == len(before)
    assert opened.offsets(2) == {PARTITION: len(records)} == opened.offsets(1)
    check_equal(opened, 1, records)
    check_equal(opened, 2, narrow(records))
    opened.promote(2, 1)
    opened.promote(2, 1)  # as after a crash: done already
    assert table(database) == [row[:2] for row in before]
    check_equal(opened, 2, narrow(records))
    check_equal(opened, 1, records)
    with pytest.raises(Fatal, match="readers of view see generation 2, not 7"):
        opened.promote(1, 7)
    with pytest.raises(Fatal, match="not dropped"):
        opened.drop(2)
    opened.promote(1, 2)
    assert table(database) == before
    opened.drop(2)
    opened.drop(2)
    with database.connect() as connection:
        left = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE '%\\_\\_g%'").fetchall()
        assert left == []
        assert connection.execute("SELECT DISTINCT generation FROM headwater.offsets").fetchall() == [(1,)]


def test_differences_are_found(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    with database.connect() as connection:
        connection.execute("UPDATE shop_public_orders SET name = 'tampered' WHERE id = 7")
        connection.execute("DELETE FROM shop_public_orders WHERE id = 8")
    reader = opened.pin(1)
    part = "public.shop_public_orders"
    wanted, found = expected(opened, records)[part], reader.fingerprint()[part]
    different = {n for n in range(BUCKETS) if wanted[n] != found[n]}
    assert different == {bucket(b"id=7"), bucket(b"id=8")}
    rows = {key: shown for key, _, shown in reader.rows(part, sorted(different))}
    assert rows[b"id=7"] == 'id=7, name="tampered", qty=7' and b"id=8" not in rows
    reader.close()


def test_a_swap_under_live_readers_and_writers(database: Database, opened: PostgresGenerations) -> None:
    """No reader sees fewer rows than it should, no task writes into the other generation, no offset is lost."""
    records = history(Topic(), 200)
    with Task(values(database)) as task:
        task.put(*records)
    build(database, opened, records)
    stop, problems = threading.Event(), list[str]()
    base = len(table(database))

    def read() -> None:
        with database.connect() as connection:
            while not stop.is_set():
                with connection.transaction():
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    connection.execute("SELECT 1 FROM pg_class LIMIT 1")
                    time.sleep(0.02)
                    row = connection.execute("SELECT count(*) FROM shop_public_orders WHERE id < 1000").fetchone()
                    if row is None or row[0] != base:
                        problems.append(f"a reader saw {row}")

    def write(number: int) -> None:
        topic = Topic(ROW if number == 1 else NARROW)
        topic.next = len(records)
        with Task(values(database), generation=number) as task:
            n = 0
            while not stop.is_set():
                row: dict[str, Any] = {"id": 1000 + n, "name": f"written into {number}"}
                task.put(topic.put(row | ({"qty": n} if number == 1 else {})))
                n += 1

    threads = [threading.Thread(target=read) for _ in range(2)]
    threads += [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    try:
        for number, other in ((2, 1), (1, 2), (2, 1)):
            time.sleep(0.1)
            opened.promote(number, other)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not problems
    with database.connect() as connection:
        for name, number in (("shop_public_orders", 2), ("shop_public_orders__g1", 1)):
            found = connection.execute(f"SELECT DISTINCT name FROM {name} WHERE id >= 1000").fetchall()
            assert found == [(f"written into {number}",)]
            row = connection.execute(f"SELECT count(*) FROM {name} WHERE id >= 1000").fetchone()
            assert row is not None and opened.offsets(number) == {PARTITION: len(records) + row[0]}


def test_a_swap_waits_for_snapshots_older_than_the_new_rows(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    with database.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1 FROM pg_class LIMIT 1")
        build(database, opened, records)
        impatient = PostgresGenerations(values(database, swap_wait_timeout_ms="200"), "view")
        with pytest.raises(Retriable, match="older than the new generation's rows are still open"):
            impatient.promote(2, 1)
        assert reader.execute("SELECT count(*) FROM shop_public_orders").fetchone() == (40,)
        reader.execute("COMMIT")
        impatient.promote(2, 1)
        assert len(table(database)) == 40


def test_a_swap_that_is_cut_off_changes_nothing_or_all(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    build(database, opened, records)
    cut, stop = 0, threading.Event()

    def kill() -> None:
        with database.connect() as connection:
            while not stop.is_set():
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name = 'headwater' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
                )

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for number, other in ((2, 1), (1, 2)) * 3:
            for _ in range(50):
                try:
                    opened.promote(number, other)
                    break
                except Retriable:
                    cut += 1
                    if cut > 20:
                        stop.set()
    finally:
        stop.set()
        killer.join()
    assert cut > 0
    assert [(i.number, i.current) for i in opened.list()] == [(1, True), (2, False)]
    check_equal(opened, 1, records)
    check_equal(opened, 2, narrow(records))


def test_a_reader_holds_the_swap_up_only_for_its_own_time(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    build(database, opened, records)
    config = values(database, swap_lock_timeout_ms="100", swap_wait_timeout_ms="400")
    impatient = PostgresGenerations(config, "view")
    with database.connect() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM shop_public_orders LIMIT 1").fetchall()
        with pytest.raises(Retriable, match="always in use"):
            impatient.promote(2, 1)
        assert len(table(database)[0]) == 3  # others go on reading
        reader.execute("ROLLBACK")
    impatient.promote(2, 1)
    assert len(table(database)[0]) == 2


def test_rights_names_and_dependents_pass_over(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    role = f"reader_{database.name}"
    with database.connect() as connection:
        for sql in (
            f"CREATE ROLE {role}",
            f"GRANT SELECT ON shop_public_orders TO {role}",
            f"GRANT UPDATE (name) ON shop_public_orders TO {role}",
            "COMMENT ON TABLE shop_public_orders IS 'it''s ours'",
            "COMMENT ON COLUMN shop_public_orders.name IS 'a name'",
            "ALTER TABLE shop_public_orders SET (fillfactor = 70)",
            "CREATE INDEX orders_by_name ON shop_public_orders (lower(name)) WHERE id > 3",
            "ALTER TABLE shop_public_orders ADD CONSTRAINT one_name UNIQUE (name, id)",
            "ALTER TABLE shop_public_orders ADD CONSTRAINT positive CHECK (id >= 0)",
            "CREATE INDEX orders_by_qty ON shop_public_orders (qty)",
            "CREATE VIEW names WITH (security_barrier = true) AS SELECT id AS number, name FROM shop_public_orders",
            "CREATE VIEW shouting AS SELECT upper(name) FROM names",
            f"GRANT SELECT ON names TO {role}",
            "CREATE TABLE noticed (id int)",
            "CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO public.noticed VALUES (NEW.id); RETURN NEW; END'",
            "CREATE TRIGGER noticing AFTER INSERT ON shop_public_orders FOR EACH ROW EXECUTE FUNCTION notice()",
        ):
            connection.execute(sql)  # type: ignore[arg-type]
        looks = _looks(connection, role)
        findings = opened.preflight({TOPIC: narrow(records)[0]})
        assert not [finding for finding in findings if finding.level == "error"]
        build(database, opened, records)
        [lost] = opened.compare_source(2)
        assert lost.level == "warning" and "orders_by_qty" in lost.message
        opened.promote(2, 1)
        assert _looks(connection, role) == [row for row in looks if row[1] != "orders_by_qty"]
        with Task(values(database), generation=2) as task:
            topic = Topic(NARROW)
            topic.next = len(records)
            task.put(topic.put({"id": 900, "name": "noticed"}))
        assert connection.execute("SELECT * FROM noticed").fetchall() == [(900,)]
        assert connection.execute("SELECT count(*) FROM names WHERE number = 900").fetchone() == (1,)
        opened.promote(1, 2)
        assert _looks(connection, role) == looks
        assert connection.execute("SELECT count(*) FROM shouting").fetchone() == (40,)
        opened.drop(2)
        connection.execute(f"DROP OWNED BY {role}")  # type: ignore[arg-type]
        connection.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]


def _looks(connection: psycopg.Connection[tuple[object, ...]], role: str) -> list[tuple[object, ...]]:
    """All that a user may have given the table, by name."""
    return connection.execute(
        "WITH t AS (SELECT 'shop_public_orders'::regclass AS oid) "
        "SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index, t WHERE indrelid = oid "
        "UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(c.oid) FROM pg_constraint c, t "
        " WHERE conrelid = t.oid AND contype <> 'n' "
        "UNION ALL SELECT 'options', '', reloptions::text FROM pg_class c, t WHERE c.oid = t.oid "
        "UNION ALL SELECT 'comment', objsubid::text, description FROM pg_description, t WHERE objoid = t.oid "
        "UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(g.oid) FROM pg_trigger g, t WHERE tgrelid = t.oid "
        "UNION ALL SELECT 'view', c.relname, c.reloptions::text || pg_get_viewdef(c.oid) || c.relacl::text "
        " FROM pg_class c WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'right', p, has_table_privilege(%(role)s, t.oid, p)::text FROM t, "
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) p "
        "UNION ALL SELECT 'column right', '', has_column_privilege(%(role)s, t.oid, 'name', 'UPDATE')::text FROM t "
        "ORDER BY 1, 2, 3",
        {"role": role},
    ).fetchall()


def test_what_would_be_left_behind_blocks(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    with database.connect() as connection:
        for sql in (
            "CREATE VIEW uses_qty AS SELECT qty FROM shop_public_orders",
            "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM shop_public_orders",
            "CREATE TABLE refers (id int REFERENCES shop_public_orders)",
            "CREATE PUBLICATION published FOR TABLE shop_public_orders",
            "CREATE FUNCTION of_row(shop_public_orders) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE STATISTICS stats ON id, name FROM shop_public_orders",
        ):
            connection.execute(sql)  # type: ignore[arg-type]
        errors = "\n".join(f.message for f in opened.preflight({TOPIC: narrow(records)[0]}) if f.level == "error")
        for part in ("uses_qty uses", "view public.counted", "refers", "published", "of_row", "statistics: stats"):
            assert part in errors, errors
        build(database, opened, records)
        with pytest.raises(Fatal, match=r"the swap of view is blocked: .*counted"):
            opened.promote(2, 1)
        assert len(table(database)[0]) == 3


def test_a_rebuild_mends_what_somebody_broke(database: Database, opened: PostgresGenerations) -> None:
    people = Topic(topic="shop.public.people")
    records = history(Topic())
    with Task(values(database), PARTITION, PARTITION._replace(topic=people.name)) as task:
        task.put(*records, people.put({"id": 1, "name": "a", "qty": 1}))
    with database.connect() as connection:
        connection.execute("DROP TABLE shop_public_orders")
        connection.execute("ALTER TABLE shop_public_people DROP COLUMN name")
    reader = opened.pin(1)
    rows = {part: sum(f.rows for f in found) for part, found in reader.fingerprint().items()}
    assert rows == {"public.shop_public_orders": 0, "public.shop_public_people": 1}
    assert [shown for _, _, shown in reader.rows("public.shop_public_people", range(BUCKETS))] == ["id=1, qty=1"]
    reader.close()
    samples = {TOPIC: records[0], people.name: people.put({"id": 1, "name": "a", "qty": 1})}
    findings = opened.preflight(samples)
    assert [f.subject for f in findings if f.level != "ok"] == ["public.shop_public_orders"]
    opened.create(2, samples)
    with Task(values(database), generation=2) as task:
        task.put(*records)
    opened.finish_load(2)
    assert opened.compare_source(2) == []
    opened.promote(2, 1)
    assert len(table(database)) == 40
    opened.drop(1)
    check_equal(opened, 2, records)


def test_parts_may_come_and_go_with_a_generation(database: Database, opened: PostgresGenerations) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    renamed = PostgresGenerations(values(database, collection_name_format="sales.${source.table}"), "view")
    with database.connect() as connection:
        connection.execute("CREATE SCHEMA sales")
        renamed.create(2, {TOPIC: records[0]})
        with Task(values(database, collection_name_format="sales.${source.table}"), generation=2) as task:
            task.put(*records)
        renamed.finish_load(2)
        renamed.promote(2, 1)
        assert connection.execute("SELECT count(*) FROM sales.orders").fetchone() == (40,)
        assert connection.execute("SELECT to_regclass('public.shop_public_orders')").fetchone() == (None,)
        renamed.promote(1, 2)
        assert connection.execute("SELECT to_regclass('sales.orders')").fetchone() == (None,)
        assert len(table(database)) == 40


def test_tasks_of_a_dropped_generation_are_fenced(database: Database, opened: PostgresGenerations) -> None:
    topic = Topic()
    record = topic.put({"id": 1, "name": "a", "qty": 1})
    with Task(values(database)) as task:
        task.put(record)
    opened.create(2, {TOPIC: record})
    opened.create(2, {TOPIC: record})
    with Task(values(database), generation=2) as task:
        task.put(record)
        task.write([topic.put({"id": 2, "name": "a", "qty": 1})])
        opened.drop(2)
        with pytest.raises(Fenced, match="dropped"):
            task.sink.flush()
    with pytest.raises(Fatal, match="no generation 2"):
        Task(values(database), generation=2)


def test_what_no_record_brings_is_told(opened: PostgresGenerations) -> None:
    """Compaction has taken the record with the value of row 1; the one of row 2 is there."""
    topic = Topic()
    kept = [topic.put({"id": n, "name": UNAVAILABLE_VALUE, "qty": n}) for n in (1, 1)]
    kept += [topic.put({"id": 2, "name": "x" * 3000}), topic.put({"id": 2, "name": UNAVAILABLE_VALUE, "qty": 2})]
    assert [row.filled for row in opened.expect(kept)] == [False, False, True, True]


def test_placeholders_are_expected_as_the_view_keeps_them(database: Database, opened: PostgresGenerations) -> None:
    topic = Topic(struct({"id": INT32, "name": TEXT, "note": TEXT}))
    records = [topic.put({"id": n, "name": "long " * 1000 + str(n), "note": "a"}) for n in range(5)]
    for n in range(4):
        records.append(topic.put({"id": n, "name": UNAVAILABLE_VALUE, "note": "b"}, "u"))
        records.append(topic.put({"id": n, "name": UNAVAILABLE_VALUE, "note": UNAVAILABLE_VALUE}, "u"))
    records.append(topic.put({"id": 3, "name": "short now", "note": "c"}, "u"))
    records.append(topic.put({"id": 77, "name": UNAVAILABLE_VALUE, "note": "never seen whole"}, "u"))
    with Task(values(database)) as task:
        for record in records:
            task.put(record)
    for _ in range(2):
        check_equal(opened, 1, records)


def test_versions_keep_old_events_from_overwriting_newer_ones(database: Database) -> None:
    config = values(database, collection_name_format="all_orders", version_column="__version")
    one, two = Topic(), Topic(topic="shop.public.orders_2")
    places = (PARTITION, PARTITION._replace(topic=two.name))
    with Task(config, *places) as task:
        records = [one.put({"id": 1, "name": "new", "qty": 1}, version=20), one.delete(id=2, version=30)]
        late = [
            two.put({"id": 1, "name": "old", "qty": 0}, version=10),
            two.put({"id": 2, "name": "old", "qty": 0}, version=10),
        ]
        for record in (*records, *late):
            task.put(record)
        task.put(
            two.put({"id": 3, "name": "in one batch", "qty": 1}, version=5),
            one.put({"id": 3, "name": "old", "qty": 1}, version=4),
        )
    assert table(database, "all_orders") == [(1, "new", 1, 20), (3, "in one batch", 1, 5)]


def test_a_second_topic_needs_versions(database: Database) -> None:
    config = values(database, collection_name_format="all_orders")
    one, two = Topic(), Topic(topic="shop.public.orders_2")
    with Task(config, PARTITION, PARTITION._replace(topic=two.name)) as task:
        task.put(one.put({"id": 1, "name": "a", "qty": 1}, version=1))
        task.put(two.put({"id": 2, "name": "b", "qty": 1}, version=1))
        assert "set version.column" in str(task.bad[0][1])


def test_keyless_topics_are_verified_too(database: Database, opened: PostgresGenerations) -> None:
    topic = Topic(struct({"name": TEXT}), None)
    records = [topic.put({"name": str(n % 3)}) for n in range(30)]
    with Task(values(database)) as task:
        task.put(*records)
    check_equal(opened, 1, records)


def test_flat_records_are_verified_too(database: Database, opened: PostgresGenerations) -> None:
    topic = Topic(struct({"id": INT32, "name": TEXT, "__deleted": TEXT}), KEY, flat=True)
    records = [topic.put({"id": n, "name": str(n), "__deleted": "false"}) for n in range(30)]
    records += [topic.put({"id": 3, "name": None, "__deleted": "true"}), topic.tombstone(id=4)]
    with Task(values(database)) as task:
        task.put(*records)
    check_equal(opened, 1, records)


def test_a_column_that_became_text_can_be_rebuilt_and_verified(database: Database, opened: PostgresGenerations) -> None:
    """PostgreSQL sends no events for rows that ALTER TABLE rewrites: the log goes on holding numbers."""
    topic = Topic()
    records = [topic.put({"id": n, "name": "a", "qty": n}) for n in range(20)]
    topic.row = struct({"id": INT32, "name": TEXT, "qty": TEXT})
    records += [topic.put({"id": n, "name": "b", "qty": f"no. {n}"}, "u") for n in range(5)]
    with Task(values(database)) as task:
        task.put(*records)
        assert not task.bad
    opened.create(2, {TOPIC: records[-1]})
    with Task(values(database), generation=2) as task:
        task.put(*records)
        assert not task.bad
    opened.finish_load(2)
    for number in (1, 2):
        check_equal(opened, number, records)
    opened.promote(2, 1)
    assert table(database)[4:6] == [(4, "b", "no. 4"), (5, "a", "5")]


def test_a_cut_connection_is_made_again(database: Database, opened: PostgresGenerations) -> None:
    with Task(values(database)) as task:
        task.put(*history(Topic()))
    assert [info.number for info in opened.list()] == [1]
    calls: list[Callable[[], object]] = [
        opened.list,
        lambda: opened.offsets(1),
        lambda: opened.compare_source(1),
        lambda: opened.drop(7),
        lambda: list(opened.expect(history(Topic()))),
    ]
    for call in calls:
        opened.list()
        with database.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(Retriable):
            call()
        call()


def test_a_database_without_headwaters_tables_has_no_generations(
    database: Database, opened: PostgresGenerations
) -> None:
    records = history(Topic())
    with Task(values(database)) as task:
        task.put(*records)
    with database.connect() as connection:
        connection.execute("DROP SCHEMA headwater CASCADE")
    assert opened.list() == [] and opened.offsets(1) == {} and opened.compare_source(1) == []
    assert expected(opened, records)
    opened.drop(1)
    with pytest.raises(Fatal, match="no schema headwater with Headwater's tables"):
        opened.pin(1)
    errors = [finding for finding in opened.preflight({TOPIC: records[0]}) if finding.level == "error"]
    assert [finding.subject for finding in errors] == ["public.shop_public_orders"]
