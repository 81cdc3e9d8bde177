"""A worker as a member of its group on Kafka, on a thread of its own.

The thread sends heartbeats, joins, and assigns where this worker leads; `GroupMember` has the rules, `GroupCoordinator`
the network. It never waits for tasks to stop: what is taken from this worker is asked for with `Group.running`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from headwater.worker.api import ConfigError, HeadwaterError, Problem
from headwater.worker.config.secrets import expand
from headwater.worker.config.worker_options import worker_settings

from .group_client import client_options
from .group_coordinator import GroupCoordinator, Timing, explained
from .group_member import GroupMember
from .membership import Assigned, Elsewhere, Group, Item

__all__ = ["GroupMembership"]

log = logging.getLogger(__name__)

_FIRST_ROUND_S: Final = 15.0
_LEAVE_MS: Final = 5_000
_PAUSE_S: Final = (0.5, 1.0, 2.0, 5.0)
"""Before the group is joined with a new client, after the first, second, … error in a row."""


class GroupMembership:
    def __init__(self, settings: Mapping[str, str], url: str, connect_ms: int = 30_000) -> None:
        """`settings`: the worker's options as written, `${…}` unexpanded. `url`: where other workers reach this one's
        REST. `connect_ms`: how long brokers are looked for. Raises `ConfigError`."""
        expanded = expand(settings)
        values = worker_settings(settings, expanded).values
        self._group_id: str = values["group.id"]
        self._servers = ",".join(values["bootstrap.servers"])
        self._url = url
        self._connect_ms = connect_ms
        self._protocol: str = values["connect.protocol"]
        self._delay_ms: int = values["scheduled.rebalance.max.delay.ms"]
        self._timing = Timing(
            values["session.timeout.ms"], values["heartbeat.interval.ms"], values["rebalance.timeout.ms"]
        )
        if not self._servers:
            raise ConfigError([Problem("bootstrap.servers", "a cluster of workers needs Kafka", "name its brokers")])
        if self._timing.heartbeat_ms * 2 > self._timing.session_ms:
            text = f"must be less than half of session.timeout.ms, {self._timing.session_ms}"
            raise ConfigError([Problem("heartbeat.interval.ms", text, "a third of it is usual")])
        self._client = client_options(expanded, f"{values.get('client.id') or 'headwater'}-{urlsplit(url).netloc}")
        self._member: GroupMember | None = None
        self._coordinator: GroupCoordinator | None = None
        self._ending = threading.Event()
        self._first = threading.Event()
        self._trouble: HeadwaterError | None = None
        self._thread: threading.Thread | None = None

    def start(self, group: Group) -> None:
        """Returns when the first round is over, or goes on: it can take as long as other members take.

        Raises `ConfigError`, `LogError`.
        """
        self._member = GroupMember(group, self._url, self._protocol, self._timing.session_ms, self._delay_ms)
        self._coordinator = self._connected()
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)
        self._thread.start()
        self._first.wait(_FIRST_ROUND_S)
        if self._trouble is not None and self.assigned().generation < 0:
            self.stop()
            raise self._trouble

    def assigned(self) -> Assigned:
        return Assigned() if self._member is None else self._member.assigned()

    @property
    def lease(self) -> str | None:
        return None if self._member is None else self._member.lease.path

    def owner_url(self, item: Item) -> str:
        """Where the leader thinks that it runs; empty where it does not, or this is not the leader."""
        return "" if self._member is None else self._member.owner_url(item)

    def workers(self) -> frozenset[str]:
        """See `GroupMember.workers`."""
        return frozenset() if self._member is None else self._member.workers()

    def elsewhere(self) -> Elsewhere | None:
        return None if self._member is None else self._member.elsewhere

    def rejoin(self) -> None:
        if self._member is not None:
            self._member.join_again()
        self.wakeup()

    def wakeup(self) -> None:
        """`Group.running` or `Group.config` have another answer than before; without it that is seen a little later."""
        if (coordinator := self._coordinator) is not None:
            coordinator.wake()

    def stop(self) -> None:
        self._ending.set()
        self.wakeup()
        if self._thread is not None:
            self._thread.join(_LEAVE_MS / 1000 + 5)
        if self._member is not None:
            self._member.lease.close()

    def _connected(self) -> GroupCoordinator:
        assert self._member is not None
        try:
            return GroupCoordinator(self._client, self._group_id, self._timing, self._member, self._connect_ms)
        except Exception as error:
            raise explained(error, self._servers, self._group_id) from error

    def _run(self) -> None:
        """Errors that kafka-python does not get over by itself end that client; membership is lost with it."""
        errors = 0
        while not self._ending.is_set():
            try:
                if self._coordinator is None:
                    self._coordinator = self._connected()
                self._coordinator.turn()
                if self.assigned().generation >= 0:
                    errors = 0
                    self._first.set()
            except Exception as error:
                self._give_up(error, errors == 0)
                self._ending.wait(_PAUSE_S[min(errors, len(_PAUSE_S) - 1)])
                errors += 1
        if (coordinator := self._coordinator) is not None:
            self._coordinator = None
            coordinator.leave(_LEAVE_MS)

    def _give_up(self, error: Exception, tell: bool) -> None:
        assert self._member is not None
        self._trouble = explained(error, self._servers, self._group_id)
        if not isinstance(error, HeadwaterError) and type(error).__module__.split(".")[0] != "kafka":
            log.exception("the membership's thread met something unexpected")
        elif tell:
            log.warning("%s. Trying again", self._trouble)
        coordinator, self._coordinator = self._coordinator, None
        self._member.lost(str(self._trouble))
        if coordinator is not None:
            coordinator.leave(_LEAVE_MS)
        self._first.set()
