"""What one generation knows of itself, in a hidden index of its own: its parts, its offsets, what was refused.

The index PREFIX-VIEW-gN says in its mapping's `_meta.headwater` which view and generation it is, and in which format
(`FORMAT`). The alias PREFIX-VIEW-current stands on the index of the generation that readers see. Documents by `kind`:
`part` (public name, index, kind of versions), `offset` (topic, partition, topic id, owner, next), `refused` (topic,
partition, offset of a record that the server refused and the runtime skipped).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from headwater.worker.api import Fatal, Fenced, TopicPartition, Values

from ..client import Busy, Client, Refusal, answered
from .names import view_name, write_alias

FORMAT: Final = 1
HEADER, OFFSET = "header", "offset"
"""Kinds of versions; a generation's index knows one."""
_PAGE: Final = 1000
_MAPPING: Final = {
    "dynamic": False,
    "properties": {"kind": {"type": "keyword"}, "place": {"type": "keyword"}},
}
_SETTINGS: Final = {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}
_CONFLICTS: Final = 20


@dataclass(frozen=True, slots=True)
class Part:
    """`name`: what readers call it. `versions`: HEADER, OFFSET, or "" as long as nothing was written."""

    name: str
    index: str
    versions: str = ""


@dataclass(frozen=True, slots=True)
class OffsetState:
    """`next` None: nothing was written yet."""

    topic_id: str
    owner: str
    next: int | None


@dataclass(frozen=True, slots=True)
class GenerationState:
    """`meta`: of the state index's mapping."""

    number: int
    index: str
    current: bool
    meta: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        return bool(self.meta.get("complete"))


