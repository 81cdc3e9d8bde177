"""The documents of one generation's state index; see `state`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import orjson

from headwater.worker.api import Fatal, Fenced, TopicPartition

from ..client import Busy, Client, answered, path
from ..client.contract import described, is_gone
from .names import write_alias

HEADER, OFFSET, EACH = "header", "offset", "each"
"""Kinds of versions; an index knows one. EACH: none, for each record has a document of its own."""
_PAGE: Final = 1000
_CONFLICTS: Final = 20


@dataclass(frozen=True, slots=True)
class Part:
    """`name`: what readers call it. `versions`: HEADER, OFFSET, EACH, or "" as long as nothing was written."""

    name: str
    index: str
    versions: str = ""


@dataclass(frozen=True, slots=True)
class OffsetState:
    """`next` None: nothing was written yet."""

    topic_id: str
    owner: str
    next: int | None


class _Stored(NamedTuple):
    """`document` None: there is none. `condition`: under which it may be replaced."""

    document: dict[str, Any] | None
    condition: Mapping[str, int]


class GenerationRecords:
    """`index`: the state index; it is written to through an alias, so that nobody makes it again by writing."""

    def __init__(self, client: Client, index: str, view: str) -> None:
        self._client, self._index, self._view = client, index, view
        self._write = write_alias(index)

    def parts(self) -> dict[str, Part]:
        found = (Part(d["name"], d["index"], d["versions"]) for d in self._documents("part"))
        return {part.name: part for part in found}

    def part(self, name: str) -> Part | None:
        document = self._get([f"part:{name}"])[f"part:{name}"].document
        return None if document is None else Part(document["name"], document["index"], document["versions"])

    def add_part(self, part: Part) -> None:
        """Nothing where it is there."""
        about = {"name": part.name, "index": part.index, "versions": part.versions}
        self._put("part", {f"part:{part.name}": _Stored(about, {})})

    def set_versions(self, name: str, versions: str) -> str:
        """The kind of versions that the part has from now on: the first one that any task has set."""
        place = f"part:{name}"
        for _ in range(_CONFLICTS):
            document, condition = self._get([place])[place]
            if document is None:
                raise Fenced(f"the part {name} of {self._index} is gone")
            if document["versions"]:
                return str(document["versions"])
            if not self._put("part", {place: _Stored({**document, "versions": versions}, condition)}):
                return versions
        raise Busy(f"other tasks keep changing {name} in {self._index}")

    def take_over(self, partitions: Mapping[TopicPartition, str], owner: str) -> dict[TopicPartition, OffsetState]:
        """Make `owner` the one that may move these offsets. Raises `Fatal` for a topic that was made anew."""
        found: dict[TopicPartition, OffsetState] = {}
        for _ in range(_CONFLICTS):
            left = {_offset_place(tp): tp for tp in partitions if tp not in found}
            if not left:
                return found
            wanted, states = {}, {}
            for place, stored in self._get(left).items():
                tp = left[place]
                states[tp] = self._taken(tp, partitions[tp], owner, stored.document)
                wanted[place] = _Stored(_offset_document(tp, states[tp]), stored.condition)
            failed = self._put("offset", wanted)
            found |= {tp: states[tp] for place, tp in left.items() if place not in failed}
        raise Busy(f"other tasks keep taking partitions of the view {self._view} over")

    def _taken(self, tp: TopicPartition, topic_id: str, owner: str, document: Mapping[str, Any] | None) -> OffsetState:
        if document is None:
            return OffsetState(topic_id, owner, None)
        held = _offset_of(document)[1]
        if topic_id and held.topic_id and held.topic_id != topic_id:
            raise Fatal(
                f"the view {self._view} holds data of another topic {tp.topic} (id {held.topic_id}, now {topic_id}): "
                "the topic was deleted and made again; rebuild the view"
            )
        return replace(held, topic_id=held.topic_id or topic_id, owner=owner)

    def move(self, first: Mapping[TopicPartition, int], until: Mapping[TopicPartition, int], owner: str) -> None:
        """Offsets from `first` to `until`. Raises `Fenced` where another task owns one, or it stands elsewhere."""
        places = {_offset_place(tp): tp for tp in until}
        wanted = {}
        for place, stored in self._get(places).items():
            tp = places[place]
            held = None if stored.document is None else _offset_of(stored.document)[1]
            if held is None or held.owner != owner:
                raise Fenced(f"another task of the view {self._view} has taken {tp} over")
            if held.next not in (None, first[tp], until[tp]):
                raise Fenced(f"{tp}: the view holds the log up to {held.next}, the batch begins at {first[tp]}")
            wanted[place] = _Stored(_offset_document(tp, replace(held, next=until[tp])), stored.condition)
        if failed := self._put("offset", wanted):
            raise Fenced(f"another task of the view {self._view} has taken {places[min(failed)]} over")

    def offsets(self) -> dict[TopicPartition, int]:
        found = dict(map(_offset_of, self._documents("offset")))
        return {tp: state.next for tp, state in found.items() if state.next is not None}

    def add_refused(self, records: Iterable[tuple[str, int, int]]) -> None:
        """Records (topic, partition, offset) that the view rightly lacks."""
        wanted = {
            f"refused:{topic}:{partition}:{offset}": _Stored(
                {"topic": topic, "partition": partition, "offset": offset}, {}
            )
            for topic, partition, offset in records
        }
        if wanted:
            self._put("refused", wanted)

    def forget_refused(self, records: Iterable[tuple[str, int, int]]) -> None:
        """The view has them now, after all. Nothing where they were never refused by the server."""
        lines = [
            {"delete": {"_index": self._write, "_id": f"refused:{topic}:{partition}:{offset}"}}
            for topic, partition, offset in sorted(records)
        ]
        if not lines:
            return
        body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        answer = self._client.request("POST", "/_bulk", body, {"require_alias": "true"}, lines=True)
        for item in (next(iter(item.values())) for item in answer.get("items", ())):
            if item["status"] >= 300 and item["status"] != 404:
                raise Busy(f"{self._index}: {item.get('error')}")

    def refused(self) -> set[tuple[str, int, int]]:
        return {(d["topic"], d["partition"], d["offset"]) for d in self._documents("refused")}

    def _documents(self, kind: str) -> Iterator[dict[str, Any]]:
        """None where the index is not there."""
        if answered(self._client, "POST", path(self._index, "_refresh")) is None:
            return
        after: list[Any] = []
        while True:
            body: dict[str, Any] = {"query": {"term": {"kind": kind}}, "size": _PAGE, "sort": [{"place": "asc"}]}
            if after:
                body["search_after"] = after
            hits = self._client.request("POST", path(self._index, "_search"), body)["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]

    def _get(self, places: Iterable[str]) -> dict[str, _Stored]:
        asked = [{"_index": self._index, "_id": place} for place in places]
        found = {}
        for doc in self._client.request("POST", "/_mget", {"docs": asked})["docs"]:
            if "error" in doc:
                if not is_gone(doc["error"]):
                    raise Busy(f"{self._index} cannot be read: {': '.join(described(doc['error']))}")
                raise Fenced(f"the generation of the view {self._view} has been dropped: {self._index} is gone")
            if doc.get("found"):
                condition = {"if_seq_no": doc["_seq_no"], "if_primary_term": doc["_primary_term"]}
                found[doc["_id"]] = _Stored(doc["_source"], condition)
            else:
                found[doc["_id"]] = _Stored(None, {})
        if len(found) != len(asked):
            raise Busy("POST /_mget: the server's answer is not whole")
        return found

    def _put(self, kind: str, documents: Mapping[str, _Stored]) -> Collection[str]:
        """Each on its condition; without one, only where there is none. Returns the places that stayed as they are."""
        lines: list[dict[str, Any]] = []
        for place, (about, condition) in documents.items():
            action = "index" if condition else "create"
            lines.append({action: {"_index": self._write, "_id": place, **condition}})
            lines.append({**(about or {}), "kind": kind, "place": place})
        body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        answer = self._client.request("POST", "/_bulk", body, {"require_alias": "true"}, lines=True)
        items = [next(iter(item.values())) for item in answer.get("items", ())]
        if len(items) != len(documents):
            raise Busy("POST /_bulk: the server's answer is not whole")
        for item in items:
            if item["status"] == 404:
                raise Fenced(f"the generation of the view {self._view} has been dropped: {self._index} is gone")
            if item["status"] >= 300 and item["status"] != 409:
                raise Busy(f"{self._index}: {item.get('error')}")
        return {place for place, item in zip(documents, items, strict=True) if item["status"] == 409}


def _offset_place(tp: TopicPartition) -> str:
    return f"offset:{tp.topic}:{tp.partition}"


def _offset_document(tp: TopicPartition, state: OffsetState) -> dict[str, Any]:
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "topic_id": state.topic_id,
        "owner": state.owner,
        "next": state.next,
    }


def _offset_of(document: Mapping[str, Any]) -> tuple[TopicPartition, OffsetState]:
    state = OffsetState(document["topic_id"], document["owner"], document["next"])
    return TopicPartition(document["topic"], document["partition"]), state
