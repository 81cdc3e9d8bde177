"""One look at a worker, for its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headwater.worker.observe.observed import Observed
from headwater.worker.observe.rebalances import Rebalances
from headwater.worker.runtime.supervisor import Supervisor

__all__ = ["observed"]


def observed(
    worker_id: str,
    statuses: Iterable[Mapping[str, Any]],
    classes: Mapping[str, str],
    supervisor: Supervisor,
    rebalances: Rebalances | None = None,
) -> Observed:
    """`statuses`: of connectors, as `status.connector_status` answers; others' are left out. `classes`: the option
    `connector.class` of each connector."""
    own = [
        {
            "name": status["name"],
            "type": status["type"],
            "state": status["connector"]["state"],
            "class": classes.get(status["name"], ""),
        }
        for status in statuses
        if status["connector"]["worker_id"] == worker_id
    ]
    startups = supervisor.startups
    return Observed(
        worker_id=worker_id,
        connectors=own,
        processes=supervisor.snapshot(),
        startups={
            "attempts": startups.attempts,
            "successes": startups.successes,
            "failures": startups.failures,
        },
        rebalances=None if rebalances is None else rebalances.as_dict(),
    )
