from __future__ import annotations

import gzip
import io
import os
import random
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from headwater.worker.api import DataError, Fatal
from tests.unit.files.driver import Driver, write


def test_rows_with_keys_and_headers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name\n1,x\n2,\n")
    driver = Driver(path=tmp_path / "*.csv", format="csv", types="id:int64", key_fields="id").start().drain()
    first = driver.log[0]
    assert [record.value for record in driver.log] == [{"id": 1, "name": "x"}, {"id": 2, "name": None}]
    assert first.topic == "t" and first.key == {"id": 1}
    assert first.key_schema is not None and not first.key_schema.fields[0].schema.optional
    assert first.value_schema is driver.log[1].value_schema
    assert [(h.name, h.value) for h in first.headers] == [("headwater.file", str(path)), ("headwater.line", 2)]
    bare = Driver(path=path, format="lines", headers_enabled="false").start().drain()
    assert bare.lines == ["id,name", "1,x", "2,"] and not bare.log[0].headers and bare.log[0].key is None


@pytest.mark.parametrize("codec", ["plain", "gzip", "zstd"])
def test_it_resumes_inside_a_file(tmp_path: Path, codec: str) -> None:
    lines = [f"{n} {'x' * (n % 50)}" for n in range(1000)]
    data = "".join(line + "\n" for line in lines).encode()
    data = {"plain": data, "gzip": gzip.compress(data), "zstd": zstandard.compress(data)}[codec]
    write(tmp_path / "a", data)
    driver = Driver(path=tmp_path / "a", format="lines", batch_size=7)
    choose = random.Random(1)
    while len(driver.log) < 1000:
        driver.start()
        for _ in range(choose.randrange(20)):
            driver.read()
        driver.read(commit=False)
        driver.die()
    assert driver.start().drain().lines == lines


@pytest.mark.parametrize("format", ["avro", "parquet"])
def test_files_with_a_schema(tmp_path: Path, format: str) -> None:
    """Delivered, resumed at any row, one put in another's place."""
    rows = [{"id": n, "name": f"name {n}"} for n in range(300)]
    write(tmp_path / "a", made(format, rows[:200]), age_s=60)
    write(tmp_path / "b", made(format, rows[200:]))
    driver = Driver(path=tmp_path / "*", format=format, key_fields="id", batch_size=7)
    choose = random.Random(2)
    while len(driver.log) < 300:
        driver.start()
        for _ in range(choose.randrange(20)):
            driver.read()
        driver.read(commit=False)
        driver.die()
    assert sorted(driver.lines, key=lambda row: row["id"]) == rows
    assert {record.key["id"] for record in driver.log} == set(range(300))
    with (tmp_path / "a").open("r+b") as file:
        file.write(made(format, rows[:10]))
        file.truncate()
    write(tmp_path / "a", b"", append=True)
    assert driver.start().drain().lines[300:] == rows[:10]
    write(tmp_path / "c", made(format, rows[:50])[:-20], age_s=0)
    write(tmp_path / "d", b"no such file at all, and longer than a header", age_s=0)
    if format == "parquet":
        assert len(driver.drain().log) == 310  # not complete: not looked into
    write(tmp_path / "c", b"", append=True)
    with pytest.raises(DataError, match=r"c cannot be read from line \d+ on: its data is cut off|damaged|no Avro"):
        driver.drain()


def made(format: str, rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=30)
    else:
        fields = [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, rows, sync_interval=200)
    return file.getvalue()


def test_what_is_added_and_what_is_new(tmp_path: Path) -> None:
    first = write(tmp_path / "a.log", "1\n2\n3", age_s=0)
    driver = Driver(path=f"{tmp_path}/*.log,{tmp_path}/**/*.txt", exclude="skip*", format="lines").start().drain()
    assert driver.lines == ["1", "2"]
    write(first, "4\n5\n", append=True, age_s=0)
    write(tmp_path / "deep/er/b.txt", "6\n", age_s=0)
    write(tmp_path / "skip.log", "no\n")
    write(tmp_path / ".hidden.log", "no\n")
    assert sorted(driver.drain().lines) == ["1", "2", "34", "5", "6"]
    driver.die().start().drain()
    assert len(driver.log) == 5


def test_a_last_line_without_an_end_counts_once_the_file_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "1\n2", age_s=0)
    driver = Driver(path=path, format="lines", complete_after_ms=3_600_000).start().drain()
    assert driver.lines == ["1"]
    driver.die().start().drain()
    write(path, "", append=True, age_s=4000)
    assert driver.drain().lines == ["1", "2"]
    write(path, "3\n", append=True, age_s=0)
    assert driver.drain().lines == ["1", "2", "3"]


