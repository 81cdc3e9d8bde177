from __future__ import annotations

from headwater.worker.cluster.observing import job_problems


def test_a_job_that_fails_again_and_again_is_a_problem() -> None:
    task = {"connector": "shop", "task": 0, "state": "FAILED", "reason": "told by its connector's status"}
    jobs = [
        {"job": "fine", "state": "UNASSIGNED", "reason": ""},
        {"job": "about to start again", "state": "RESTARTING", "reason": ""},
        {"job": "orders", "state": "RESTARTING", "reason": "no space left"},
    ]
    assert job_problems([task, *jobs]) == ["the job of view orders is RESTARTING: no space left"]
