"""From an object that was found to its rows: which format, which topic, what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.connectors.formats import lacking, make_format, missing
from headwater.worker.api import Fatal, Values

from .content import ObjectContent
from .listing import Bucket
from .options import RESTORE, VIEW, mode, with_format
from .position import Found, ObjectPosition
from .reading import Reading, Report
from .row_records import BesideLines, PlainRows, RecordMaker
from .targets import TopicOf, topic_of
from .view_files import Table
from .view_rows import ViewRows


class Opening:
    """`tables`: of a view, by key. Raises `Fatal` where a package is missing."""

    def __init__(self, values: Values, bucket: Bucket, report: Report) -> None:
        self._values = values = with_format(values)
        if what := lacking(values):
            raise Fatal(f"format {values['format']} {what}")
        self._bucket, self._report = bucket, report
        self._format = make_format(values)
        self._most_rows: int = values["record.batch.max.size"]
        self._restores = mode(values) == RESTORE
        self.tables: Mapping[str, Table] = {}
        self.topic_of: TopicOf = self._view_topic if mode(values) == VIEW else topic_of(values)

    def _view_topic(self, key: str) -> str | None:
        table = self.tables.get(key)
        return None if table is None else self._values["topic"] or table.topic or key

    def reading(self, found: Found, position: ObjectPosition) -> Reading:
        """Raises `ObjectChanged`, `Retriable`, `Fatal`."""
        topic = self.topic_of(found.key) or ""
        content = self._content(found)
        maker = self._maker(found, content.url, topic)
        return Reading(content, position, self._format, maker, self._most_rows, self._report, topic)

    def _content(self, found: Found) -> ObjectContent:
        codec = self._values["compression"]
        content = ObjectContent(self._bucket.client, self._bucket.name, found, codec, self._format.whole)
        if what := missing(content.codec):
            raise Fatal(f"{content.url} is compressed with {content.codec}, which {what}")
        return content

    def _maker(self, found: Found, url: str, topic: str) -> RecordMaker:
        table = self.tables.get(found.key)
        if table is not None:
            return ViewRows(self._values["topic"], table.topic, table.key, self._values["key.fields"])
        beside: dict[str, BesideLines] = {}
        for part in ("keys", "headers"):
            if self._restores and self._values[f"store.kafka.{part}"]:
                beside[part] = self._lines_beside(found.key, part)
        # Records of old come back as they were, without headers of ours.
        values: Any = {**self._values, "headers.enabled": False} if self._restores else self._values
        return PlainRows(values, topic, url, beside)

    def _lines_beside(self, key: str, part: str) -> BesideLines:
        """`topics/t/partition=0/t+0+0000000000.json` -> `….keys.json`"""
        dot = key.find(".json", key.rfind("/"))
        name = f"{key[:dot]}.{part}{key[dot:]}" if dot > 0 else f"{key}.{part}"
        found = self._bucket.head(name)
        if found is None:
            raise Fatal(
                f"there is no s3://{self._bucket.name}/{name}, which store.kafka.{part} asks for beside {key}. Nothing "
                f"is lost. Set store.kafka.{part}: false where the sink did not write them"
            )
        content = self._content(found)
        # The option types is about the fields of values.
        return BesideLines(content, make_format(Values({**self._values, "types": ()})), content.url)