def test_rotation_by_renaming(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    write(log, "1\n2\n", age_s=50)
    driver = Driver(path=f"{log}*", format="lines").start().drain()
    for n in range(3, 9):
        write(log, f"late {n}\n", append=True, age_s=50 - n * 2)
        for old in (3, 2, 1):
            if (tmp_path / f"app.log.{old}").exists():
                os.rename(tmp_path / f"app.log.{old}", tmp_path / f"app.log.{old + 1}")
        os.rename(log, tmp_path / "app.log.1")
        write(log, f"new {n}\n", age_s=49 - n * 2)
        if n % 2:
            driver.die().start()
        driver.drain()
    assert driver.lines == ["1", "2", *(f"{what} {n}" for n in range(3, 9) for what in ("late", "new"))]


def test_a_file_that_is_cut_off_is_noticed_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a", "".join(f"{n}\n" for n in range(500)))
    driver = Driver(path=path, format="lines").start().drain()
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(b"new\n")
    assert driver.drain().lines[500:] == ["new"]
    assert "was cut off or written anew (copytruncate?) after line 500" in caplog.text
    with path.open("r+b") as file:  # longer than what was read, but other bytes
        file.truncate(0)
        file.write(b"other\n" * 3)
    assert driver.die().start().drain().lines[501:] == ["other"] * 3


def test_a_number_that_another_file_got(tmp_path: Path) -> None:
    """Inode numbers are used again: what is known of the old file must not hide the new one."""
    driver = Driver(path=tmp_path / "*", format="lines").start()
    expected = []
    for n in range(20):
        path = write(tmp_path / f"{n}.log", f"file {n}\n" * 10, age_s=5)
        expected += [f"file {n}"] * 10
        driver.drain()
        path.unlink()
    assert driver.lines == expected


def test_bad_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1}\nno\n{"x": 1}\n{"id": 2}\n')
    driver = Driver(path=path, format="jsonl", key_fields="id").start()
    driver.until(lambda: driver.log)
    with pytest.raises(DataError, match=r"a.jsonl, line 2: the row is not JSON"):
        driver.read()
    assert driver.lines == [{"id": 1}]
    driver.die().start(tolerant=True).drain()
    assert driver.lines == [{"id": 1}, {"id": 2}]
    assert [record.value for record, _ in driver.bad] == [b"no", b"{'x': 1}"]
    assert [str(error).partition(": ")[0] for _, error in driver.bad] == [f"{path}, line 2", f"{path}, line 3"]
    assert [dict(h[:2] for h in record.headers)["headwater.line"] for record, _ in driver.bad] == [2, 3]
    driver.die().start().drain()
    assert len(driver.log) == 2


def test_a_file_that_cannot_be_read_on(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(b"%d\n" % (n * 7919 % 100_003) for n in range(100_000)))
    write(tmp_path / "a.gz", data[:-2000], age_s=100)
    write(tmp_path / "b", "next\n")
    driver = Driver(path=tmp_path / "*", format="lines").start()
    with pytest.raises(DataError, match=r"a.gz cannot be read from line .* cut off"):
        driver.drain()
    driver.die().start(tolerant=True).drain()
    assert driver.lines[0] == "next" and driver.lines[1] == "0" and 50_000 < len(driver.log) < 100_000
    assert len(driver.bad) == 1
    driver.die().start().drain()


def test_a_gzip_file_that_is_still_copied(tmp_path: Path) -> None:
    lines = [str(n * 7919 % 100_003) for n in range(50_000)]
    data = gzip.compress("".join(f"{line}\n" for line in lines).encode())
    driver = Driver(path=tmp_path / "a.gz", format="lines").start()
    for end in range(10_000, len(data), 10_000):
        write(tmp_path / "a.gz", data[:end], age_s=0)
        driver.drain()
    write(tmp_path / "a.gz", data, age_s=0)
    assert driver.drain().lines == lines


def test_tasks_share_files(tmp_path: Path) -> None:
    for n in range(40):
        write(tmp_path / f"{n}", f"{n}\n")
    drivers = []
    for task in Driver(path=tmp_path / "*", format="lines").connector.plan_tasks({}, 3):  # type: ignore[arg-type]
        drivers.append(Driver(path=tmp_path / "*", format="lines", task=task).start().drain())
    assert all(driver.log for driver in drivers)
    assert sorted(int(line) for driver in drivers for line in driver.lines) == list(range(40))


def test_two_names_of_one_file_are_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a", "1\n")
    os.link(tmp_path / "a", tmp_path / "b")
    assert Driver(path=tmp_path / "*", format="lines").start().drain().lines == ["1"]
    assert caplog.text.count("are one file") == 1


def test_it_tells_when_it_has_read_what_was_there(tmp_path: Path) -> None:
    for n in range(5):
        write(tmp_path / f"{n}", f"{n}\n")
    driver = Driver(path=tmp_path / "*", format="lines", batch_size=1).start()
    driver.until(lambda: [p for p in driver.progress if p.caught_up])
    assert len(driver.log) == 5


def test_a_position_of_another_version_is_refused(tmp_path: Path) -> None:
    driver = Driver(path=tmp_path / "*", format="lines")
    driver.stored[b'{"inode":5}'] = {"format": 2}
    with pytest.raises(Fatal, match="this version reads 1"):
        driver.start()


def test_zstd_that_begins_with_a_skippable_frame(tmp_path: Path) -> None:
    """As pzstd writes it."""
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    write(tmp_path / "a.zst", (skipped + zstandard.compress(b"1\n2\n")) * 2)
    assert Driver(path=tmp_path / "*", format="lines").start().drain().lines == ["1", "2", "1", "2"]
