"""Every file under configs/ does what it says, as it stands; only the servers' addresses come from the environment."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pyarrow.dataset as ds
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from headwater.worker.api import TopicPartition as LogPartition
from headwater.worker.log import open_log
from tests.conftest import Database
from tests.servers import kafka
from tests.servers.elasticsearch import SearchServer
from tests.servers.moto import KEYS
from tests.servers.postgres import PostgresServer
from tests.servers.worker import MemberProcess, WorkerProcess
from tests.system.parquet_sink.task import Task as ViewTask
from tests.system.parquet_sink.task import values as view_values
from tests.system.postgres_sink.records import Topic
from tests.topic_contents import on_broker, on_embedded_log

pytestmark = pytest.mark.system

CONFIGS = Path(__file__).parents[2] / "configs"
FLIGHTS = """
CREATE TABLE flights (flight_id int PRIMARY KEY, dep_time int, minute int, carrier text);
CREATE TABLE airlines (carrier text PRIMARY KEY, name text);
INSERT INTO flights SELECT n, n % 2400, n % 60, 'UA' FROM generate_series(1, 500) n;
INSERT INTO airlines VALUES ('UA', 'United'), ('AA', 'American');
"""
CONNECTORS = {"postgres-source.yaml", "postgres-view.yaml", "postgres-view-slim.yaml", "parquet-view.yaml"}
SEARCH = {"elasticsearch-view.yaml"}
OUTBOX = ("outbox-source.yaml", "outbox-view.yaml")
SELECT = "postgres-view-select.yaml"
PEOPLE = ("people-source.yaml", "people-view.yaml")
FILES = {"files-csv.yaml", "files-logs.yaml", "file-stream-source.yaml", "file-stream-sink.yaml"}
TOPICS = {"kafka-move.yaml", "kafka-repartition.yaml", "kafka-latest.yaml", "kafka-migrate.yaml", "kafka-sink.yaml"}
BUCKETS = {"s3-objects.yaml", "s3-queue.yaml", "s3-restore.yaml"}
AVRO = {"avro-source.yaml", "avro-view.yaml", "avro-lake.yaml"}
"""Run in converters/test_avro_pipeline.py, with a registry."""
TRANSFORMED = {"orders-transformed.yaml"}
"""Run by transforms/test_every_transform.py."""
WORKERS = {"kafka": "worker-kafka.yaml", "cluster": "worker.yaml"}
"""By what they need, or make."""


def test_every_config_is_run() -> None:
    found = {str(p.relative_to(CONFIGS)) for p in CONFIGS.rglob("*") if p.is_file() and p.parent.name != "reference"}
    run = {
        *CONNECTORS,
        *SEARCH,
        *OUTBOX,
        SELECT,
        *PEOPLE,
        *FILES,
        *TOPICS,
        *BUCKETS,
        *AVRO,
        *TRANSFORMED,
        *WORKERS.values(),
    }
    assert found == run, "run the new file in a test, and name it above"


@pytest.fixture
def databases(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> tuple[Database, Database]:
    source, view = make_database(pg), make_database(pg)
    with source.connect() as connection:
        connection.execute(FLIGHTS)
    return source, view


@pytest.fixture(params=["embedded", "kafka"])
def log_env(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment that names the log; a broker of its own, for the configs' names are not unique."""
    if request.param == "embedded":
        yield {}
    else:
        with kafka.running() as broker:
            yield {"KAFKA_BOOTSTRAP": broker.bootstrap}


def environment(databases: tuple[Database, Database], folder: Path) -> dict[str, str]:
    source, view = databases
    return {
        "SOURCE_HOST": "127.0.0.1", "SOURCE_PORT": str(source.server.port), "SOURCE_USER": "postgres",
        "SOURCE_PASSWORD": "any", "SOURCE_DBNAME": source.name,
        "VIEW_URL": f"postgresql://127.0.0.1:{view.server.port}/{view.name}", "VIEW_USER": "postgres",
        "VIEW_PASSWORD": "any", "LAKE_PATH": str(folder / "lake"),
    }  # fmt: skip


