"""Each test gets an empty bucket, on each of the servers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.servers.moto import KEYS
from tests.servers.s3 import S3Server

from .store import Store


def moto_client(url: str, service: str = "s3") -> Any:
    return boto3.client(service, endpoint_url=url, **KEYS)


@pytest.fixture
def moto_store(moto: str) -> Store:
    name = f"bucket-{os.getpid()}-{time.monotonic_ns()}"
    client = moto_client(moto)
    client.create_bucket(Bucket=name)
    options = {"store.url": moto, "aws.access.key.id": "any", "aws.secret.access.key": "any"}
    return Store(client, name, options)


@pytest.fixture
def gateway_store(s3: S3Server, bucket: str) -> Store:
    options = {"store.url": s3.endpoint, "aws.access.key.id": s3.access_key, "aws.secret.access.key": s3.secret_key}
    return Store(s3.client(), bucket, options)


@pytest.fixture(params=["versitygw", "moto"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    yield request.getfixturevalue("gateway_store" if request.param == "versitygw" else "moto_store")
