"""Kafka's group protocol with `protocol_type="connect"`: kafka-python's coordinator, seen nowhere else in Headwater.

librdkafka, which carries all data, does not let others speak this protocol. kafka-python has no stable interface for it
either, so its version is pinned: what is overridden are the hooks of `BaseCoordinator` 3.0.12 and the two methods that
send heartbeats and joins. Everything happens on the thread that calls; kafka-python's own is never started.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kafka import errors
from kafka.coordinator.base import BaseCoordinator
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.consumer import UNKNOWN_MEMBER_ID, HeartbeatRequest, LeaveGroupRequest
from kafka.structs import MemberState

from headwater.worker.api import ConfigError, HeadwaterError, Problem
from headwater.worker.log.contract import LogError
from headwater.worker.log.kafka_client_logs import client_logger
from headwater.worker.runtime.lease import now_ms

from .group_member import GroupMember

__all__ = ["GroupCoordinator", "Timing"]

log = logging.getLogger(__name__)


class _Relay(logging.Handler):
    """kafka-python tells of each attempt to connect; here a line comes once a minute."""

    _logger = client_logger(__name__)
    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()
        self._logger.warning("%s", self.last)


_heard: Final = _Relay()
_client: Final = logging.getLogger("kafka")
_client.setLevel(logging.WARNING)  # below, it tells passwords, and of each request
_client.propagate = False
_client.addHandler(_heard)

_STEP_MS: Final = 500
"""How long one `turn` waits for the brokers at most while it joins."""
_STILL_IN: Final = (errors.RebalanceInProgressError, errors.NoError)
_NODE: Final = "coordinator-"
"""kafka-python has a connection of its own for the coordinator, under this name and the broker's number."""


class Timing(NamedTuple):
    """Times of a member."""

    session_ms: int
    heartbeat_ms: int
    rebalance_ms: int


