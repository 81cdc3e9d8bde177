"""The tables of a generation as a task knows them: their schemas grow with the rows that come."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from headwater.worker.api import DataError

from ..columns import Layout, merge
from ..data_file import DataFile
from ..storage import Storage
from .manifest import Manifest, Table
from .rows import folder_name

_NO_ROWS: Final = "schemas"


class Tables:
    """`generation`: whose folder the files without rows go to."""

    def __init__(self, storage: Storage, generation: int) -> None:
        self._storage, self._generation = storage, generation
        self._tables: dict[str, Table] = {}
        self._schemas: dict[tuple[str, Layout, str], pa.Schema] = {}
        self._written: set[str] = set()

    def learn(self, manifest: Manifest) -> None:
        """Take over what other tasks have added; what this task knows besides stays."""
        for name, theirs in manifest.tables.items():
            self._written.add(theirs.schema_file)
            ours = self._tables.get(name)
            if ours is None:
                self._put(name, theirs)
            elif ours != theirs:
                schema = merge(theirs.schema, ours.schema)
                topics = tuple(sorted({*ours.topics, *theirs.topics}))
                if schema.equals(theirs.schema):
                    self._put(name, Table(theirs.schema, theirs.schema_file, topics, theirs.key))
                else:
                    self._put(name, Table(schema, self._path(name, schema), topics, theirs.key))

    def schema(self, name: str, layout: Layout, topic: str, key: tuple[str, ...] = ()) -> pa.Schema:
        """The table's schema, made to hold `layout`'s rows too. `key`: of a latest state.

        Raises `Incompatible`; `DataError` where a latest state would be made from two topics or by two keys.
        """
        found = self._schemas.get((name, layout, topic))
        if found is not None:
            return found
        known = self._tables.get(name)
        if known is not None and key:
            _check_latest(name, known, topic, key)
        topics = (topic,) if known is None else tuple(sorted({*known.topics, topic}))
        schema = layout.arrow if known is None else merge(known.schema, layout.arrow)
        if known is None or not schema.equals(known.schema):
            self._put(name, Table(schema, self._path(name, schema), topics, key))
        else:
            schema = known.schema
            if topics != known.topics:
                self._put(name, Table(schema, known.schema_file, topics, key))
        self._schemas[name, layout, topic] = schema
        return schema

    def merged_into(self, manifest: Manifest) -> Mapping[str, Table]:
        """What the next manifest says of tables. The files without rows are made."""
        self.learn(manifest)
        for table in self._tables.values():
            if table.schema_file not in self._written:
                DataFile(self._storage, table.schema_file, table.schema).publish()
                self._written.add(table.schema_file)
        return {**manifest.tables, **self._tables}

    def get(self, name: str) -> Table | None:
        return self._tables.get(name)

    def _put(self, name: str, table: Table) -> None:
        for marker in [marker for marker in self._schemas if marker[0] == name]:
            del self._schemas[marker]
        self._tables[name] = table

    def _path(self, name: str, schema: pa.Schema) -> str:
        """Named by its content, so that writers of the same schema write the same file."""
        mark = hashlib.blake2b(schema.serialize().to_pybytes(), digest_size=8).hexdigest()
        return f"g{self._generation}/{_NO_ROWS}/{folder_name(name)}/{mark}.parquet"


def _check_latest(name: str, known: Table, topic: str, key: tuple[str, ...]) -> None:
    if topic not in known.topics:
        raise DataError(
            f"topic {topic} leads to the table {name}, as does {known.topics[0]}: a latest state has one topic to a "
            "table. Give it another name with table.name.format or a transform, or use view.mode: change.log"
        )
    if key != known.key:
        raise DataError(
            f"topic {topic}: its key is now {', '.join(key)}, and the table {name} has {', '.join(known.key)}: rebuild "
            "the view"
        )
