"""Why a worker does not do what it was asked; REST turns each into a status code."""

from __future__ import annotations

from headwater.worker.api import HeadwaterError

__all__ = ["DataDirUnusable", "NotNow", "NotThere", "NotValid", "WorkerRunning"]


class NotThere(HeadwaterError):
    """No connector, task or plugin of that name: 404."""


class NotNow(HeadwaterError):
    """It exists already, or the state that things are in does not allow it: 409."""


class NotValid(HeadwaterError):
    """What was asked makes no sense: 400."""


class WorkerRunning(HeadwaterError):
    """Another worker uses this data directory."""


class DataDirUnusable(HeadwaterError):
    """The data directory cannot be made, or nothing can be written there."""