class GroupCoordinator(BaseCoordinator):  # type: ignore[misc]
    def __init__(
        self, settings: Mapping[str, object], group_id: str, timing: Timing, member: GroupMember, timeout_ms: int
    ) -> None:
        """`settings`: of `group_client.client_options`. Waits for a broker, `timeout_ms` at most.

        Raises what kafka-python raises; `explained` makes errors of Headwater's of it.
        """
        self._selector = NetworkSelector(**settings, slow_task_threshold_secs=0)
        self._connections = KafkaConnectionManager(self._selector, **settings)
        try:
            self._connections.bootstrap(timeout_ms)
            super().__init__(
                KafkaNetClient(net=self._selector, manager=self._connections),
                group_id=group_id,
                session_timeout_ms=timing.session_ms,
                heartbeat_interval_ms=timing.heartbeat_ms,
                max_poll_interval_ms=timing.rebalance_ms,
                request_timeout_ms=timing.session_ms,
                api_version=self._connections.broker_version,
            )
        except BaseException:
            self._connections.close()
            self._selector.close()
            raise
        self._member = member
        self._beat_s = timing.heartbeat_ms / 1000
        self._answered_ms = self._join_ms = 0
        self._beating = self._leaving = False

    # What the membership's thread calls.

    def turn(self) -> None:
        """Join where that is due, else let the network work until something happens. `wake` ends it early."""
        member = self._member
        member.check()
        if member.wants_to_join():
            self.request_rejoin()
        if self.need_rejoin() and member.may_join():
            self.ensure_active_group(timeout_ms=_STEP_MS)
        else:
            self._selector.poll(timeout_ms=member.patience_ms())
        self.poll_heartbeat()

    def wake(self) -> None:
        """From any thread."""
        self._selector.wakeup()

    def leave(self, timeout_ms: int) -> None:
        """Out of the group, where the brokers can be reached within that time. Nothing else can be called then."""
        self._leaving = True
        self._close_heartbeat()
        try:
            self._selector.run(self._leave, timeout_ms)
        except Exception as error:  # whatever it is, others see at the end of the session that this worker is gone
            log.warning("group %s: this worker could not say that it leaves: %s", self.group_id, error)
        finally:
            self._connections.close()
            self._selector.close()

    async def _leave(self, timeout_ms: int) -> None:
        """Not over the coordinator's connection: where a join is on its way there, the brokers read nothing else."""
        node, member_id = self._plain_node(), self._generation.member_id
        if node is None or member_id == UNKNOWN_MEMBER_ID:
            return
        identity = LeaveGroupRequest.MemberIdentity(
            member_id=member_id, group_instance_id=None, reason="the worker stops"
        )
        request = LeaveGroupRequest(group_id=self.group_id, member_id=member_id, members=[identity])
        response = await self._manager.wait_for(self._manager.send(request, node_id=node), timeout_ms)
        error = errors.for_code(response.error_code)
        if error is not errors.NoError:
            raise error()

    def _plain_node(self) -> int | None:
        node = str(self.coordinator_id or "")
        return int(node.removeprefix(_NODE)) if node.startswith(_NODE) else None

    # Hooks of kafka-python.

    def protocol_type(self) -> str:
        return "connect"

    def group_protocols(self) -> list[tuple[str, bytes]]:
        return self._member.protocols()

    def _perform_assignment(self, leader_id: str, protocol: str, members: list[Any]) -> dict[str, bytes]:
        states = {str(one.member_id): bytes(one.metadata) for one in members}
        return self._member.assign(leader_id, protocol, int(self._generation.generation_id), states)

    async def _on_join_complete_async(
        self, generation: int, member_id: str, protocol: str, member_assignment_bytes: bytes
    ) -> None:
        await self._do_heartbeat()  # at once: what counts for the lease is when one was sent
        if self._generation.member_id == member_id:
            sent_ms = max(self._answered_ms, self._join_ms)
            self._member.joined(generation, member_id, protocol, bytes(member_assignment_bytes), sent_ms)

    def reset_generation(self, member_id: str = UNKNOWN_MEMBER_ID) -> None:
        """Without a member id this one is out; with it, it has only missed a round."""
        super().reset_generation(member_id)
        if member_id == UNKNOWN_MEMBER_ID and not self._leaving:
            self._member.lost("the brokers have removed it")

    async def _send_heartbeat_request(self) -> None:
        sent_ms = now_ms()
        try:
            await super()._send_heartbeat_request()
        except errors.RebalanceInProgressError:  # from a member; as good as no error
            self._answered(sent_ms)
            raise
        self._answered(sent_ms)

    def _answered(self, sent_ms: int) -> None:
        self._answered_ms = max(self._answered_ms, sent_ms)
        self._member.heard(sent_ms)

    async def _do_join_and_sync_async(self) -> bytes:
        self._join_ms = now_ms()
        if self._generation.generation_id >= 0 and not self._beating:
            self._manager.call_soon(self._beat_beside_join)
        data: bytes = await super()._do_join_and_sync_async()
        return data

    async def _beat_beside_join(self) -> None:
        """A join is answered when every member has joined, and the assignment comes when the leader has sent it: with
        one that has just died, either takes longer than a lease. Meanwhile kafka-python sends no heartbeats, as the
        brokers read nothing from that connection: these go over another one."""
        self._beating = True
        try:
            while True:
                await self._net.sleep(self._beat_s)
                generation = self._generation  # another one as soon as the join is answered
                if generation.generation_id < 0 or self.state is not MemberState.REBALANCING or self._leaving:
                    return
                await self._beat(generation)
        finally:
            self._beating = False

    async def _beat(self, generation: Any) -> None:
        node = self._plain_node()
        if node is None:
            return
        request = HeartbeatRequest(
            group_id=self.group_id,
            generation_id=generation.generation_id,
            member_id=generation.member_id,
            group_instance_id=None,
        )
        sent_ms = now_ms()
        try:
            response = await self._manager.send(request, node_id=node)
        except errors.KafkaError as error:
            log.debug("group %s: a heartbeat beside a join was not answered: %s", self.group_id, error)
            if isinstance(error, errors.RequestTimedOutError) and self.coordinator_id is not None:
                self._client.close(self.coordinator_id)  # the join on the other connection is not answered either
            return
        if errors.for_code(response.error_code) in _STILL_IN:
            self._answered(sent_ms)


def explained(error: Exception, servers: str, group_id: str) -> HeadwaterError:
    """kafka-python's error as one of ours."""
    what = f"the worker cannot join its group {group_id} on {servers}"
    if isinstance(error, HeadwaterError):
        return error
    if isinstance(error, errors.InvalidSessionTimeoutError):
        text = "the brokers do not allow it: see group.min.session.timeout.ms and group.max.session.timeout.ms there"
        return ConfigError([Problem("session.timeout.ms", text)])
    if isinstance(error, errors.InconsistentGroupProtocolError):
        text = (
            f"the group {group_id} has members that are no workers, or workers whose connect.protocol has nothing in "
            "common with this one's"
        )
        return ConfigError([Problem("group.id", text, "name another group, or set the same connect.protocol")])
    if isinstance(error, errors.AuthorizationError):
        return LogError(f"{what}: the user lacks rights on the group (Read, Describe): add an ACL")
    if isinstance(error, errors.KafkaError):
        last = f" Last heard: {_heard.last}" if _heard.last else ""
        fits = "are the brokers up and reachable, and do security.protocol and the credentials fit their listener?"
        return LogError(f"{what}: {error}; {fits}{last}")
    return LogError(f"{what}: {type(error).__name__}: {error}")
