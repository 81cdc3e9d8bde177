"""A generation held still: a point in time of each shard, read in the order in which it was written.

One point in time a shard, since `_seq_no`, the only order that both servers can go on from for every document, counts
within a shard.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from headwater.worker.api import BUCKETS, Fingerprint, HeadwaterError, Retriable, TopicPartition, bucket

from ..client import Client, Refusal, path
from .canonical import document_digest, shown
from .generation_records import Part

_log = logging.getLogger(__name__)

KEEP_ALIVE: Final = "12h"
"""After the last page. A comparison folds the log before it reads; whoever is killed leaves its points for so long."""
_PAGE: Final = 1000
_PAGE_BYTES: Final = 8 * 1024 * 1024


class PinnedReader:
    """Owns `client`. `opensearch`: which server's names for a point in time. `refused`: see `worker.api.Reader`."""

    def __init__(
        self,
        client: Client,
        opensearch: bool,
        offsets: Mapping[TopicPartition, int],
        parts: Sequence[Part],
        refused: Collection[tuple[str, int, int]] = frozenset(),
    ) -> None:
        self.offsets, self.refused = offsets, refused
        self._client, self._opensearch = client, opensearch
        self._points: dict[str, list[str]] = {}
        try:
            for part in parts:
                self._open(part.index, self._points.setdefault(part.name, []))
        except BaseException:
            self.close()
            raise

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        found = {}
        for part in self._points:
            buckets = found[part] = [Fingerprint() for _ in range(BUCKETS)]
            for key, document in self._documents(part):
                buckets[bucket(key)].add(document_digest(document))
        return found

    def rows(self, part: str, buckets: Sequence[int]) -> Iterator[tuple[bytes, int, str]]:
        wanted = frozenset(buckets)
        for key, document in self._documents(part):
            if bucket(key) in wanted:
                yield key, document_digest(document), shown(document)

    def close(self) -> None:
        points = [point for some in self._points.values() for point in some]
        self._points = {}
        for point in points:
            try:
                if self._opensearch:
                    self._client.request("DELETE", "/_search/point_in_time", {"pit_id": [point]})
                else:
                    self._client.request("DELETE", "/_pit", {"id": point})
            except HeadwaterError as error:
                _log.info("a point in time was not closed and ends by itself in %s: %s", KEEP_ALIVE, error)
        self._client.close()

    def _open(self, index: str, points: list[str]) -> None:
        """A point in time of each shard; none where nothing was written to the part yet."""
        try:
            self._client.request("POST", path(index, "_refresh"))
            settings = self._client.request("GET", path(index, "_settings"))[index]["settings"]["index"]
        except Refusal as error:
            if error.missing:
                return
            raise
        for shard in range(int(settings["number_of_shards"])):
            params = {"keep_alive": KEEP_ALIVE, "preference": f"_shards:{shard}"}
            what = ("_search", "point_in_time") if self._opensearch else ("_pit",)
            if self._opensearch:
                params["allow_partial_pit_creation"] = "false"
            answer = self._client.request("POST", path(index, *what), params=params)
            points.append(answer["pit_id" if self._opensearch else "id"])

    def _documents(self, part: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
        for number, point in enumerate(self._points.get(part, ())):
            size, after = 100, list[Any]()
            while True:
                body: dict[str, Any] = {
                    "pit": {"id": point, "keep_alive": KEEP_ALIVE},
                    "sort": [{"_seq_no": "asc"}],
                    "size": size,
                    "track_total_hits": False,
                }
                if after:
                    body["search_after"] = after
                try:
                    answer = self._client.request("POST", "/_search", body)
                except Refusal as error:
                    raise Retriable(f"{part} was held still for reading and is not any more: {error}") from error
                if answer.get("timed_out") or answer["_shards"]["failed"]:
                    raise Retriable(f"{part} could not be read whole: {answer['_shards']}")
                point = self._points[part][number] = answer.get("pit_id", point)
                hits = answer["hits"]["hits"]
                for hit in hits:
                    yield hit["_id"].encode(), hit["_source"]
                if len(hits) < size:
                    break
                after = hits[-1]["sort"]
                per_document = sum(len(str(hit["_source"])) for hit in hits[:20]) / len(hits[:20]) + 1
                size = max(10, min(_PAGE, int(_PAGE_BYTES / per_document)))
