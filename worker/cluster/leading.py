"""What the leader does: it writes the config topic, and fences off the earlier tasks of sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from headwater.worker.config.secrets import expand
from headwater.worker.log.contract import MessageRefused

from .config_records import Records, config_messages, session_key_records, task_records
from .config_writer import ConfigWriter
from .fencing import Fencing, Round
from .session_keys import SessionKey, SessionPolicy
from .state import Build, Wanted, builds, plan_of, plans_to_commit, to_fence
from .surroundings import Surroundings

__all__ = ["Leading", "Refuse", "not_written"]

Refuse = Callable[[Build, Sequence[Mapping[str, str]], str], None]
"""Say of a plan, by its tasks, why it can never be written down."""

GIVEN_UP_WITHIN_S = 15.0
"""So long earlier tasks may take to end in good order, wherever they run, before they are fenced off all the same."""


class Leading:
    """`act` belongs to one thread."""

    def __init__(self, around: Surroundings, writer: ConfigWriter, wake: Callable[[], None], refuse: Refuse) -> None:
        self._around = around
        self._writer = writer
        self._wake = wake
        self._refuse = refuse
        self._policy = SessionPolicy.of(expand(around.settings))
        self._fencing = Fencing(around, self._write, wake, writer.leads)
        self._since: tuple[int, str] | None = None
        self._waiting: dict[str, float] = {}

    def troubles(self) -> dict[str, str]:
        """Why a connector's tasks do not start yet, by connector; only where something is wrong."""
        return self._fencing.troubles()

    def stop(self) -> None:
        self._fencing.stop()

    def act(self, wanted: Wanted, key: SessionKey | None, runs_anywhere: Callable[[str], bool]) -> None:
        """Raises `NotLeader`, `LogError`, `Retriable`."""
        since = (wanted.assigned.incarnation, wanted.assigned.member_id)
        if self._since != since:
            self._writer.claim()
            self._since = since
        now_ms = time.time_ns() // 1_000_000
        if wanted.assigned.sessioned and self._policy.is_due(key, now_ms):
            self._write(session_key_records(self._policy.new_key(now_ms)))
            self._wake()
        for name, tasks in plans_to_commit(wanted).items():
            try:
                self._write(task_records(name, tasks))
            except MessageRefused as error:  # all others go on
                self._refuse(Build(name, wanted.generation(name)), tasks, not_written(error))
            self._wake()
        self._fence(wanted, runs_anywhere)

    def rest(self) -> None:
        """This worker leads no more."""
        if self._since is not None:
            self._since = None
            self._fencing.stop()
            self._writer.release()

    def _fence(self, wanted: Wanted, runs_anywhere: Callable[[str], bool]) -> None:
        """Where a new set of a source's tasks waits, and the earlier one has ended, or had the time to."""
        due: dict[str, Round] = {}
        waiting: dict[str, float] = {}
        now = time.monotonic()
        for build, raw in builds(wanted).items():
            name, connector = build.connector, wanted.connectors[build.connector]
            plan = plan_of(wanted, build, raw)
            if plan is None or connector.tasks != plan.tasks or dict(plan.raw) != dict(connector.raw):
                continue
            if not to_fence(connector, plan):
                continue
            waiting[name] = self._waiting.get(name, now)
            if not runs_anywhere(name) or (not wanted.alone and now - waiting[name] > GIVEN_UP_WITHIN_S):
                due[name] = Round.of(connector, plan)
        self._waiting = waiting
        self._fencing.want(due)

    def _write(self, changes: Records) -> None:
        self._writer.write(config_messages(self._around.topics.configs, changes))


def not_written(error: MessageRefused) -> str:
    """What a user is told of a plan that the config topic does not take."""
    return (
        f"how its work is split cannot be written down, so none of it is started anew: {error}. Change its config, or "
        "the topic's max.message.bytes, and restart it"
    )