@pytest.fixture
def worker(databases: tuple[Database, Database], log_env: dict[str, str], tmp_path: Path) -> Iterator[WorkerProcess]:
    env = environment(databases, tmp_path) | log_env
    names = ("postgres-source.yaml", "postgres-view.yaml", "parquet-view.yaml")
    worker = WorkerProcess([CONFIGS / name for name in names], tmp_path / "data", env)
    yield worker
    worker.stop()


def test_they_do_the_main_job(
    databases: tuple[Database, Database], worker: WorkerProcess, log_env: dict[str, str]
) -> None:
    source, view = databases
    options = ["--worker", str(CONFIGS / WORKERS["kafka"])] if log_env else []

    def headwater(*arguments: str) -> str:
        done = worker.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    files = [str(path) for path in worker.files]
    for name in sorted(CONNECTORS):
        headwater("lint", str(CONFIGS / name), *options)
    findings = json.loads(headwater("check", "--json", *files, *options))["findings"]
    assert {finding["level"] for finding in findings} == {"ok"}
    headwater("run", *files, *options, "--data", str(worker.data), "--listen", "none", "--until-caught-up")
    assert rows(view, "SELECT * FROM flights") == rows(source, "SELECT * FROM flights")
    assert rows(view, "SELECT * FROM airlines") == rows(source, "SELECT * FROM airlines")
    assert in_files(Path(worker.env["LAKE_PATH"]), "flights") == rows(source, "SELECT * FROM flights")
    if log_env:
        assert lag(log_env["KAFKA_BOOTSTRAP"], "connect-nyc-view") == {
            "nyc.public.airlines": 0,
            "nyc.public.flights": 0,
        }
    worker.start(*options)
    headwater("rebuild", "nyc-view", "--config", str(CONFIGS / "postgres-view-slim.yaml"))
    wanted = rows(source, "SELECT flight_id, dep_time, carrier FROM flights")
    assert rows(view, "SELECT flight_id, departed_at, carrier FROM flights") == wanted
    assert {len(row) for row in rows(view, "SELECT * FROM flights")} == {3}
    with source.connect() as connection:
        connection.execute("INSERT INTO airlines VALUES ('DL', 'Delta')")
    wait_for(lambda: measured(worker, "headwater_latency_seconds_count", "nyc") > 0)
    wait_for(lambda: measured(worker, "headwater_latency_seconds_count", "nyc-view") > 0)
    wait_for(lambda: measured(worker, "headwater_replication_slot_lag_seconds", "nyc") >= 0)
    assert measured(worker, "headwater_replication_slot_lag_bytes", "nyc") >= 0


