"""Which objects there are: a listing of everything in pages now and then, and in between only of what is new.

S3 lists keys in the order of their bytes, from any key on. Where names ascend in a folder (times, offsets, numbers),
what is new comes after the last name that was seen, and one request finds it, whatever lies before. Names that come
between older ones are found by the next listing of everything.
Source: Amazon S3 API Reference, ListObjectsV2.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from headwater.connectors.object_store import READING, s3_errors

from .position import Found

PAGE = 1_000
"""Objects of one answer, S3's own limit."""
MOST_FOLDERS = 10_000
"""Folders that are looked at between two listings of everything; those in which something new came last."""
ALWAYS = 100
"""Folders that are looked at in every poll, where there are no more."""
PATIENCE = 0.1
"""Where there are more, one in which nothing came for so long is looked at after a tenth of that time."""
_SERIES = re.compile(r"(.+\+\d+\+)\d+")
"""Names that sinks give: topic, partition, offset. Offsets ascend in each partition."""


class Page(NamedTuple):
    """`folders`: below the prefix, with a slash at the end. `at_ms`: the store's clock. `last`: nothing follows."""

    objects: list[Found]
    folders: list[str]
    at_ms: int
    last: bool


class Bucket:
    """Counts its requests."""

    def __init__(self, client: Any, name: str) -> None:
        self.client, self.name = client, name
        self.requests = 0

    def page(self, prefix: str, after: str, delimiter: str = "") -> Page:
        """Keys behind `after`. Raises `Retriable`, `Fatal`."""
        self.requests += 1
        more = {"StartAfter": after} if after else {}
        more |= {"Delimiter": delimiter} if delimiter else {}
        with s3_errors("list", f"s3://{self.name}/{prefix}", READING):
            answer = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=PAGE, **more)
        objects = [_found(item["Key"], item, item["Size"]) for item in answer.get("Contents", ())]
        folders = [item["Prefix"] for item in answer.get("CommonPrefixes", ())]
        return Page(objects, folders, _clock_ms(answer), not answer.get("IsTruncated"))

    def head(self, key: str) -> Found | None:
        """None: it is not there, or not any more. Raises `Retriable`, `Fatal`."""
        from botocore.exceptions import ClientError

        self.requests += 1
        with s3_errors("look at", f"s3://{self.name}/{key}", READING):
            try:
                answer = self.client.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    return None
                raise
        return _found(key, answer, answer["ContentLength"])


def _found(key: str, answer: dict[str, Any], size: int) -> Found:
    modified_s = int(answer["LastModified"].timestamp())  # not all answers have fractions
    return Found(key, answer.get("ETag", "").strip('"') or f"~{modified_s}-{size}", size, modified_s * 1000)


def _clock_ms(answer: dict[str, Any]) -> int:
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return int(parsedate_to_datetime(date).timestamp() * 1000) if date else time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Place:
    """Where new names are looked for. `start`: what they begin with; `last`: the last one seen."""

    start: str
    last: str
    newest_ms: int
    due: float


class Tails:
    """The ends of all folders below a prefix. Fed by every listing of everything, so that it begins with nothing."""

    def __init__(self, bucket: Bucket, prefix: str, poll_s: float) -> None:
        self._bucket, self._prefix, self._poll_s = bucket, prefix, poll_s
        self._places: dict[str, _Place] = {prefix: _Place(prefix, "", 0, 0.0)}

    def __len__(self) -> int:
        return len(self._places)

    def saw(self, found: Found, clock_ms: int) -> None:
        """An object, of whatever task, listed when it was `clock_ms` by the store's clock."""
        folder_end = found.key.rfind("/") + 1
        folder = max(found.key[:folder_end], self._prefix, key=len)
        series = _SERIES.match(found.key, folder_end)
        if series is not None:
            self._note(found.key[: series.end(1)], found.key, found.modified_ms, clock_ms)
        self._note(folder, found.key, found.modified_ms, clock_ms)
        while len(folder) > len(self._prefix):
            below, folder = folder, max(folder[: folder.rfind("/", 0, -1) + 1], self._prefix, key=len)
            self._note(folder, _behind(below), found.modified_ms, clock_ms)

    def _note(self, start: str, last: str, modified_ms: int, clock_ms: int) -> None:
        place = self._places.get(start)
        if place is None:
            if len(self._places) >= 2 * MOST_FOLDERS:
                self._thin_out()
            place = self._places[start] = _Place(start, last, 0, math.inf)
        if last > place.last:
            place.last = last
        if modified_ms > place.newest_ms:
            place.newest_ms = modified_ms
            place.due = min(place.due, time.monotonic() + self._pause_s(place, clock_ms))

    def _pause_s(self, place: _Place, clock_ms: int) -> float:
        if len(self._places) <= ALWAYS:
            return self._poll_s
        return max(self._poll_s, (clock_ms - place.newest_ms) / 1000 * PATIENCE)

    def _thin_out(self) -> None:
        newest = sorted(self._places.values(), key=lambda place: place.newest_ms, reverse=True)[:MOST_FOLDERS]
        root = self._places[self._prefix]
        self._places = {place.start: place for place in (*newest, root)}

    def due(self, ahead_s: float = 0.0) -> list[str]:
        """Where to look now, each to be given to `look`; `ahead_s`: also where it would be time so soon."""
        now = time.monotonic() + ahead_s
        return [start for start, place in self._places.items() if place.due <= now]

    def look(self, start: str) -> Iterator[Found]:
        """What is new there; new folders are looked into when it is next asked what is due."""
        place = self._places.get(start)
        if place is None:
            return
        page = self._bucket.page(start, place.last, "/")
        for folder in page.folders:
            if folder not in self._places:
                self._places[folder] = _Place(folder, "", page.at_ms, 0.0)
            place.last = max(place.last, _behind(folder))
            place.newest_ms = max(place.newest_ms, page.at_ms)
        for found in page.objects:
            self.saw(found, page.at_ms)
            yield found
        place.due = time.monotonic() + (self._pause_s(place, page.at_ms) if page.last else 0.0)


def _behind(folder: str) -> str:
    """A name after everything in this folder, and before what follows: a slash is followed by the digit 0."""
    return folder[:-1] + "0"
