"""No connector without a contract, and none that does not outlive its broker."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.testing import SinkContract, SourceContract, outlive_a_restart, without_contract
from tests.conftest import Database
from tests.contract.connectors.drivers import files, parquet, postgres
from tests.contract.connectors.drivers.elasticsearch import ElasticsearchDriver
from tests.contract.connectors.drivers.kafka import KafkaSinkDriver, KafkaSourceDriver
from tests.contract.connectors.drivers.s3 import S3SourceDriver
from tests.servers.cable import laid
from tests.servers.elasticsearch import SearchServer
from tests.servers.kafka import KafkaServer, running
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server


@pytest.fixture
def broker() -> Iterator[KafkaServer]:
    """To be killed. Not 4.3, which may forget then that a transaction was committed; see
    `tests/system/runtime_kafka/test_broker_gone.py`."""
    with running("4.1") as server:
        yield server


@pytest.fixture
def s3_source(s3: S3Server, bucket: str) -> Iterator[S3SourceDriver]:
    with laid(f"127.0.0.1:{s3.port}") as cable:
        yield S3SourceDriver(s3, bucket, cable)


@pytest.fixture
def search_view(elasticsearch: SearchServer) -> Iterator[ElasticsearchDriver]:
    address = elasticsearch.url.removeprefix("http://")
    with laid(address) as cable, closing(ElasticsearchDriver(elasticsearch, cable)) as driver:
        yield driver


def contracts() -> list[type[Any]]:
    """Of all the test files in this folder."""
    names = [f"tests.contract.connectors.{path.stem}" for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    found = [value for name in names for value in vars(importlib.import_module(name)).values()]
    suites = (SourceContract, SinkContract)
    return [value for value in found if isinstance(value, type) and issubclass(value, suites) and value not in suites]


def test_every_connector_has_a_contract() -> None:
    missing = without_contract("headwater", contracts())
    assert not missing, f"{missing}: write a driver in drivers/, and a contract in a test file beside that folder"


def test_a_connector_without_a_contract_is_found() -> None:
    some = [contract for contract in contracts() if contract.__name__ != "TestFileSource"]
    assert without_contract("headwater", some) == ["FileSource"]


@pytest.mark.servers
@pytest.mark.long
def test_they_outlive_their_broker(
    broker: KafkaServer,
    kafka: KafkaServer,
    s3_source: S3SourceDriver,
    search_view: ElasticsearchDriver,
    make_database: Callable[[PostgresServer], Database],
    pg: PostgresServer,
    tmp_path: Path,
) -> None:
    """Topics of another cluster are those of the shared broker."""

    def folder(name: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        return made

    sources = [
        files.FileSourceDriver(folder("files")),
        files.FileStreamSourceDriver(folder("lines")),
        postgres.PostgresSourceDriver(make_database(pg)),
        KafkaSourceDriver(kafka.bootstrap),
        s3_source,
    ]
    sinks = [
        files.FileStreamSinkDriver(folder("copy")),
        parquet.ParquetDriver(folder("latest")),
        parquet.ChangeLogDriver(folder("log")),
        postgres.PostgresSinkDriver(make_database(pg)),
        KafkaSinkDriver(kafka.bootstrap),
        search_view,
    ]
    outlive_a_restart(broker, sources, sinks, tmp_path)
    tested = {driver.connector_class for driver in (*sources, *sinks)}
    assert tested == {contract.driver_type.connector_class for contract in contracts()}
