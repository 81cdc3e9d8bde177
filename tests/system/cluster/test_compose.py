"""docker/compose.yaml without containers: its workers, configs, scripts and commands, on servers of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.conftest import Database
from tests.servers import kafka
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server
from tests.servers.worker import MemberProcess
from tests.system.runtime.scene import eventually

pytestmark = pytest.mark.system

DOCKER = Path(__file__).parents[3] / "docker"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
FILES = {"/configs": DOCKER.parent / "configs", "/docker-configs": DOCKER / "configs"}


def here(path: str) -> str:
    """Where a file of the containers lies on this machine."""
    folder, _, name = path.rpartition("/")
    return str(FILES[folder] / name)


@pytest.fixture
def databases(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> tuple[Database, Database]:
    source, view = make_database(pg), make_database(pg)
    with source.connect() as connection:
        connection.execute("CREATE TABLE flights (id int PRIMARY KEY, carrier text)")
        connection.execute("INSERT INTO flights SELECT n, 'UA' FROM generate_series(1, 300) n")
    return source, view


@pytest.fixture
def environment(databases: tuple[Database, Database], s3: S3Server) -> Iterator[dict[str, str]]:
    """What compose.yaml gives its workers, with this machine's servers in it, and a broker of its own."""
    source, view = databases
    with kafka.running() as broker:
        env = {
            "KAFKA_BOOTSTRAP": broker.bootstrap, "HOSTNAME": "127.0.0.1",
            "SOURCE_HOST": "127.0.0.1", "SOURCE_PORT": str(source.server.port), "SOURCE_USER": "postgres",
            "SOURCE_PASSWORD": "any", "SOURCE_DBNAME": source.name,
            "VIEW_URL": f"postgresql://127.0.0.1:{view.server.port}/{view.name}", "VIEW_USER": "postgres",
            "VIEW_PASSWORD": "any",
            "S3_URL": s3.endpoint, "S3_USER": s3.access_key, "S3_PASSWORD": s3.secret_key,
        }  # fmt: skip
        assert set(env) - {"HOSTNAME"} == set(SERVICES["worker-1"]["environment"])
        yield env


@pytest.fixture
def bucket_made(s3: S3Server) -> Iterator[Any]:
    """A client, once the script of the service `bucket` has run twice, as it does at a second `up`."""
    service = SERVICES["bucket"]
    python, option, script = service["entrypoint"]
    assert (python, option) == ("python", "-c")
    own = {
        "AWS_ENDPOINT_URL_S3": s3.endpoint, "AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_DEFAULT_REGION": s3.region,
    }  # fmt: skip
    assert set(own) == set(service["environment"])
    for _ in range(2):
        subprocess.run([sys.executable, option, script], env={**os.environ, **own}, check=True, timeout=120)
    client = boto3.client(
        "s3", endpoint_url=s3.endpoint, aws_access_key_id=s3.access_key, aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )  # fmt: skip
    yield client
    for found in client.list_objects_v2(Bucket="lake").get("Contents", ()):
        client.delete_object(Bucket="lake", Key=found["Key"])
    client.delete_bucket(Bucket="lake")


@pytest.fixture
def workers(environment: dict[str, str], tmp_path: Path) -> Iterator[list[MemberProcess]]:
    made = []
    for name in ("worker-1", "worker-2"):
        command, file = SERVICES[name]["command"]
        assert command == "worker"
        settings = yaml.safe_load(Path(here(file)).read_text())
        options = {option: str(value) for option, value in settings.items()}
        made.append(MemberProcess(tmp_path, name, options, environment))
    for worker in made:
        worker.start()
    yield made
    for worker in made:
        worker.stop()


def test_it_replicates_into_the_database_and_the_bucket(
    databases: tuple[Database, Database], bucket_made: Any, workers: list[MemberProcess]
) -> None:
    _, view = databases
    one, two = workers
    *words, option, _ = SERVICES["connectors"]["command"]
    assert option == "--url"
    done = one.command(*(here(word) if word.endswith(".yaml") else word for word in words))
    assert done.returncode == 0, done.stdout + done.stderr

    def rows() -> int:
        with view.connect() as connection:
            if connection.execute("SELECT to_regclass('flights')").fetchone() == (None,):
                return 0
            return int(connection.execute("SELECT count(*) FROM flights").fetchall()[0][0])

    def files() -> list[str]:
        keys = [found["Key"] for found in bucket_made.list_objects_v2(Bucket="lake").get("Contents", ())]
        if "nyc/current.json" not in keys:
            return []
        current = json.loads(bucket_made.get_object(Bucket="lake", Key="nyc/current.json")["Body"].read())
        return [file for file in current["tables"].get("flights", {}).get("files", ()) if file]

    eventually(lambda: rows() == 300, 400)
    eventually(files, 400)
    check = SERVICES["worker-1"]["healthcheck"]["test"]
    script = check[-1].replace("8083", str(two.port))
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert two.command("status").returncode == 0
