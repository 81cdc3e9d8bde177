"""Consumer groups of the embedded log: next offsets, and static members with their epochs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from headwater.worker.api import Fenced, TopicPartition

from .contract import UnknownTopic
from .embedded_catalog import in_list
from .embedded_store import Store


def read_committed_offsets(
    store: Store, group: str, partitions: Iterable[TopicPartition] | None
) -> dict[TopicPartition, int]:
    rows = store.read(
        "SELECT t.name, p.number, g.next_offset FROM group_offset g JOIN partition p ON p.id = g.partition "
        "JOIN topic t ON t.id = p.topic WHERE g.group_id = ? ORDER BY t.name, p.number",
        (group,),
    )
    stored = {TopicPartition(topic, number): offset for topic, number, offset in rows}
    if partitions is None:
        return stored
    return {partition: stored[partition] for partition in partitions if partition in stored}


def store_offsets(connection: sqlite3.Connection, group: str, offsets: Mapping[int, int | None]) -> None:
    """Within the caller's transaction. Partition id -> next offset, None: forget. Raises `UnknownTopic`."""
    keep = [(group, key, offset) for key, offset in offsets.items() if offset is not None]
    forget = [(group, key) for key, offset in offsets.items() if offset is None]
    if keep:
        ids = in_list(key for _, key, _ in keep)
        ((found,),) = connection.execute(f"SELECT count(*) FROM partition WHERE id IN {ids}").fetchall()  # noqa: S608
        if found != len(keep):
            raise UnknownTopic(f"group {group}: a topic was deleted before its offsets were stored; nothing was stored")
        connection.executemany("INSERT OR REPLACE INTO group_offset VALUES (?, ?, ?)", keep)
    if forget:
        connection.executemany("DELETE FROM group_offset WHERE group_id = ? AND partition = ?", forget)


def join_group(store: Store, group: str, member: tuple[int, int]) -> int:
    """The member's new epoch. Fences who was this member before, and members of another number of members."""
    index, members = member
    with store.write() as connection:
        connection.execute("UPDATE counter SET value = value + 1 WHERE name = 'member'")
        ((epoch,),) = connection.execute("SELECT value FROM counter WHERE name = 'member'").fetchall()
        connection.execute("DELETE FROM group_member WHERE group_id = ? AND members <> ?", (group, members))
        connection.execute("INSERT OR REPLACE INTO group_member VALUES (?, ?, ?, ?)", (group, index, members, epoch))
    return int(epoch)


MEMBER_EPOCH = "SELECT epoch FROM group_member WHERE group_id = ? AND member = ?"


def check_member(rows: list[tuple[int]], group: str, member: tuple[int, int], epoch: int) -> None:
    """`rows`: the answer to `MEMBER_EPOCH`. Raises `Fenced`."""
    if rows != [(epoch,)]:
        raise Fenced(
            f"group {group}: another process has become member {member[0]} of {member[1]}, or the group was deleted. "
            "This task stops; the other one goes on where the group's offsets stand."
        )
