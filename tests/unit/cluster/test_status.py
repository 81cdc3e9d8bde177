from __future__ import annotations

from typing import Any

from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.state import Build, TaskPlan
from headwater.worker.cluster.status import connector_status, problems
from headwater.worker.cluster.view_state import ViewState

SHOP = Configured("shop", {})


def task(number: int, state: str = "RUNNING", generation: int = 1, **more: Any) -> dict[str, Any]:
    told = {"reason": "", "trace": "", "stalled": None, "metrics": {}, "progress": [], "restarts": 0, "pid": 1}
    who = {"connector": "shop", "generation": generation, "task": number}
    return told | who | {"state": state, "caught_up": None} | more


def status(*tasks: dict[str, Any], connector: Configured = SHOP, view: ViewState | None = None, error: str = "") -> Any:
    plans = {Build("shop", 1): TaskPlan({}, "sink", error=error)}
    return connector_status(connector, view, plans, tasks, "here:1", "sink")


def test_states() -> None:
    found = status(task(1), task(0, "FAILED", trace="Traceback\nFatal: broken"), task(2, stalled="nothing was done"))
    assert found["connector"] == {"state": "RUNNING", "worker_id": "here:1"}
    assert [(t["id"], t["state"]) for t in found["tasks"]] == [(0, "FAILED"), (1, "RUNNING"), (2, "STALLED")]
    assert problems([found]) == ["shop task 0 is FAILED: Fatal: broken", "shop task 2 is STALLED: nothing was done"]


def test_a_connector_that_cannot_be_planned_has_failed() -> None:
    found = status(error="no such option")
    assert found["connector"] == {"state": "FAILED", "worker_id": "here:1", "trace": "no such option"}
    assert problems([found]) == ["shop: no such option"]


def test_the_target_state_shows() -> None:
    assert status(connector=Configured("shop", {}, "PAUSED"))["connector"]["state"] == "PAUSED"
    assert connector_status(SHOP, None, {}, [], "here:1", "sink")["connector"]["state"] == "UNASSIGNED"


def test_tasks_are_those_of_the_generation_that_readers_see() -> None:
    building = task(0, "RESTARTING", 2, reason="down")
    found = status(task(0), building, view=ViewState("shop", 1))
    assert len(found["tasks"]) == 1 and found["generation"] == 1
    assert found["generations"]["2"][0]["trace"] == "down"
    assert problems([found]) == ["shop task 0 is RESTARTING: down"]