class ViewState:
    """The generations of a view."""

    def __init__(self, client: Client, values: Values, view: str) -> None:
        self._client, self._view = client, view
        self._base = f"{values['state.index.prefix']}-{view_name(view)}"

    @property
    def marker(self) -> str:
        return f"{self._base}-current"

    def index(self, number: int) -> str:
        return f"{self._base}-g{number}"

    def list(self) -> list[GenerationState]:
        """By number. Raises `Fatal` for those of another view or of a newer Headwater."""
        answer = answered(self._client, "GET", f"/{self._base}-g*", params={"expand_wildcards": "all"}) or {}
        found = []
        for name, about in answer.items():
            if matched := re.fullmatch(re.escape(self._base) + r"-g(\d+)", name):
                meta = about["mappings"].get("_meta", {}).get("headwater")
                if not meta or meta.get("view") != self._view:
                    raise Fatal(f"the index {name} is not this view's: set another state.index.prefix. Nothing changed")
                if meta["format"] != FORMAT:
                    raise Fatal(
                        f"the index {name} has format {meta['format']}, this Headwater knows {FORMAT}: run a newer "
                        "Headwater, or set another state.index.prefix. Nothing was changed"
                    )
                found.append(GenerationState(int(matched[1]), name, self.marker in about["aliases"], meta))
        return sorted(found, key=lambda state: state.number)

    def create(self, number: int, complete: bool, current: bool) -> None:
        """Nothing where it is there."""
        meta = {"format": FORMAT, "view": self._view, "complete": complete, "created_ms": time.time_ns() // 1_000_000}
        aliases: dict[str, Any] = {write_alias(self.index(number)): {}}
        if current:
            aliases[self.marker] = {}
        body = {
            "settings": {"index": _SETTINGS},
            "mappings": {**_MAPPING, "_meta": {"headwater": meta}},
            "aliases": aliases,
        }
        create_index(self._client, self.index(number), body)

    def finish(self, state: GenerationState) -> None:
        """From now on the generation counts as complete."""
        meta = {"headwater": {**state.meta, "complete": True}}
        self._client.request("PUT", f"/{state.index}/_mapping", {"_meta": meta})

    def generation(self, number: int) -> Generation:
        return Generation(self._client, self.index(number), self._view)


class Generation:
    """The documents of one state index."""

    def __init__(self, client: Client, index: str, view: str) -> None:
        self._client, self._index, self._view = client, index, view
        self._write = write_alias(index)

    def parts(self) -> dict[str, Part]:
        found = (Part(d["name"], d["index"], d["versions"]) for d in self._documents("part"))
        return {part.name: part for part in found}

    def part(self, name: str) -> Part | None:
        document = self._get(f"part:{name}")[0]
        return None if document is None else Part(document["name"], document["index"], document["versions"])

    def add_part(self, part: Part) -> None:
        """Nothing where it is there."""
        place = f"part:{part.name}"
        self._put(place, "part", vars_of(part), {"op_type": "create"})

    def set_versions(self, name: str, versions: str) -> str:
        """The kind of versions that the part has from now on: the first one that any task has set."""
        for _ in range(_CONFLICTS):
            document, condition = self._get(f"part:{name}")
            if document is None:
                raise Fenced(f"the generation {self._index} has been dropped")
            if document["versions"]:
                return str(document["versions"])
            if self._put(f"part:{name}", "part", {**document, "versions": versions}, condition):
                return versions
        raise Busy(f"other tasks keep changing {name} in {self._index}")

    def take_over(self, partitions: Mapping[TopicPartition, str], owner: str) -> dict[TopicPartition, OffsetState]:
        """Make `owner` the one that may move these offsets. Raises `Fatal` for a topic that was made anew."""
        return {tp: self._take(tp, topic_id, owner) for tp, topic_id in partitions.items()}

    def _take(self, tp: TopicPartition, topic_id: str, owner: str) -> OffsetState:
        for _ in range(_CONFLICTS):
            document, condition = self._get(offset_place(tp))
            held = None if document is None else offset_of(document)[1]
            if held is not None and topic_id and held.topic_id and held.topic_id != topic_id:
                raise Fatal(
                    f"the view {self._view} holds data of another topic {tp.topic} (id {held.topic_id}, now "
                    f"{topic_id}): the topic was deleted and made again; rebuild the view"
                )
            known = topic_id if held is None else held.topic_id or topic_id
            state = OffsetState(known, owner, None if held is None else held.next)
            if self._put(offset_place(tp), "offset", offset_document(tp, state), condition):
                return state
        raise Busy(f"other tasks keep taking {tp} of the view {self._view} over")

    def move(self, states: Mapping[TopicPartition, OffsetState], first: Mapping[TopicPartition, int]) -> None:
        """Set these offsets. Raises `Fenced` where another task owns one, or it does not stand at `first`."""
        for tp, state in states.items():
            document, condition = self._get(offset_place(tp))
            held = None if document is None else offset_of(document)[1]
            if held is None or held.owner != state.owner:
                raise Fenced(f"another task of the view {self._view} has taken {tp} over")
            if held.next not in (None, first[tp], state.next):
                raise Fenced(f"{tp}: the view holds the log up to {held.next}, the batch begins at {first[tp]}")
            moved = replace(held, next=state.next)
            if not self._put(offset_place(tp), "offset", offset_document(tp, moved), condition):
                raise Fenced(f"another task of the view {self._view} has taken {tp} over")

    def offsets(self) -> dict[TopicPartition, int]:
        found = dict(offset_of(document) for document in self._documents("offset"))
        return {tp: state.next for tp, state in found.items() if state.next is not None}

    def add_refused(self, places: Iterable[tuple[str, int, int]]) -> None:
        """Records (topic, partition, offset) that the view rightly lacks."""
        for topic, partition, offset in places:
            about = {"topic": topic, "partition": partition, "offset": offset}
            self._put(f"refused:{topic}:{partition}:{offset}", "refused", about, {})

    def refused(self) -> set[tuple[str, int, int]]:
        return {(d["topic"], d["partition"], d["offset"]) for d in self._documents("refused")}

    def _documents(self, kind: str) -> Iterator[dict[str, Any]]:
        if answered(self._client, "POST", f"/{self._index}/_refresh") is None:
            return
        after: list[Any] = []
        while True:
            body: dict[str, Any] = {"query": {"term": {"kind": kind}}, "size": _PAGE, "sort": [{"place": "asc"}]}
            if after:
                body["search_after"] = after
            hits = self._client.request("POST", f"/{self._index}/_search", body)["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]

    def _get(self, place: str) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """The document, and under which condition it may be replaced."""
        docs = self._client.request("POST", "/_mget", {"docs": [{"_index": self._index, "_id": place}]})["docs"]
        doc = docs[0]
        if "error" in doc:
            raise Fenced(f"the generation of the view {self._view} has been dropped: {self._index} is gone")
        if not doc.get("found"):
            return None, {"op_type": "create"}
        return doc["_source"], {"if_seq_no": str(doc["_seq_no"]), "if_primary_term": str(doc["_primary_term"])}

    def _put(self, place: str, kind: str, about: Mapping[str, Any], condition: Mapping[str, str]) -> bool:
        """False: somebody was faster."""
        verb: dict[str, Any] = {"_index": self._write, "_id": place}
        action = "create" if condition.get("op_type") == "create" else "index"
        verb |= {name: int(value) for name, value in condition.items() if name != "op_type"}
        body = lines_of({action: verb}, {"kind": kind, "place": place, **about})
        answer = self._client.request("POST", "/_bulk", body, {"require_alias": "true"}, lines=True)
        result = answer["items"][0][action]
        if result["status"] < 300:
            return True
        if result["status"] == 409:
            return False
        if result["status"] == 404:
            raise Fenced(f"the generation of the view {self._view} has been dropped: {self._index} is gone")
        raise Busy(f"{self._index}: {result.get('error')}")


def create_index(client: Client, name: str, body: Mapping[str, Any]) -> None:
    """Nothing where it is there; waits until its primaries are."""
    try:
        client.request("PUT", f"/{name}", dict(body))
    except Refusal as error:
        if error.kind != "resource_already_exists_exception":
            raise Fatal(f"the index {name} could not be made: {error.reason}. Nothing was written") from error


def offset_place(tp: TopicPartition) -> str:
    return f"offset:{tp.topic}:{tp.partition}"


def offset_document(tp: TopicPartition, state: OffsetState) -> dict[str, Any]:
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "topic_id": state.topic_id,
        "owner": state.owner,
        "next": state.next,
    }


def offset_of(document: Mapping[str, Any]) -> tuple[TopicPartition, OffsetState]:
    state = OffsetState(document["topic_id"], document["owner"], document["next"])
    return TopicPartition(document["topic"], document["partition"]), state


def vars_of(part: Part) -> dict[str, Any]:
    return {"name": part.name, "index": part.index, "versions": part.versions}


def lines_of(*documents: Mapping[str, Any]) -> bytes:
    return b"".join(orjson.dumps(dict(document)) + b"\n" for document in documents)
