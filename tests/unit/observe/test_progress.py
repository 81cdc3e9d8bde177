from __future__ import annotations

from headwater.worker.observe.health import Stall
from headwater.worker.observe.progress import Meter, duration


def test_rate_and_time_left_come_from_the_last_samples() -> None:
    now = [0.0]
    meter = Meter(window_s=10, clock=lambda: now[0])
    for second in range(100):
        now[0] = float(second)
        meter.add(second * (1 if second < 50 else 10), 1_000)
    reading = meter.read()
    assert reading.rate == 10 and reading.done == 990
    assert reading.eta_s == 1.0 and reading.fraction == 0.99


def test_without_total_or_samples_nothing_is_claimed() -> None:
    meter = Meter()
    assert meter.read().eta_s is None and meter.read().rate == 0
    meter.add(5)
    assert (meter.read().done, meter.read().fraction) == (5, None)


def test_a_new_stage_begins_anew() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    meter.add(1_000, 1_000)
    now[0] = 1.0
    meter.add(0, 50)
    assert meter.read().done == 0 and meter.read().rate == 0


def test_durations() -> None:
    assert [duration(s) for s in (3.2, 125, 3_840, None)] == ["3 s", "2 min 5 s", "1 h 4 min", "?"]


def test_stalls() -> None:
    stall = Stall(60)
    metrics = {"last_tick_ms": 100_000, "last_activity_ms": 40_000}
    assert stall.reason(metrics, work=False, now_ms=101_000) is None
    assert "although there is work" in (stall.reason(metrics, work=True, now_ms=101_000) or "")
    assert "has not returned" in (stall.reason(metrics, work=False, now_ms=200_000) or "")
