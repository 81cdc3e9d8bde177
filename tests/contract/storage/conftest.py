"""Every store that a view may lie on. Each test gets an empty place on it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from headwater.connectors.parquet.storage import STORAGE_OPTIONS, Storage, open_storage
from tests.servers.s3 import S3Server

Config = dict[str, str]


def s3_config(s3: S3Server, bucket: str, prefix: str = "views/shop") -> Config:
    return {
        "path": f"s3://{bucket}/{prefix}",
        "store.url": s3.endpoint,
        "aws.access.key.id": s3.access_key,
        "aws.secret.access.key": s3.secret_key,
        "s3.part.size": str(5 * 1024 * 1024),
    }


@pytest.fixture(params=["local", "versitygw", "moto"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """Options of an empty place."""
    if request.param == "local":
        return {"path": str(tmp_path / "not yet there" / "view")}
    if request.param == "versitygw":
        return s3_config(request.getfixturevalue("s3"), request.getfixturevalue("bucket"))
    url = request.getfixturevalue("moto")
    name = f"bucket-{os.getpid()}-{time.monotonic_ns()}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=url, **keys).create_bucket(Bucket=name)
    return {
        "path": f"s3://{name}",
        "store.url": url,
        "aws.access.key.id": "any",
        "aws.secret.access.key": "any",
        "s3.part.size": str(5 * 1024 * 1024),
    }


def opened(config: Config) -> Storage:
    values, problems = STORAGE_OPTIONS.parse(config)
    assert not problems
    return open_storage(values)


@pytest.fixture
def open_place(place: Config) -> Callable[[], Storage]:
    """Opens the same place anew, as another process would."""
    return lambda: opened(place)


@pytest.fixture
def storage(place: Config) -> Iterator[Storage]:
    made = opened(place)
    yield made
    made.close()