def test_documents_in_elasticsearch(
    databases: tuple[Database, Database], elasticsearch: SearchServer, tmp_path: Path
) -> None:
    source, _ = databases
    env = environment(databases, tmp_path) | {"SEARCH_URL": elasticsearch.url}
    files = [str(CONFIGS / name) for name in ("postgres-source.yaml", *SEARCH)]
    worker = WorkerProcess([], tmp_path / "data", env)
    for command in ("lint", "check"):
        done = worker.command(command, *files)
        assert done.returncode == 0, done.stdout + done.stderr
    options = ["--data", str(worker.data), "--listen", "none", "--until-caught-up"]
    done = worker.command("run", *files, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted((tuple(row.values()) for row in elasticsearch.documents("nyc-flights").values()), key=str)
    assert found == rows(source, "SELECT * FROM flights")
    assert elasticsearch.documents("nyc-airlines")["UA"] == {"carrier": "UA", "name": "United"}


def test_some_rows_and_computed_fields(databases: tuple[Database, Database], tmp_path: Path) -> None:
    source, view = databases
    files = [CONFIGS / "postgres-source.yaml", CONFIGS / SELECT]
    worker = WorkerProcess(files, tmp_path / "data", environment(databases, tmp_path))
    wanted = (
        "SELECT flight_id, carrier, dep_time / 100 AS hour, carrier || ' ' || flight_id AS label FROM flights "
        "WHERE dep_time < 1200"
    )

    def is_right() -> bool:
        return exists(view, "mornings") and rows(view, "SELECT flight_id, carrier, hour, label FROM mornings") == rows(
            source, wanted
        )

    try:
        worker.start()
        wait_for(is_right)
        with source.connect() as connection:
            connection.execute("UPDATE flights SET dep_time = 1200 + dep_time / 100 WHERE flight_id % 3 = 0")
            connection.execute("UPDATE flights SET dep_time = 5 WHERE flight_id = 9")
            connection.execute("DELETE FROM flights WHERE flight_id = 1")
        wait_for(is_right)
        done = worker.command("rebuild", "mornings")  # verified by an independent fold through the same expressions
        assert done.returncode == 0, done.stdout + done.stderr
        assert is_right()
    finally:
        worker.stop()


def test_an_outbox_becomes_a_view(databases: tuple[Database, Database], tmp_path: Path) -> None:
    source, view = databases
    with source.connect() as connection:
        connection.execute(
            "CREATE TABLE outbox (id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL, "
            "type text NOT NULL, payload jsonb)"
        )
    worker = WorkerProcess([CONFIGS / name for name in OUTBOX], tmp_path / "data", environment(databases, tmp_path))

    def headwater(*arguments: str) -> None:
        done = worker.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    files = [str(path) for path in worker.files]
    run = ("run", "--data", str(worker.data), "--listen", "none", "--until-caught-up")
    headwater("lint", *files)
    headwater("check", *files)
    headwater(*run, files[0])  # events count from here on
    order = "SELECT gen_random_uuid(), 'order', n::text, 'placed', jsonb_build_object('total', n, 'status', 'new')"
    with source.connect() as connection:
        connection.execute(f"INSERT INTO outbox {order} FROM generate_series(1, 20) n")
        connection.execute(
            "INSERT INTO outbox VALUES"
            "(gen_random_uuid(), 'order', '7', 'paid', '{\"total\": 7, \"status\": \"paid\"}'),"
            "(gen_random_uuid(), 'customer', 'c1', 'joined', '{\"name\": \"Ada\"}')"
        )
        connection.execute("DELETE FROM outbox")
    headwater(*run, *files)
    wanted = [(str(n), n, "paid" if n == 7 else "new") for n in range(1, 21)]
    assert rows(view, "SELECT order_id, total, status FROM orders") == sorted(wanted, key=str)
    with closing(open_log({}, worker.data)) as log:
        topics = log.topics(["outbox.event.order", "outbox.event.customer"])
        assert len(topics) == 2 and not any(topic.compacted for topic in topics.values())
    assert len(on_the_log(worker.data, "outbox.event.order")) == 21


def test_a_person_is_deleted(databases: tuple[Database, Database], tmp_path: Path) -> None:
    source, view = databases
    with source.connect() as connection:
        connection.execute("CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, email text, born date)")
        connection.execute(
            "INSERT INTO customer SELECT n, 'N' || n, 'n@example.com', '1990-05-05' FROM generate_series(1, 50) n"
        )
    keys = {"KEYS_URL": f"sqlite:///{tmp_path / 'keys.db'}", "MASTER_KEY": b64encode(bytes(32)).decode()}
    env = environment(databases, tmp_path) | keys
    worker = WorkerProcess([CONFIGS / name for name in PEOPLE], tmp_path / "data", env)
    everything = "SELECT id, name, email, born::text FROM customer"
    try:
        worker.start()
        wait_for(lambda: exists(view, "customer") and rows(view, everything) == rows(source, everything))
        with closing(sqlite3.connect(tmp_path / "keys.db")) as db, db:
            db.execute("UPDATE headwater_subject_keys SET wrapped = NULL WHERE scope = 'customer' AND subject = '42'")
        done = worker.command("rebuild", "people-view", "--keep", "0")
        assert done.returncode == 0, done.stdout + done.stderr
        left = [row if row[0] != 42 else (42, "[deleted]", "[deleted]", None) for row in rows(source, everything)]
        assert rows(view, everything) == left
    finally:
        worker.stop()


def test_two_workers_share_them(databases: tuple[Database, Database], tmp_path: Path) -> None:
    source, view = databases
    with kafka.running() as broker:
        env = environment(databases, tmp_path) | {"KAFKA_BOOTSTRAP": broker.bootstrap}
        members = [MemberProcess(tmp_path, name, {}, env) for name in ("one", "two")]
        try:
            for member in members:
                member.files = [CONFIGS / WORKERS["cluster"]]
                member.start()
            files = [str(CONFIGS / name) for name in ("postgres-source.yaml", "postgres-view.yaml")]
            wait_for(lambda: members[1].command("connectors", "apply", *files).returncode == 0)
            assert members[0].stop(timeout_s=120) == 0
            wait_for(
                lambda: exists(view) and rows(view, "SELECT * FROM flights") == rows(source, "SELECT * FROM flights")
            )
        finally:
            for member in members:
                member.kill()


def test_files_become_topics(tmp_path: Path) -> None:
    arrived, logs = tmp_path / "files/in", tmp_path / "logs"
    arrived.mkdir(parents=True)
    logs.mkdir()
    rows = [f"s{n % 7},2026-01-02T03:04:{n % 60:02}Z,{n / 10}" for n in range(200)]
    (arrived / "a.csv").write_text("\n".join(["station,at,celsius", *rows[:100]]) + "\n")
    (arrived / "b.csv.gz").write_bytes(gzip.compress("\n".join(["station,at,celsius", *rows[100:]]).encode()))
    for age, name in enumerate(("app.log", "app.log.1", "app.log.2.gz")):
        (logs / name).write_text("".join(f"{age} {n}\n" for n in range(100)))
        os.utime(logs / name, (time.time() - age, time.time() - age))
    (tmp_path / "lines").write_text("one\ntwo\n")
    env = {"FILES_FOLDER": str(tmp_path / "files"), "LOGS_FOLDER": str(logs),
           "STREAM_FILE": str(tmp_path / "lines"), "STREAM_COPY": str(tmp_path / "copy")}  # fmt: skip
    worker = WorkerProcess([CONFIGS / name for name in sorted(FILES)], tmp_path / "data", env)
    for command in ("lint", "check"):
        done = worker.command(command, *map(str, worker.files))
        assert done.returncode == 0, done.stdout + done.stderr
    try:
        worker.start()
        wait_for(lambda: sorted(path.name for path in (tmp_path / "files/done").glob("*")) == ["a.csv", "b.csv.gz"])
        wait_for(lambda: (tmp_path / "copy").exists() and (tmp_path / "copy").read_text() == "one\ntwo\n")
        wait_for(lambda: len(on_the_log(worker.data, "app-logs")) == 200)
    finally:
        worker.stop()
    assert on_the_log(worker.data, "app-logs") == [f"{age} {n}".encode() for age in (1, 0) for n in range(100)]
    found = [json.loads(value)["payload"] for value in on_the_log(worker.data, "measurements")]
    assert sorted(row["station"] for row in found) == sorted(row.partition(",")[0] for row in rows)
    assert not list(arrived.iterdir())


@pytest.mark.servers
def test_topics_become_topics(tmp_path: Path) -> None:
    with kafka.running() as broker:
        records = [order(n % 20, n) for n in range(200)]
        write(broker.bootstrap, "shop.orders", 3, records)
        write(broker.bootstrap, "shop.items", 1, [(b"1", b"one"), (b"1", None)])
        worker = WorkerProcess(
            [CONFIGS / name for name in sorted(TOPICS)], tmp_path / "data", {"OTHER_KAFKA": broker.bootstrap}
        )
        for command in ("lint", "check"):
            done = worker.command(command, *map(str, worker.files))
            assert done.returncode == 0, done.stdout + done.stderr
        try:
            worker.start()
            wait_for(lambda: len(read(broker.bootstrap, "copied.orders-now")) >= 20)
            wait_for(lambda: len(on_embedded_log(worker.data, "shop.orders")) == 200)
            wait_for(lambda: len(on_embedded_log(worker.data, "shop.items")) == 2)
            wait_for(lambda: len(on_embedded_log(worker.data, "shop.orders.v2")) == 200)
            wait_for(lambda: len(on_embedded_log(worker.data, "orders-by-customer")) == 200)
        finally:
            worker.stop()
        newest = dict(records)
        assert dict(read(broker.bootstrap, "copied.orders-now")) == newest
        moved = on_embedded_log(worker.data, "shop.orders")
        assert sorted((m.partition, m.offset, m.key, m.value) for m in moved) == sorted(
            (m.partition(), m.offset(), m.key(), m.value()) for m in on_broker(broker.bootstrap, "shop.orders")
        )
        assert on_the_log(worker.data, "shop.items") == [b"one", None]
    latest = on_embedded_log(worker.data, "orders-now")
    assert sorted(m.key or b"" for m in latest) == sorted(newest) and {m.partition for m in latest} <= {0, 1, 2}
    keyed = on_embedded_log(worker.data, "orders-by-customer")
    places: dict[str, set[int]] = {}
    for message in keyed:
        customer = json.loads(message.value or b"")["payload"]["customer"]
        assert json.loads(message.key or b"")["payload"] == {"customer": customer}
        places.setdefault(customer, set()).add(message.partition)
    assert all(len(partitions) == 1 for partitions in places.values()) and len(places) == 5
    slim = [json.loads(m.value or b"")["payload"] for m in on_embedded_log(worker.data, "shop.orders.v2")]
    assert {tuple(sorted(row)) for row in slim} == {("customer_id", "id", "n")}


def order(number: int, n: int) -> tuple[bytes, bytes]:
    fields = {"id": "int32", "n": "int32", "customer": "string", "note": "string"}
    schema = {
        "type": "struct",
        "optional": False,
        "fields": [{"field": name, "type": kind, "optional": True} for name, kind in fields.items()],
    }
    key_schema = {**schema, "fields": schema["fields"][:1]}  # type: ignore[index]
    row = {"id": number, "n": n, "customer": f"c{number % 5}", "note": "x"}
    return (
        json.dumps({"schema": key_schema, "payload": {"id": number}}).encode(),
        json.dumps({"schema": schema, "payload": row}).encode(),
    )


def write(bootstrap: str, topic: str, partitions: int, records: list[tuple[bytes, bytes | None]]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(60)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "partitioner": "murmur2_random"})
    for key, value in records:
        producer.produce(topic, value, key)
    assert producer.flush(60) == 0


