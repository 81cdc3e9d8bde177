"""What REST needs of a worker, whether it stands alone or is a member of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from headwater.worker.log.contract import Log
from headwater.worker.observe.log_levels import LogLevels
from headwater.worker.observe.observed import Observed

ConfigChange = Callable[[Mapping[str, str] | None], Mapping[str, str]]
Offsets = Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]]
"""(partition, offset) pairs; offset None forgets."""


class ClusterWorker(Protocol):
    """What REST asks of a worker because there may be others. `leader_url` and `owner_url` never wait."""

    def leader_url(self) -> str | None:
        """The leader's REST API; None: this worker leads, or stands alone; "": nobody leads at the moment.

        Whatever writes is forwarded there. A worker that is asked to write and does not lead raises `NotNow`.
        """
        ...

    def owner_url(self, name: str, task: int) -> str | None:
        """The same of the worker that runs this task; task -1: of the one that runs the job of the view `name`.

        Only the leader knows where everything runs: for what does not run here, others give the leader's.
        """
        ...

    def check_signature(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Does another worker of this cluster ask? See `cluster.internal_requests`.

        Raises `NotValid` where there is no usable signature, `NotReady` while there is no session key yet,
        `NotAllowed` where the signature is wrong.
        """
        ...

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str]]) -> None:
        """The connector's owner has planned it anew: write it down, where this worker leads."""
        ...

    def fence(self, name: str) -> None:
        """Fence off the earlier tasks of a source, where this worker leads. Returns when that is done."""
        ...


class RestWorker(ClusterWorker, Protocol):
    """Every method may be called from any thread and may block. Names without a connector raise `NotThere`."""

    worker_id: str
    """Kafka Connect's `worker_id`, host:port."""
    cluster_id: str
    """Names the log; empty before the worker has started."""
    log: Log
    settings: Mapping[str, str]
    """The worker's options as text, `${…}` unexpanded."""
    data_dir: Path
    log_levels: LogLevels

    def connectors(self) -> list[str]: ...

    def config(self, name: str) -> dict[str, str]:
        """As written, `${…}` unexpanded."""
        ...

    def kind(self, name: str) -> str:
        """source, sink or unknown."""
        ...

    def change_config(self, name: str, change: ConfigChange, state: str | None = None) -> bool:
        """Create or replace; a view's record follows. `state`: STARTED, PAUSED or STOPPED for a new one.

        `change` makes the new config from the stored one (None: there is none), and is asked again where another change
        comes first. What it raises is raised. Returns whether the connector is new. Raises `ConfigError` with every
        problem, `NotNow`.
        """
        ...

    def delete(self, name: str) -> None: ...

    def changing(self) -> AbstractContextManager[None]:
        """For changes of views: no other change, of a connector say, comes between, and all that was written is known.

        Raises `NotLeader`.
        """
        ...

    def status(self, name: str) -> dict[str, Any]:
        """Kafka Connect's answer, `progress` of each task added:
        {"name","connector":{"state","worker_id"},"tasks":[{"id","state","worker_id","trace"}],"type"}."""
        ...

    def task_configs(self, name: str) -> list[dict[str, str]]: ...

    def set_state(self, name: str, state: str) -> None:
        """STARTED, PAUSED or STOPPED."""
        ...

    def restart(self, name: str, include_tasks: bool, only_failed: bool) -> None:
        """Plan the connector anew; restart its tasks, or the failed ones, where asked for, on every worker."""
        ...

    def restart_task(self, name: str, task: int) -> None:
        """Of this worker; see `owner_url`."""
        ...

    def topics(self, name: str) -> list[str]:
        """Topics that the connector has used since they were last reset."""
        ...

    def reset_topics(self, name: str) -> None: ...

    def offsets(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]: ...

    def alter_offsets(self, name: str, offsets: Offsets | None) -> None:
        """None: forget all. Raises `NotValid` where the connector is not stopped or the offsets are wrong."""
        ...

    def set_log_level(self, logger: str, level: str, cluster: bool) -> list[str]:
        """Of this worker and its tasks, or of all workers'. Returns the loggers for which it holds, [] for a cluster.

        Raises `ValueError` where there is no such level.
        """
        ...

    def health(self) -> list[str]:
        """What is wrong; [] = nothing. Raises `Retriable` while the worker has not started yet."""
        ...

    def observed(self) -> Observed:
        """One look at all that runs here, for `/metrics`."""
        ...

    def job_progress(self, view: str) -> dict[str, Any] | None:
        """The last that the view's job has told: {"stage","done","total","unit","detail","rate","eta_s"}."""
        ...
