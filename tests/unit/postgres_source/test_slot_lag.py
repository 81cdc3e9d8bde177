from __future__ import annotations

from headwater.connectors.postgres.source.slot_lag import SlotLag


def test_seconds_are_those_since_the_oldest_wal_that_is_not_durable() -> None:
    now = [0.0]
    lag = SlotLag(lambda: now[0])
    assert lag.read(100) == {}
    lag.look(100, 100)
    now[0] = 10.0
    assert lag.read(100) == {"slot_bytes": 0.0, "slot_seconds": 0.0}
    lag.look(200, 100)
    now[0] = 20.0
    lag.look(300, 100)
    now[0] = 25.0
    assert lag.read(100) == {"slot_bytes": 200.0, "slot_seconds": 15.0}
    assert lag.read(200) == {"slot_bytes": 100.0, "slot_seconds": 5.0}
    assert lag.read(300) == {"slot_bytes": 0.0, "slot_seconds": 0.0}
    assert lag.read(400) == {"slot_bytes": 0.0, "slot_seconds": 0.0}


def test_a_server_that_writes_all_the_time_is_not_behind_when_its_wal_is_durable_soon() -> None:
    now = [0.0]
    lag = SlotLag(lambda: now[0])
    for step in range(100):
        now[0] = step * 10.0
        lag.look(step * 1000 + 1000, step * 1000)
        assert lag.read(step * 1000)["slot_seconds"] <= 10
