from __future__ import annotations

from pathlib import Path

import pytest

from headwater.connectors.parquet.sink import ParquetSinkConnector
from headwater.worker.api import Values


def problems(**options: str) -> tuple[Values, list[str]]:
    raw: dict[str, str | None] = {name.replace("_", "."): text for name, text in options.items()}
    values, found = ParquetSinkConnector.options.parse(raw)
    found += ParquetSinkConnector().validate(values)
    return values, [problem.option for problem in found]


def test_a_path_is_enough() -> None:
    assert problems(path="/data/view")[1] == []
    assert problems()[1] == ["path"]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"partitioner_class": "field"}, "partition.field.name"),
        ({"partitioner_class": "weekly"}, "partitioner.class"),
        ({"view_mode": "latest.state", "partitioner_class": "daily"}, "partitioner.class"),
        ({"view_mode": "latest.state", "metadata_columns": "key"}, "metadata.columns"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"path_format": "YYYY/WW"}, "path.format"),
        ({"table_name_format": "${schema}"}, "table.name.format"),
        ({"metadata_columns": "partition"}, "metadata.columns"),
        ({"format_class": "io.confluent.connect.s3.format.avro.AvroFormat"}, "format.class"),
        ({"store_kafka_headers": "true"}, "store.kafka.headers"),
        ({"parquet_codec": "lzo"}, "parquet.codec"),
    ],
)
def test_what_is_refused(options: dict[str, str], wrong: str) -> None:
    assert problems(path="/data/view", **options)[1] == [wrong]


def test_confluents_names() -> None:
    _, wrong = problems(
        s3_bucket_name="lake", s3_region="eu-central-1", topics_dir="in", flush_size="1000", rotate_interval_ms="60000",
        rotate_schedule_interval_ms="60000", format_class="io.confluent.connect.s3.format.parquet.ParquetFormat",
        storage_class="io.confluent.connect.s3.storage.S3Storage", parquet_codec="snappy", timezone="UTC", locale="en",
        partitioner_class="io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
        path_format="'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", partition_duration_ms="-1",
        timestamp_extractor="RecordField", timestamp_field="at", behavior_on_null_values="ignore",
    )  # fmt: skip
    assert wrong == []


def test_check_tries_the_place_out(tmp_path: Path) -> None:
    values, _ = problems(path=str(tmp_path / "view"))
    assert [finding.level for finding in ParquetSinkConnector().check(values)] == ["ok"]
    assert not list((tmp_path / "view").rglob("*"))
    (tmp_path / "file").write_text("")
    values, _ = problems(path=str(tmp_path / "file"))
    assert [finding.level for finding in ParquetSinkConnector().check(values)] == ["error"]
