"""How far a generation is, partition by partition, and who may move it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headwater.worker.api import Fatal, Fenced, TopicPartition

from .connection import Connection


@dataclass(frozen=True, slots=True)
class Offsets:
    """The offset rows of one generation. `owner`: this task's incarnation, a random name."""

    state: str
    view: str
    generation: int
    owner: str

    def ensure_generation(self, connection: Connection) -> None:
        """Generation 1 of a new view is made by its first task. Raises `Fatal` for one that does not exist."""
        if self.generation == 1:
            with connection.transaction():
                connection.execute(
                    f"INSERT INTO {self.state}.generations (view, generation, current, complete) "  # noqa: S608
                    f"SELECT %s, 1, true, true WHERE NOT EXISTS (SELECT FROM {self.state}.generations WHERE view = %s) "
                    "ON CONFLICT DO NOTHING",
                    [self.view, self.view],
                )
        row = connection.execute(
            f"SELECT 1 FROM {self.state}.generations WHERE view = %s AND generation = %s",  # noqa: S608
            [self.view, self.generation],
        ).fetchone()
        if row is None:
            raise Fatal(
                f"the database has no generation {self.generation} of the view {self.view}: it was dropped; "
                "rebuild the view"
            )

    def take_over(
        self, connection: Connection, partitions: Mapping[TopicPartition, str]
    ) -> dict[TopicPartition, int | None]:
        """Become the owner; waits for an earlier owner's transaction. Returns the stored next offsets."""
        found: dict[TopicPartition, int | None] = {}
        with connection.transaction():
            for partition in sorted(partitions):
                topic_id = partitions[partition]
                row = connection.execute(
                    f"INSERT INTO {self.state}.offsets VALUES (%s, %s, %s, %s, %s, NULL, %s) "  # noqa: S608
                    "ON CONFLICT (view, generation, topic, partition) DO UPDATE SET owner = excluded.owner, "
                    "topic_id = coalesce(nullif(offsets.topic_id, ''), excluded.topic_id) "
                    "RETURNING topic_id, next_offset",
                    [self.view, self.generation, partition.topic, partition.partition, topic_id, self.owner],
                ).fetchone()
                stored_id, next_offset = row or ("", None)
                if topic_id and stored_id and stored_id != topic_id:
                    raise Fatal(
                        f"the view {self.view} holds data of another topic {partition.topic} (id {stored_id}, now "
                        f"{topic_id}): the topic was deleted and made again; rebuild the view"
                    )
                found[partition] = next_offset
        return found

    def lock(self, connection: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Lock these rows, in order, until the transaction ends. Raises `Fenced` where another task owns one."""
        wanted = sorted(partitions)
        rows = connection.execute(
            f"SELECT topic, partition, next_offset, owner FROM {self.state}.offsets WHERE view = %s "  # noqa: S608
            "AND generation = %s AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int[])) "
            "ORDER BY topic, partition FOR UPDATE",
            [self.view, self.generation, [p.topic for p in wanted], [p.partition for p in wanted]],
        ).fetchall()
        found = {TopicPartition(topic, number): (offset, owner) for topic, number, offset, owner in rows}
        for partition in wanted:
            offset_owner = found.get(partition)
            if offset_owner is None:
                raise Fenced(f"generation {self.generation} of the view {self.view} has been dropped")
            if offset_owner[1] != self.owner:
                raise Fenced(f"another task of the view {self.view} has taken {partition} over")
        return {partition: offset for partition, (offset, _) in found.items()}

    def advance(self, connection: Connection, ends: Mapping[TopicPartition, int]) -> None:
        """Store next offsets; the rows are locked."""
        items = sorted(ends.items())
        connection.execute(
            f"UPDATE {self.state}.offsets o SET next_offset = n.next FROM unnest(%s::text[], %s::int[], %s::bigint[]) "  # noqa: S608
            "AS n(topic, partition, next) WHERE o.view = %s AND o.generation = %s AND o.topic = n.topic "
            "AND o.partition = n.partition",
            [[p.topic for p, _ in items], [p.partition for p, _ in items], [n for _, n in items],
             self.view, self.generation],
        )  # fmt: skip

    def generation_state(self, connection: Connection) -> tuple[bool, int]:
        """Is it current, and the revision of its tables. Raises `Fenced` where the generation is gone."""
        row = connection.execute(
            f"SELECT current, revision FROM {self.state}.generations WHERE view = %s AND generation = %s",  # noqa: S608
            [self.view, self.generation],
        ).fetchone()
        if row is None:
            raise Fenced(f"generation {self.generation} of the view {self.view} has been dropped")
        return bool(row[0]), int(row[1])


def stored(connection: Connection, state: str, view: str, generation: int) -> dict[TopicPartition, int]:
    """Next offset durable in a generation, where there is one."""
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT topic, partition, next_offset FROM {state}.offsets WHERE view = %s AND generation = %s "  # noqa: S608
        "AND next_offset IS NOT NULL",
        [view, generation],
    ).fetchall()
    return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}
