"""The leader's pen: what is written to the config and the views topic goes through it, in transactions of one id.

Source: Kafka Connect's transactional id of a cluster's leader (KIP-618), `connect-cluster-GROUP`. A worker that
becomes leader takes the id over, and whatever its predecessor still wants to write, paused or cut off as it may have
been, is refused by the log.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock

from headwater.worker.api import Fenced, HeadwaterError, Retriable
from headwater.worker.log.contract import Log, Message, MessageRefused, Producer, UnknownTopic

from .own_topics import way_back
from .refusals import NotLeader

__all__ = ["ConfigWriter", "leader_id", "lone_id"]

log = logging.getLogger(__name__)

_NOT_WRITTEN = "Nothing was written"
LOOK_EVERY_S = 5.0


def leader_id(settings: Mapping[str, str]) -> str:
    """The transactional id under which the leader of the worker's cluster writes."""
    return f"connect-cluster-{settings.get('group.id', 'headwater')}"


def lone_id(settings: Mapping[str, str], data_dir: Path) -> str:
    """The same of a worker that stands alone: others of its `group.id` have directories and topics of their own. It
    begins with the group's name, like all others of its ids, so that one right covers them."""
    folder = hashlib.sha256(str(data_dir.absolute()).encode()).hexdigest()[:16]
    return f"{settings.get('group.id', 'headwater')}-worker-{folder}"


class ConfigWriter:
    """Any thread may call the methods; they wait for each other.

    `leads`: is this worker the leader now, as surely as it can know? It must be false for one whose lease is over: a
    worker that says yes takes the id over where it has lost it.
    """

    def __init__(
        self, the_log: Log, transactional_id: str, leads: Callable[[], bool], look_every_s: float = LOOK_EVERY_S
    ) -> None:
        """`look_every_s`: whether the topics are still there."""
        self._log = the_log
        self._id = transactional_id
        self.leads = leads
        self._lock = Lock()
        self._producer: Producer | None = None
        self._look_every_s = look_every_s
        self._ids: dict[str, str] = {}
        self._looked_at: dict[str, float] = {}

    def claim(self) -> None:
        """This worker has become leader: when this returns, no predecessor's write can arrive on the log any more.

        Raises `LogError`, `Retriable`; then the next `write` claims.
        """
        with self._lock:
            self._drop()
            self._claim()

    def write(self, messages: Sequence[Message], fence: Sequence[str] = ()) -> None:
        """All of them or none, durable when it returns. `fence`: transactional ids of others that must not write any
        more, such as of a view's job.

        Raises `NotLeader` where this worker leads no more, or another one has written as leader meanwhile; `LogError`
        where a message cannot be taken, `UnknownTopic` where a topic was deleted; `Retriable`, after which they may
        have been written or not.
        """
        with self._lock:
            if not self.leads():
                self._drop()
                raise NotLeader(f"{_NOT_WRITTEN}: this worker is not the leader of its cluster")
            topics = {message.topic for message in messages}
            self._demand(
                topic for topic in topics if time.monotonic() - self._looked_at.get(topic, 0.0) > self._look_every_s
            )
            producer = self._producer or self._claim()
            for other in fence:
                with closing(self._log.producer(other)) as fenced:
                    fenced.init_transactions()
            self._commit(producer, messages)

    def release(self) -> None:
        """This worker leads no more, or ends. May be called twice."""
        with self._lock:
            self._drop()

    def _claim(self) -> Producer:
        producer = self._log.producer(self._id)
        try:
            producer.init_transactions()
        except BaseException:
            _close(producer)
            raise
        self._producer = producer
        return producer

    def _commit(self, producer: Producer, messages: Sequence[Message]) -> None:
        try:
            producer.begin()
            producer.send(messages)
            producer.commit()
        except Fenced as error:
            self._drop()
            raise NotLeader(
                f"{_NOT_WRITTEN}: another worker writes as the leader of this cluster now. Ask again: whoever leads "
                "then will do it"
            ) from error
        except MessageRefused:
            self._abort(producer)
            raise
        except BaseException as error:
            self._drop()  # what has become of it shows at the next claim
            if isinstance(error, Retriable | UnknownTopic):
                self._demand({message.topic for message in messages})  # it is what brokers say of a topic that is gone
            raise

    def _demand(self, topics: Iterable[str]) -> None:
        """Each is there, and is the one that was there first. Raises `UnknownTopic`, `Retriable`."""
        wanted = sorted(topics)
        found = self._log.topics(wanted) if wanted else {}
        for topic in wanted:
            info = found.get(topic)
            if info is None or self._ids.setdefault(topic, info.topic_id) != info.topic_id:
                what = "was deleted" if info is None else "was deleted and made again"
                raise UnknownTopic(f"{_NOT_WRITTEN}: topic {topic} {what} while this worker ran. {way_back(topic)}")
            self._looked_at[topic] = time.monotonic()

    def _abort(self, producer: Producer) -> None:
        try:
            producer.abort()
        except HeadwaterError as error:
            log.info("a transaction of %s could not be aborted and is left to the next claim: %s", self._id, error)
            self._drop()

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer)


def _close(producer: Producer) -> None:
    try:
        producer.close()
    except HeadwaterError as error:
        log.debug("closing a producer of the config topic: %s", error)
