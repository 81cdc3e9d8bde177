"""What the README and the view's page say about reading it, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from headwater.worker.api import TopicPartition, Values
from tests.servers.s3 import S3Server
from tests.system.postgres_sink.records import Topic

from .task import Task, values

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/connectors/parquet-sink.md")
TOPIC = "shop.public.orders"


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """(page, text) of the blocks that read a view."""
    for page in PAGES:
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
            if "current.json" in found[1] or "duckdb" in found[1]:
                yield page, found[1]


def fill(made: Values) -> None:
    topic = Topic(topic=TOPIC, flat=True)
    with Task(made, TopicPartition(TOPIC, 0)) as task:
        for number in range(1, 4):
            task.put(topic.put({"id": number, "name": f"n{number}"}))


def run(script: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env={**os.environ, **env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_local_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(values(tmp_path / "lake"))
    python = [text for _, text in blocks("python") if "S3" not in text and "duckdb" not in text]
    sql = [text for _, text in blocks("sql")]
    assert len(python) == len(sql) == len(PAGES)
    for text in python:
        assert run(text + "print(sorted(orders['id'].to_pylist()))", tmp_path, {}) == "[1, 2, 3]\n"
    monkeypatch.chdir(tmp_path)
    for text in sql:
        found = duckdb.connect().sql(text)
        assert sorted(row[0] for row in found.fetchall()) == [1, 2, 3]


def test_s3_blocks(s3: S3Server, tmp_path: Path) -> None:
    s3.create_bucket("my-lake")
    keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key}
    try:
        fill(values("s3://my-lake/shop", store_url=s3.endpoint, s3_region=s3.region, **keys))
        texts = [text for _, text in blocks("python") if "S3" in text or "duckdb" in text]
        assert len(texts) == 2
        env = {**s3.credentials, "AWS_ENDPOINT_URL": s3.endpoint}
        said = run("\n".join(texts) + "\nprint(sorted(orders.to_table()['id'].to_pylist()))", tmp_path, env)
    finally:
        s3.delete_bucket("my-lake")
    assert said.endswith("[1, 2, 3]\n") and "2" in said
