"""The captured tables of a database, brought into the publication; asked at the start and now and then."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from headwater.worker.api import Fatal

from .connection import Connection
from .publication import Publication, demand_identity, ensure_publication, find_publication
from .settings import Settings
from .tables import Candidate, TableFilter, candidates, captured, shared_topics

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Capture:
    """`tables`: captured and published, in the order in which a snapshot reads them."""

    tables: tuple[Candidate, ...]
    publication: Publication
    added: frozenset[str] = frozenset()
    """Full names of those whose changes the server did not send until now."""

    def estimates(self) -> dict[int, int]:
        return {table.oid: table.rows for table in self.tables}


class Capturer:
    def __init__(self, connection: Connection, settings: Settings, filter: TableFilter) -> None:
        self._connection = connection
        self._settings = settings
        self._filter = filter
        self._left_out: set[str] = set()

    def capture(self, lenient: bool, may_be_none: bool = True) -> Capture:
        """Find the tables and bring the publication into step.

        `lenient`: a table that has come since and cannot be published is left out with a warning; else `Fatal`.
        `may_be_none`: no table matches, and that is fine; else `Fatal`, and nothing is made on the server.
        """
        existing = find_publication(self._connection, self._settings.publication)
        via_root = self._settings.partition_root
        if existing is not None and self._settings["publication.autocreate.mode"] != "filtered":
            via_root = existing.via_root
        tables = captured(candidates(self._connection), self._filter, via_root)
        if not tables and not may_be_none:
            raise Fatal(
                f"no table of database {self._settings['database.dbname']!r} matches the filters; no slot and no "
                "publication was made. See table.include.list and schema.include.list: they match whole names, as "
                "schema.table"
            )
        self._check(tables)
        if lenient and existing is not None:
            tables = [table for table in tables if self._can_publish(table, existing)]
        publication = ensure_publication(self._connection, self._settings, tables)
        covered = [table for table in tables if publication.covers(table.full_name)]
        before = frozenset(existing.tables) if existing else frozenset()
        added = frozenset(table.full_name for table in covered) - before
        for table in tables:
            if not publication.covers(table.full_name):
                self._leave_out(table, "the publication does not hold it")
        if tables and not covered and not lenient:
            raise Fatal(
                f"publication {self._settings.publication!r} holds none of the {len(tables)} tables that match the "
                "filters, so that no change would come. Add them with ALTER PUBLICATION … ADD TABLE, or set "
                "publication.autocreate.mode = filtered"
            )
        return Capture(tuple(self._ordered(covered)), publication, added)

    def _can_publish(self, table: Candidate, existing: Publication) -> bool:
        if existing.covers(table.full_name) or self._settings["publication.autocreate.mode"] != "filtered":
            return True
        if not table.owned and not existing.all_tables:
            return self._leave_out(table, "this user does not own it and may not add it to the publication")
        try:
            demand_identity([table])
        except Fatal as error:
            return self._leave_out(table, str(error))
        return True

    def _leave_out(self, table: Candidate, why: str) -> bool:
        if table.full_name not in self._left_out:
            self._left_out.add(table.full_name)
            _log.warning("%s is not captured: %s", table.full_name, why)
        return False

    def _check(self, tables: Sequence[Candidate]) -> None:
        settings = self._settings
        topics = {table.full_name: settings.topic(table.schema, table.name) for table in tables}
        if shared := shared_topics(topics):
            raise Fatal(f"tables would share a topic: {'; '.join(shared)}. Leave one out or change topic.delimiter")
        limit = settings["guardrail.collections.max"]
        if limit and len(tables) > limit:
            message = f"{len(tables)} tables are captured, more than guardrail.collections.max = {limit}"
            if settings["guardrail.collections.limit.action"] == "fail":
                raise Fatal(f"{message}. Narrow table.include.list or raise the limit")
            _log.warning(message)

    def _ordered(self, tables: Sequence[Candidate]) -> list[Candidate]:
        order = self._settings["snapshot.tables.order.by.row.count"]
        if order == "disabled":
            return list(tables)
        return sorted(tables, key=lambda table: table.rows, reverse=order == "descending")
