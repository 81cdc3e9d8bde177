from __future__ import annotations

import time
from typing import Any

from headwater.worker.cli.status_rows import HEADERS, LIVE_HEADERS, StatusRows


def answer(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    status = {"connector": {"state": "RUNNING", "worker_id": "a:8083"}, "tasks": list(tasks), "generations": {}}
    return {"shop": {"status": status | more}}


TASK = {
    "id": 0, "state": "RUNNING", "worker_id": "b:8083", "memory_bytes": 62_300_000, "restarts": 2,
    "progress": {"stage": "following", "done": 1200, "total": None, "unit": "records", "lag": {"offsets": 3000}},
    "metrics": {"records_out": 1200, "lag": 3000},
}  # fmt: skip


def test_a_row_for_each_task() -> None:
    (row,) = StatusRows().rows(answer(TASK))
    assert dict(zip(HEADERS, row, strict=True)) == {
        "connector": "shop", "task": "0", "state": "RUNNING", "worker": "b:8083", "lag": "3,000",
        "progress": "following 1,200 records", "memory": "62 MB", "restarts": 2, "error": "",
    }  # fmt: skip


def test_a_source_shows_how_far_its_slot_is_behind() -> None:
    lag = {"slot_bytes": 12_300_000.0, "slot_seconds": 75.0}
    (row,) = StatusRows().rows(answer(TASK | {"progress": {"stage": "stream", "done": 0, "lag": lag}}))
    assert row[HEADERS.index("lag")] == "12.3 MB, 1 min 15 s"


def test_what_another_kind_of_worker_tells_is_enough() -> None:
    """A Java worker's task has none of our figures."""
    task = {"id": 0, "state": "FAILED", "worker_id": "c:8083", "trace": "org.apache.Error\n\tat X\nCaused by: broken"}
    connector = {"state": "FAILED", "worker_id": "c:8083", "trace": "no such class"}
    status = {"connector": connector, "tasks": [task]}
    first, second = StatusRows(rates=True).rows({"shop": {"status": status}})
    assert dict(zip(LIVE_HEADERS, first, strict=True))["error"] == "no such class"
    told = dict(zip(LIVE_HEADERS, second, strict=True))
    assert (told["error"], told["memory"], told["lag"], told["rate"]) == ("Caused by: broken", "", "", "")


def test_a_rate_is_measured_between_two_looks() -> None:
    rows = StatusRows(rates=True)
    (first,) = rows.rows(answer(TASK))
    assert first[LIVE_HEADERS.index("rate")] == "0/s"
    time.sleep(0.05)
    (second,) = rows.rows(answer(TASK | {"metrics": {"records_out": 2_000_000}}))
    assert second[LIVE_HEADERS.index("rate")] != "0/s"


def test_generations_that_are_built_are_shown() -> None:
    found = StatusRows().rows(answer(TASK, generations={"2": [TASK], "10": [TASK]}))
    assert [row[1] for row in found] == ["0", "0 (g2)", "0 (g10)"]
