"""Where a view lies, from Confluent's names and ours."""

from __future__ import annotations

import pytest

from headwater.connectors.parquet.storage import STORAGE_OPTIONS, open_storage, place, storage_problems


@pytest.mark.parametrize(
    ("config", "root"),
    [
        ({"path": "/data/view/"}, "/data/view"),
        ({"path": "s3://lake/views/orders/"}, "s3://lake/views/orders"),
        ({"path": "s3://lake"}, "s3://lake"),
        ({"s3.bucket.name": "lake"}, "s3://lake/topics"),
        ({"s3.bucket.name": "lake", "topics.dir": "a/b"}, "s3://lake/a/b"),
    ],
)
def test_places(config: dict[str, str], root: str) -> None:
    values, problems = STORAGE_OPTIONS.parse(config)
    assert not problems and not storage_problems(values)
    assert place(values) == open_storage(values).root == root
    assert open_storage(values, "g1").root == f"{root}/g1"


@pytest.mark.parametrize(
    ("config", "option"),
    [
        ({}, "path"),
        ({"path": "data/view"}, "path"),
        ({"path": "gs://lake/x"}, "path"),
        ({"path": "s3:///x"}, "path"),
        ({"path": "/data", "s3.bucket.name": "lake"}, "s3.bucket.name"),
        ({"path": "/data", "s3.region": "eu-central-1"}, "s3.region"),
        ({"path": "s3://lake", "aws.access.key.id": "AKIA"}, "aws.secret.access.key"),
        ({"path": "s3://lake", "aws.secret.access.key": "x"}, "aws.access.key.id"),
        ({"path": "s3://lake", "store.url": "minio:9000"}, "store.url"),
        ({"path": "s3://lake", "s3.part.size": "1000000"}, "s3.part.size"),
        ({"path": "s3://lake", "s3.proxy.user": "me"}, "s3.proxy.url"),
        ({"path": "s3://lake", "s3.sse.kms.key.id": "arn"}, "s3.ssea.name"),
        ({"path": "s3://lake", "s3.sse.customer.key": "secret"}, "s3.sse.customer.key"),
        ({"s3.bucket.name": "lake", "topics.dir": "/x"}, "topics.dir"),
    ],
)
def test_problems(config: dict[str, str], option: str) -> None:
    values, problems = STORAGE_OPTIONS.parse(config)
    assert option in [problem.option for problem in problems or storage_problems(values)]


def test_secrets_stay_out_of_problems() -> None:
    config = {"path": "s3://lake", "aws.secret.access.key": "hidden", "s3.proxy.password": "hidden"}
    values, problems = STORAGE_OPTIONS.parse(config)
    assert "hidden" not in str(problems) + str(storage_problems(values)) + repr(values)
