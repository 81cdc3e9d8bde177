"""What the views topic says, followed by the worker; and the one change that a worker makes itself.

While a view's record holds a job, only the job's process writes it. Both write under one transactional id a view, so
that each fences the other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import orjson

from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, Message, UnknownTopic

from .own_topics import way_back
from .refusals import NotNow
from .view_state import UnreadableState, ViewState, dump_state, load_state, view_key

__all__ = ["ViewRecords", "live_config_message", "view_writer_id", "viewed"]

log = logging.getLogger(__name__)


class ViewRecords:
    """Belongs to one thread."""

    def __init__(self, the_log: Log, topic: str) -> None:
        self._topic = topic
        self._records = CompactedDict(the_log, topic)
        self._views: dict[str, ViewState] = {}

    def refresh(self, timeout_s: float = 30.0, whole: bool = True) -> bool:
        """Read on; whether a view's record has changed. See `CompactedDict.refresh`."""
        changed = False
        try:
            changes = self._records.refresh(timeout_s, whole)
        except UnknownTopic as error:
            raise UnknownTopic(f"{error}. {way_back(self._topic)}") from error
        for key, value in changes:
            kind, name = _name(key)
            if kind != "view":
                continue
            changed = True
            if value is None:
                self._views.pop(name, None)
                continue
            try:
                self._views[name] = load_state(value)
            except UnreadableState as error:
                log.error("view %s stays as it was: %s", name, error)
        return changed

    def views(self) -> dict[str, ViewState]:
        return dict(self._views)

    def close(self) -> None:
        self._records.close()


def viewed(key: bytes) -> str:
    """The view that a record of the views topic is about; empty where it is about none."""
    return _name(key)[1]


def view_writer_id(settings: Mapping[str, str], view: str) -> str:
    """The transactional id under which a view's record is written."""
    return f"{settings.get('group.id', 'headwater')}-view-{view}"


def _name(key: bytes) -> tuple[str, str]:
    try:
        parts = orjson.loads(key)
        return str(parts[0]), str(parts[1])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return "", ""


def live_config_message(topic: str, view: ViewState, raw: Mapping[str, str]) -> Message:
    """The record of a view whose live config the user has changed, to be written together with the config.

    Raises `NotNow` while a job works on the view.
    """
    if view.job is not None:
        raise NotNow(
            f"a {view.job.kind} of {view.view} is running: its config cannot change meanwhile. Wait for the end, or "
            f"give it up with `headwater rebuild {view.view} --abort`"
        )
    return Message(topic, view_key(view.view), dump_state(view.with_current_config(raw)))
