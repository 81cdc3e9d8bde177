"""Memory and cost do not follow the size of an object, nor the number of objects that lie there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from headwater.connectors.s3.source.position import Mark, Share
from tests.servers.s3 import S3Server

from .store import S3Driver, Store

pytestmark = pytest.mark.system

SCRIPT = """
import json, sys
from tests.servers.process import peak_bytes
from tests.system.s3_source.store import S3Driver, Store

options, bucket, format, small = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
store = Store(None, bucket, options)
warm = S3Driver(store, format=format, raw={"path": f"s3://{bucket}/{small}"}).start()
while not any(progress.caught_up for progress in warm.progress):
    warm.read(commit=False)
warm.die()
driver = S3Driver(store, format=format).start()
rows, before = 0, peak_bytes()
while not any(progress.caught_up for progress in driver.progress):
    rows += driver.read(commit=False)
print(json.dumps([rows, peak_bytes() - before]))
"""
MB = 1024 * 1024
CAP = 16 * MB
TIMES = 10


@pytest.mark.parametrize("format", ["lines", pytest.param("parquet", marks=pytest.mark.long)])
def test_an_object_ten_times_the_cap(
    gateway_store: Store, tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = "x" * 480
    count = TIMES * CAP // len(row)
    path = tmp_path / "large"
    for name, rows in (("small/a", 5_000), ("in/a", count)):
        if format == "lines":
            with path.open("w") as file:
                for start in range(0, rows, 5_000):
                    file.write("".join(f"{row[8:]}{n:07}\n" for n in range(start, min(rows, start + 5_000))))
        else:
            write_parquet(path, rows)
        gateway_store.client.upload_file(str(path), gateway_store.bucket, name)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    arguments = [json.dumps(gateway_store.options), gateway_store.bucket, format, "small"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, grown = json.loads(done.stdout)
    assert rows == count
    with capsys.disabled():
        print(f"\n{format}: {path.stat().st_size / MB:.0f} MB, memory grew by {grown / MB:.1f} MB")
    assert grown < CAP


def write_parquet(path: Path, rows: int) -> None:
    """Of random text, which does not get smaller."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, rows, 5_000):
            ids = list(range(start, min(rows, start + 5_000)))
            texts = [os.urandom(236).hex() for _ in ids]
            writer.write_table(pa.table({"id": ids, "text": texts}, schema=schema))


@pytest.mark.long
def test_a_hundred_thousand_objects(s3: S3Server, gateway_store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What a poll costs, by the number of objects that lie there and were read: by a task before, as its mark says."""
    store, folder, said, requests = gateway_store, s3.data / gateway_store.bucket / "in", [], {}
    old_ms = time.time_ns() // 1_000_000 - 3_600_000
    driver = S3Driver(store, format="lines", remember_ms=0, listing_full_interval_ms=86_400_000,
                      s3_poll_interval_ms=500)  # fmt: skip
    mark = Mark(store.bucket, "in/", Share(), before_ms=old_ms)
    driver.stored[orjson.dumps(dict(mark.partition), option=orjson.OPT_SORT_KEYS)] = mark.stored()
    there = 0
    try:
        for total in (1_000, 10_000, 100_000):
            for number in range(there, total):
                place(store, folder, number, old_ms)
            there = total
            driver.start()
            driver.until(lambda: any(p.caught_up for p in driver.progress), timeout_s=600)
            listed = driver.requests
            store.put(f"in/dt=9/{total:07}", f"{total}\n")
            driver.until(lambda total=total: driver.lines[-1:] == [str(total)], timeout_s=600).drain()
            polls, asked, cpu = driver.rounds, driver.requests, time.process_time()
            driver.until(lambda polls=polls: driver.rounds >= polls + 6, timeout_s=600)
            polls = driver.rounds - polls
            requests[total] = (driver.requests - asked) / polls
            spent = (time.process_time() - cpu) / polls
            said.append(f"{total} objects: {requests[total]:.2f} requests, {spent * 1000:.1f} ms of CPU a poll; "
                        f"{listed} requests to list everything; {len(driver.stored)} positions")  # fmt: skip
            driver.die()
            driver.progress.clear()
    finally:
        shutil.rmtree(folder)  # a request for each would take minutes
    with capsys.disabled():
        print("\n" + "\n".join(said))
    assert driver.lines == ["1000", "10000", "100000"]
    assert max(requests.values()) <= 6  # folders, with that above them; where all is slow, not each is due at each poll
    assert len(driver.stored) <= 4


def place(store: Store, folder: Path, number: int, modified_ms: int) -> None:
    """An object in one of four folders that was put then. Many are one file, which VersityGW keeps with all that it
    knows of it: a hundred thousand requests would take minutes."""
    part, first = number % 4, number - number % 1_000 + number % 4
    path = folder / f"dt={part}" / f"{number:07}"
    if number > first:
        os.link(path.with_name(f"{first:07}"), path)
    else:
        store.put(str(path.relative_to(folder.parent)), "x\n")
        os.utime(path, (modified_ms / 1000, modified_ms / 1000))