def read(bootstrap: str, topic: str) -> list[tuple[bytes, bytes | None]]:
    return [(m.key(), m.value()) for m in on_broker(bootstrap, topic)]


def test_objects_become_topics(moto: str, tmp_path: Path) -> None:
    client, queues = (boto3.client(service, endpoint_url=moto, **KEYS) for service in ("s3", "sqs"))
    bucket = f"configs-{os.getpid()}"
    client.create_bucket(Bucket=bucket)
    queue = queues.create_queue(QueueName=bucket)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    row = '{"id": %d, "placed_at": "2026-01-02T03:04:05Z", "total": 1.25}'
    client.put_object(Bucket=bucket, Key="in/1.jsonl", Body="\n".join(row % n for n in range(50)).encode())
    client.put_object(Bucket=bucket, Key="in/_temporary", Body=b"no JSON")
    access = {"store_url": moto, "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    view = view_values(f"s3://{bucket}/view", metadata_columns="key, version, headers", **access)
    orders = Topic(flat=True)
    with ViewTask(view) as task:
        task.put(*(orders.put({"id": n, "name": "a", "qty": n}, version=n + 1) for n in range(20)))
    env = {"AWS_ENDPOINT_URL": moto, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
           "AWS_DEFAULT_REGION": "us-east-1", "S3_PATH": f"s3://{bucket}/in", "SQS_URL": queue,
           "S3_VIEW": f"s3://{bucket}/view"}  # fmt: skip
    worker = WorkerProcess([CONFIGS / name for name in sorted(BUCKETS)], tmp_path / "data", env)
    for command in ("lint", "check"):
        done = worker.command(command, *map(str, worker.files))
        assert done.returncode == 0, done.stdout + done.stderr
    client.delete_object(Bucket=bucket, Key="in/_temporary")  # which the second connector would take for JSON
    try:
        worker.start()
        client.put_object(Bucket=bucket, Key="in/2.jsonl", Body="\n".join(row % n for n in range(50, 80)).encode())
        wait_for(lambda: len(on_the_log(worker.data, "bucket-orders")) == 80)
        wait_for(lambda: len(on_the_log(worker.data, "bucket-events")) == 80)
        wait_for(lambda: len(on_the_log(worker.data, "restored.shop.public.orders")) == 20)
    finally:
        worker.stop()
    found = [json.loads(value or b"")["payload"] for value in on_the_log(worker.data, "restored.shop.public.orders")]
    assert found == [{"id": n, "name": "a", "qty": n} for n in range(20)]
    found = [json.loads(value or b"")["payload"]["id"] for value in on_the_log(worker.data, "bucket-orders")]
    assert sorted(found) == list(range(80))


def on_the_log(data: Path, topic: str) -> list[bytes | None]:
    """Values of a topic of one partition on the embedded log."""
    with closing(open_log({}, data)) as log:
        if topic not in log.topics([topic]):
            return []
        place = LogPartition(topic, 0)
        with closing(log.consumer()) as consumer:
            consumer.assign(log.begin_offsets([place]))
            end = log.end_offsets([place])[place]
            found: list[bytes | None] = []
            while consumer.position()[place] < end:
                found += [message.value for message in consumer.poll(5000, 1.0)]
            return found


def exists(view: Database, table: str = "flights") -> bool:
    return rows(view, f"SELECT to_regclass('{table}')") != [(None,)]


def measured(worker: WorkerProcess, name: str, connector: str) -> float:
    """The value of a metric, of the newest generation; -1 where there is none."""
    with urllib.request.urlopen(f"{worker.url}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    found = [s.value for s in samples if s.labels["connector"] == connector]
    return found[-1] if found else -1


def wait_for(condition: Callable[[], bool], timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.2)


def lag(bootstrap: str, group: str) -> dict[str, int]:
    """By topic, as lag tools compute it: end offset less the group's offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_committed"})
    try:
        topics = [name for name in consumer.list_topics(timeout=60).topics if name.startswith("nyc.public.")]
        stored = consumer.committed([TopicPartition(name, 0) for name in topics], timeout=60)
        return {tp.topic: consumer.get_watermark_offsets(tp, timeout=60)[1] - tp.offset for tp in stored}
    finally:
        consumer.close()


def in_files(lake: Path, table: str) -> list[tuple[object, ...]]:
    files = json.loads((lake / "current.json").read_bytes())["tables"][table]["files"]
    return sorted((tuple(row.values()) for row in ds.dataset(files).to_table().to_pylist()), key=str)


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return sorted(connection.execute(query).fetchall(), key=str)
