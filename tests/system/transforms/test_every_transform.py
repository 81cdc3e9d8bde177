"""configs/orders-transformed.yaml as it stands, with many rows: each goes through all of Kafka Connect's transforms."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest
import yaml

from tests.servers.worker import WorkerProcess
from tests.topic_contents import on_embedded_log

pytestmark = pytest.mark.system
CONFIG = Path(__file__).parents[3] / "configs" / "orders-transformed.yaml"
ROWS, TESTS, FILES = 20_000, 1_000, 4
TRANSFORMS = {
    "Cast$Value", "DropHeaders", "ExtractField$Key", "Filter", "Flatten$Value", "HeaderFrom$Value", "HoistField$Value",
    "InsertField$Value", "InsertHeader", "MaskField$Value", "RegexRouter", "ReplaceField$Value",
    "SetSchemaMetadata$Value", "TimestampConverter$Value", "TimestampRouter", "ValueToKey",
}  # fmt: skip


def line(number: int) -> str:
    placed = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02} 10:{number % 60:02}:00"
    return f"{number},c{number % 500},c{number % 500}@example.org,{placed},{number}.25,a note"


def test_a_chain_of_every_transform(tmp_path: Path) -> None:
    chained = next(c for c in yaml.safe_load_all(CONFIG.read_text()) if c["name"] == "orders-view")
    assert {chained[f"transforms.{alias}.type"] for alias in chained["transforms"].split(", ")} == TRANSFORMS
    for folder, count in (("in", ROWS), ("test", TESTS)):
        (tmp_path / folder).mkdir()
        lines = [line(number) for number in range(count)]
        for part in range(FILES):
            text = "\n".join(["id,customer,email,placed,total,note", *lines[part::FILES]])
            (tmp_path / folder / f"{part}.csv").write_text(text + "\n")
    worker = WorkerProcess([CONFIG], tmp_path / "data", {"ORDERS_FOLDER": str(tmp_path)})
    for command in ("lint", "check"):
        done = worker.command(command, str(CONFIG))
        assert done.returncode == 0, done.stdout + done.stderr
    done = worker.command("run", str(CONFIG), "--data", str(worker.data), "--listen", "none", "--until-caught-up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(on_embedded_log(worker.data, "orders")) == ROWS
    assert len(on_embedded_log(worker.data, "test.orders")) == TESTS

    tables = json.loads((tmp_path / "view/current.json").read_bytes())["tables"]
    assert {name.rstrip("0123456789") for name in tables} == {"sales_"}
    rows = [row for table in tables.values() for row in ds.dataset(table["files"]).to_table().to_pylist()]
    assert len(rows) == ROWS
    for row in rows:
        number = row["id"]
        assert row["__key"] == str(number)
        assert (row["email"], row["source"], row["total"]) == ("hidden", "files", number + 0.25)
        assert row["placed"].isoformat()[:16] == line(number).split(",")[3].replace(" ", "T")[:16]
        assert row["offset"] == str(row["__offset"])
        headers = {header["name"]: header["value"] for header in json.loads(row["__headers"])}
        assert headers == {"customer": f"c{number % 500}", "region": "eu"}
    assert {row["id"] for row in rows} == set(range(ROWS))
    assert not {"note", "customer", "order_note"} & set(rows[0])
