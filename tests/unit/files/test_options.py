from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.connectors.files.source import FileSourceConnector
from headwater.worker.api import ConfigError
from tests.unit.files.driver import Driver

GOOD = {"path": "/data/*.csv", "format": "csv"}


def problems(**options: Any) -> list[str]:
    return [problem.option for problem in Driver(**{**GOOD, **options}).problems]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, []),
        ({"path": "data/*.csv"}, ["path"]),
        ({"path": ","}, ["path"]),
        ({"format": "xml"}, ["format"]),
        ({"topic": "a b"}, ["topic"]),
        ({"types": "id"}, ["types"]),
        ({"types": "id:int7"}, ["types"]),
        ({"types": "infer"}, []),
        ({"types": "infer", "format": "jsonl"}, ["types"]),
        ({"types": "id:decimal(2),name:string"}, []),
        ({"types": "id:int64", "format": "lines"}, ["types"]),
        ({"types": "id:int64", "format": "avro"}, ["types"]),
        ({"compression": "gzip", "format": "parquet"}, ["compression"]),
        ({"compression": "gzip", "format": "avro", "key_fields": "id"}, []),
        ({"key_fields": "id", "format": "lines"}, ["key.fields"]),
        ({"csv_delimiter": "tab", "csv_quote": "", "csv_escape": "\\"}, []),
        ({"csv_delimiter": "'", "csv_quote": "'"}, ["csv.quote"]),
        ({"csv_delimiter": "comma", "csv_escape": ","}, ["csv.escape"]),
        ({"csv_escape": '"'}, ["csv.escape"]),
        ({"csv_quote": "", "csv_escape": ""}, []),
        ({"csv_delimiter": ";;"}, ["csv.delimiter"]),
        ({"csv_delimiter": ""}, ["csv.delimiter"]),
        ({"csv_null": "x", "format": "jsonl"}, ["csv.null"]),
        ({"csv_columns": "a,b"}, ["csv.columns"]),
        ({"csv_columns": "a,b", "csv_header": "false"}, []),
        ({"encoding": "utf-16"}, ["encoding"]),
        ({"encoding": "klingon"}, ["encoding"]),
        ({"encoding": "undefined"}, ["encoding"]),
        ({"encoding": "utf-8\0"}, ["encoding"]),
        ({"encoding": "cp1252"}, []),
        ({"on_done": "move"}, ["move.to"]),
        ({"move_to": "/done"}, ["move.to"]),
        ({"on_done": "move", "move_to": "done"}, ["move.to"]),
        ({"on_done": "move", "move_to": "/data"}, ["move.to"]),
        ({"on_done": "move", "move_to": "/data/done"}, []),
        ({"on_done": "move", "move_to": "/data/done", "path": "/data/*/*.csv"}, ["move.to"]),
    ],
)
def test_problems(options: dict[str, str], wrong: list[str]) -> None:
    assert problems(**options) == wrong


def test_check(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    more = {"on_done": "move", "move_to": str(tmp_path / "out/done")}
    driver = Driver(path=f"{tmp_path}/in/*,{tmp_path}/none/*", format="lines", **more)
    findings = {finding.subject: finding.level for finding in driver.connector.check(driver.values)}
    assert findings == {f"{tmp_path}/in": "ok", f"{tmp_path}/none": "warning", f"{tmp_path}/out/done": "ok"}


def test_check_tells_of_a_folder_given_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    driver = Driver(path=f"{tmp_path}/in,{tmp_path}/in/*", format="lines")
    wrong = [finding for finding in driver.connector.check(driver.values) if finding.level == "error"]
    assert [(finding.subject, finding.fix) for finding in wrong] == [(f"{tmp_path}/in", f"path: {tmp_path}/in/*")]


def test_positions_of_users() -> None:
    connector, position = FileSourceConnector(), {"format": 1, "path": "/a", "inode": 5, "byte": 10, "line": 2}
    values: Any = {}
    connector.alter_offsets(values, [({"inode": 5}, position), ({"inode": 6}, None)])
    for partition, wrong in (
        ({"inode": 6}, position),
        ({"path": "/a"}, position),
        ({"inode": 5}, {**position, "byte": -1}),
        ({"inode": 5}, {**position, "format": 9}),
        ({"inode": 5}, {**position, "path": 1}),
    ):
        with pytest.raises(ConfigError):
            connector.alter_offsets(values, [(partition, wrong)])
