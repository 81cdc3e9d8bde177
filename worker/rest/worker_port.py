"""What REST needs of a worker, whether it stands alone or is a member of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from headwater.worker.log.contract import Log
from headwater.worker.observe.observed import Observed

Offsets = Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]]
"""(partition, offset) pairs; offset None forgets."""


class RestWorker(Protocol):
    """Every method may be called from any thread and may block. Names without a connector raise `NotThere`."""

    worker_id: str
    """Kafka Connect's `worker_id`, host:port."""
    cluster_id: str
    """Names the log."""
    log: Log
    settings: Mapping[str, str]
    """The worker's options as text, `${…}` unexpanded."""
    data_dir: Path

    def connectors(self) -> list[str]: ...

    def config(self, name: str) -> dict[str, str]:
        """As written, `${…}` unexpanded."""
        ...

    def kind(self, name: str) -> str:
        """source, sink or unknown."""
        ...

    def put_config(self, name: str, config: Mapping[str, str], state: str | None = None) -> None:
        """Create or replace; a view's record follows. `state`: STARTED, PAUSED or STOPPED for a new one.

        Raises `ConfigError` with every problem, `NotNow`.
        """
        ...

    def delete(self, name: str) -> None: ...

    def status(self, name: str) -> dict[str, Any]:
        """Kafka Connect's answer, `progress` of each task added:
        {"name","connector":{"state","worker_id"},"tasks":[{"id","state","worker_id","trace"}],"type"}."""
        ...

    def task_configs(self, name: str) -> list[dict[str, str]]: ...

    def set_state(self, name: str, state: str) -> None:
        """STARTED, PAUSED or STOPPED."""
        ...

    def restart(self, name: str, include_tasks: bool, only_failed: bool) -> None: ...

    def restart_task(self, name: str, task: int) -> None: ...

    def topics(self, name: str) -> list[str]:
        """Topics that the connector has used since they were last reset."""
        ...

    def reset_topics(self, name: str) -> None: ...

    def offsets(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]: ...

    def alter_offsets(self, name: str, offsets: Offsets | None) -> None:
        """None: forget all. Raises `NotValid` where the connector is not stopped or the offsets are wrong."""
        ...

    def health(self) -> list[str]:
        """What is wrong; [] = nothing."""
        ...

    def observed(self) -> Observed:
        """One look at all that runs here, for `/metrics`."""
        ...

    def job_progress(self, view: str) -> dict[str, Any] | None:
        """The last that the view's job has told: {"stage","done","total","unit","detail","rate","eta_s"}."""
        ...
