from __future__ import annotations

from headwater.worker.observe.latency import BOUNDS_S, Latency
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.observe.state_clock import StateClock
from headwater.worker.observe.windows import Rates, Window


def test_a_window_forgets_what_is_older_than_a_minute() -> None:
    now = [0.0]
    window = Window(lambda: now[0])
    assert window.read() is None
    window.add(100)
    now[0] = 29.0
    window.add(2)
    assert window.read() == {"avg": 51.0, "min": 2, "max": 100}
    now[0] = 40.0
    window.add(4)
    assert window.read() == {"avg": 35.333, "min": 2, "max": 100}
    now[0] = 61.0
    assert window.read() == {"avg": 4.0, "min": 4, "max": 4}
    now[0] = 100.0
    assert window.read() is None


def test_rates_are_those_of_the_last_minute() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    rates.add({"records": 0})
    assert rates.per_second() == {}
    for second in range(1, 201):
        now[0] = float(second)
        rates.add({"records": second * (1 if second <= 100 else 10)})
    assert rates.per_second() == {"records": 10.0}
    assert 590 <= rates.growth()["records"] <= 620


def test_latencies_are_counted_into_buckets() -> None:
    latency = Latency()
    for since_ms, now_ms in ((1_000, 1_010), (1_000, 1_011), (0, 3_600_000), (0, 99_000_000), (5_000, 1_000)):
        latency.add(since_ms, now_ms)
    told = latency.as_dict()
    assert told["counts"][0] == 2, "what lies in the future counts as 0, and a bound belongs to its bucket"
    assert told["counts"][1] == 1
    assert told["counts"][-2:] == [1, 1]
    assert len(told["counts"]) == len(BOUNDS_S) + 1 and told["total_s"] == 102_600.021


def test_shares_of_time() -> None:
    now = [0.0]
    clock = StateClock("UNASSIGNED", lambda: now[0])
    now[0] = 1.0
    clock.enter("RUNNING")
    now[0] = 3.0
    clock.enter("PAUSED")
    now[0] = 4.0
    assert clock.shares() == {"UNASSIGNED": 0.25, "RUNNING": 0.5, "PAUSED": 0.25}


def test_counters_stand_apart_from_what_was_measured() -> None:
    metrics = TaskMetrics(records_in=7)
    metrics.write_ms.add(5)
    metrics.failed("no number")
    told = metrics.as_dict()
    assert told["records_in"] == 7 and told["last_error"] == "no number" and told["last_error_ms"] > 0
    assert told["measured"]["write_ms"] == {"avg": 5.0, "min": 5, "max": 5}
    assert told["measured"]["commit_failure_share"] == 0.0
    metrics.commits, metrics.commit_failures = 3, 1
    assert metrics.as_dict()["measured"]["commit_failure_share"] == 0.25
