"""Before a new set of a source's tasks starts, none of an earlier one may write any more (Kafka's KIP-618).

The config topic says how many transactional ids have been used. Each of them is fenced, then the new count is written,
then the tasks start: a task of an earlier set that still hangs somewhere finds itself fenced whenever it wakes up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock, Thread

from headwater.worker.api import HeadwaterError
from headwater.worker.runtime.errors import Backoff
from headwater.worker.runtime.task_spec import transactional_id

from .config_records import Records, fencing_records
from .config_state import Configured
from .connector_log import connector_log
from .state import TaskPlan, used_ids
from .surroundings import Surroundings

__all__ = ["Fencing", "Round"]

log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 15.0


@dataclass(frozen=True, slots=True)
class Round:
    """Fence the ids 0 to `earlier`-1, then write `tasks` as the new count."""

    connector: str
    raw: Mapping[str, str]
    earlier: int
    tasks: int

    @classmethod
    def of(cls, connector: Configured, plan: TaskPlan) -> Round:
        return cls(connector.name, plan.raw, connector.fenced, used_ids(plan))


class Fencing:
    """Rounds run on threads of their own, so that a log which does not answer holds up nothing else."""

    def __init__(
        self,
        around: Surroundings,
        write: Callable[[Records], None],
        on_change: Callable[[], None],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """`write`: to the config topic, as its leader. `leads`: is this worker the leader now?"""
        self._around = around
        self._write = write
        self._on_change = on_change
        self._leads = leads
        self._lock = Lock()
        self._over = Event()
        self._running: dict[str, Round] = {}
        self._troubles: dict[str, str] = {}

    def troubles(self) -> dict[str, str]:
        """Why a connector's tasks do not start yet, by connector; only where something is wrong."""
        with self._lock:
            return dict(self._troubles)

    def want(self, rounds: Mapping[str, Round]) -> None:
        """These are due, and no task of theirs runs here. A round under way is left to its end."""
        with self._lock:
            self._troubles = {name: why for name, why in self._troubles.items() if name in rounds}
            for name, one in rounds.items():
                if name not in self._running:
                    Thread(target=self._run, args=(one, self._over), name=f"fence-{name}", daemon=True).start()
                    self._running[name] = one  # its thread, which ends with the lock in hand, takes it away

    def stop(self) -> None:
        """This worker leads no more, or ends. What is under way ends with the id that it is at: the next leader's tasks
        use the same ids, and must not be fenced off. `want` begins anew."""
        with self._lock:
            self._over.set()
            self._over = Event()
            self._running, self._troubles = {}, {}

    def _run(self, one: Round, over: Event) -> None:
        try:
            self._until_done(one, over)
        finally:
            with self._lock:
                if self._running.get(one.connector) is one:
                    del self._running[one.connector]
            self._on_change()

    def _until_done(self, one: Round, over: Event) -> None:
        backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S)
        while not self._ends(over):
            try:
                if self._fence(one, over) and not self._ends(over):
                    self._write(fencing_records(one.connector, one.tasks))
                return
            except HeadwaterError as error:
                delay = backoff.next()
                log.warning(
                    "tasks of connector %s wait until earlier ones are fenced off; trying again in %.1f s: %s",
                    one.connector, delay, error,
                )  # fmt: skip
                with self._lock:
                    if not over.is_set():
                        self._troubles[one.connector] = f"earlier tasks could not be fenced off yet: {error}"
                if backoff.attempts > 2:
                    return  # the config may have changed meanwhile: the reconciler asks again
                over.wait(delay)

    def _ends(self, over: Event) -> bool:
        return over.is_set() or not self._leads()

    def _fence(self, one: Round, over: Event) -> bool:
        """False: it was given up."""
        if one.earlier == one.tasks == 1:
            return True  # the one task fences its predecessor itself
        around = self._around
        with connector_log(around.log, around.settings, around.data_dir, one.raw) as the_log:
            for number in range(one.earlier):
                if self._ends(over):
                    return False
                with closing(the_log.producer(transactional_id(around.settings, one.connector, number))) as producer:
                    producer.init_transactions()
        return True
