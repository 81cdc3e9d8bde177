"""`copy: latest`: reads what there is of the partitions once, to know which records are passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as TheirPartition

from headwater.worker.api import DataError, TopicPartition

from ..cluster import meant
from .newest import Newest
from .position import Place
from .reading import Portions, place_of, version_of

_MOST: Final = 5000


class FirstPass:
    """`step` until it says True; then the places have their `until`, and `newest` is complete. Owns `client`.

    It always begins at the partition's first record: an offset that was passed on before a restart may be the newest
    of its key, and then no later one counts.
    """

    def __init__(self, client: Consumer, places: Mapping[TopicPartition, Place]) -> None:
        self.newest = Newest()
        self.places = places
        self.done = 0
        self._client = client
        self._portions = Portions(_MOST)
        self._open = set(places)
        client.assign([TheirPartition(p.topic, p.partition, OFFSET_BEGINNING) for p in sorted(places)])

    def step(self, timeout_s: float) -> bool:
        """Raises as `meant` does."""
        try:
            messages = self._portions.take(self._client, timeout_s)
        except KafkaException as error:
            raise meant(error, "reading for the newest records") from error
        for message in messages:
            wrong = message.error()
            if wrong is None:
                self._take(message)
            elif wrong.code() == KafkaError._PARTITION_EOF:
                self._ends(*place_of(message))
            else:
                raise meant(wrong, "reading for the newest records")
        return not self._open

    def _take(self, message: Message) -> None:
        partition, offset = place_of(message)
        until = self.places[partition].until
        if until is not None and offset >= until:
            self._ends(partition, until)
            return
        try:
            version = version_of(message)
        except DataError:
            version = None  # the second pass hands it over as bad, if it counts
        self.newest.add(partition, message.key(), version, offset, message.value() is None)
        self.done += 1

    def _ends(self, partition: TopicPartition, offset: int) -> None:
        place = self.places[partition]
        if place.until is None:
            place.until = offset
        self._open.discard(partition)

    def close(self) -> None:
        """`newest` stays open: whoever asks it closes it."""
        self._client.close()
