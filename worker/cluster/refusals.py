"""Why a worker does not do what it was asked; REST turns each into a status code."""

from __future__ import annotations

from headwater.worker.api import HeadwaterError

__all__ = [
    "DataDirUnusable",
    "NotAllowed",
    "NotLeader",
    "NotNow",
    "NotReady",
    "NotThere",
    "NotValid",
    "WorkerRunning",
]


class NotThere(HeadwaterError):
    """No connector, task or plugin of that name: 404."""


class NotNow(HeadwaterError):
    """It exists already, or the state that things are in does not allow it: 409."""


class NotValid(HeadwaterError):
    """What was asked makes no sense: 400."""


class NotAllowed(HeadwaterError):
    """Whoever asks may not: 403."""


class NotReady(HeadwaterError):
    """This worker does not know enough yet, the same request may go through in a moment: 503."""


class NotLeader(HeadwaterError):
    """Only the cluster's leader may do it, and that is another worker, or none at the moment: forward, or 409."""


class WorkerRunning(HeadwaterError):
    """Another worker uses this data directory."""


class DataDirUnusable(HeadwaterError):
    """The data directory cannot be made, or nothing can be written there."""
