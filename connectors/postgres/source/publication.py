"""The publication: which tables' changes the server sends."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
from psycopg import sql

from headwater.worker.api import Fatal

from .connection import Connection, rows
from .failures import failure, sqlstate
from .server import version
from .settings import Settings
from .tables import Candidate

_log = logging.getLogger(__name__)


class PublishedTable(NamedTuple):
    """`columns` None: all of them. `where`: the row filter as SQL, or None."""

    columns: tuple[str, ...] | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """`via_root`: changes of partitions come under the name of their root. `generated`: stored generated columns are
    sent. `operations`: what is sent, of c, u, d, t."""

    all_tables: bool
    via_root: bool
    generated: bool
    operations: frozenset[str]
    tables: Mapping[str, PublishedTable] = field(default_factory=dict)

    def covers(self, full_name: str) -> bool:
        return full_name in self.tables


def find_publication(connection: Connection, name: str) -> Publication | None:
    found = rows(connection, "SELECT to_jsonb(p) FROM pg_publication p WHERE pubname = %s", [name])
    if not found:
        return None
    flags = found[0][0]
    details = "attnames::text[], rowfilter" if version(connection) >= 150_000 else "NULL, NULL"
    tables = {
        f"{schema}.{table}": PublishedTable(None if columns is None else tuple(columns), where)
        for schema, table, columns, where in rows(
            connection,
            f"SELECT schemaname, tablename, {details} FROM pg_publication_tables WHERE pubname = %s",  # noqa: S608
            [name],
        )
    }
    sent = {"c": "pubinsert", "u": "pubupdate", "d": "pubdelete", "t": "pubtruncate"}
    return Publication(
        flags["puballtables"],
        flags["pubviaroot"],
        flags.get("pubgencols") == "s",
        frozenset(operation for operation, column in sent.items() if flags[column]),
        tables,
    )


def demand_publication(connection: Connection, settings: Settings) -> None:
    """Raises `Fatal` where the publication that Debezium made is not there."""
    if find_publication(connection, settings.publication) is None:
        raise Fatal(
            f"there is a stored offset of Debezium's but no publication {settings.publication!r}, with which its slot "
            "was read; nothing was changed. Set publication.name to the one that Debezium used (its default: "
            "dbz_publication)"
        )


def ensure_publication(connection: Connection, settings: Settings, tables: Sequence[Candidate]) -> Publication:
    """Make the publication or bring it into step, as `publication.autocreate.mode` says. Raises `Fatal`."""
    mode = settings["publication.autocreate.mode"]
    found = find_publication(connection, settings.publication)
    if found is None and mode == "disabled":
        raise Fatal(
            f"publication {settings.publication!r} does not exist and publication.autocreate.mode is disabled. "
            f"{statement_text(connection, settings, tables)}"
        )
    changes: list[sql.Composed] = []
    if found is None:
        changes = [create_statement(connection, settings, tables)]
        demand_identity(tables)
    elif mode == "filtered" and not found.all_tables:
        changes = _alterations(settings, found, tables)
    if changes:
        _execute(connection, settings, changes, tables)
        found = find_publication(connection, settings.publication)
    assert found is not None
    _check_operations(settings, found)
    return found


def _alterations(settings: Settings, found: Publication, tables: Sequence[Candidate]) -> list[sql.Composed]:
    name = sql.Identifier(settings.publication)
    changes = []
    if found.via_root != settings.partition_root:
        flag = sql.Literal("true" if settings.partition_root else "false")
        changes.append(sql.SQL("ALTER PUBLICATION {} SET (publish_via_partition_root = {})").format(name, flag))
    missing = [table for table in tables if not found.covers(table.full_name)]
    if missing:
        demand_identity(missing)
        changes.append(sql.SQL("ALTER PUBLICATION {} ADD TABLE {}").format(name, _table_list(missing)))
    return changes


def create_statement(connection: Connection, settings: Settings, tables: Sequence[Candidate]) -> sql.Composed:
    """CREATE PUBLICATION as the mode asks for it."""
    mode = settings["publication.autocreate.mode"]
    options = [sql.SQL("publish_via_partition_root = {}").format("true" if settings.partition_root else "false")]
    if version(connection) >= 180_000:
        options.append(sql.SQL("publish_generated_columns = stored").format())
    what = sql.SQL("")
    if mode == "all_tables":
        what = sql.SQL(" FOR ALL TABLES")
    elif mode in ("filtered", "disabled") and tables:
        return sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH ({})").format(
            sql.Identifier(settings.publication), _table_list(tables), sql.SQL(", ").join(options)
        )
    return sql.SQL("CREATE PUBLICATION {}{} WITH ({})").format(
        sql.Identifier(settings.publication), what, sql.SQL(", ").join(options)
    )


def _table_list(tables: Iterable[Candidate]) -> sql.Composed:
    # ONLY: children by inheritance are tables of their own here
    return sql.SQL(", ").join(
        sql.SQL("{}{}").format(sql.SQL("ONLY " if t.kind == "r" else ""), sql.Identifier(t.schema, t.name))
        for t in tables
    )


def statement_text(connection: Connection, settings: Settings, tables: Sequence[Candidate]) -> str:
    return create_statement(connection, settings, tables).as_string(connection)


def demand_identity(tables: Iterable[Candidate]) -> None:
    """Raises `Fatal` for tables whose updates would begin to fail in the user's own application."""
    wrong = [table for table in tables if not table.identifiable and table.replica_identity != "n"]
    if wrong:
        fixes = "; ".join(identity_fix(table) for table in wrong)
        raise Fatal(
            f"{', '.join(t.full_name for t in wrong)}: no primary key and no other replica identity. PostgreSQL "
            "refuses updates and deletes of such a table as soon as it is published, so nothing was published. Run "
            f"{fixes}; or leave them out with table.exclude.list"
        )


def identity_fix(table: Candidate) -> str:
    return f'ALTER TABLE "{table.schema}"."{table.name}" REPLICA IDENTITY FULL'


def _execute(
    connection: Connection, settings: Settings, changes: Iterable[sql.Composed], tables: Sequence[Candidate]
) -> None:
    for change in changes:
        text = change.as_string(connection)
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '5s'")
                connection.execute(change)
            _log.info("publication: %s", text)
        except psycopg.Error as error:
            if sqlstate(error) == "42501":
                not_owned = ", ".join(table.full_name for table in tables if not table.owned)
                raise Fatal(
                    f"{settings['database.user']!r} may not run: {text} ({str(error).strip()}). Let the owner of the "
                    f"tables{f' ({not_owned})' if not_owned else ''} or a superuser run it and set "
                    "publication.autocreate.mode = disabled, or make this user their owner"
                ) from None
            raise failure(error, f"running {text}") from None


def _check_operations(settings: Settings, found: Publication) -> None:
    missing = frozenset("cudt") - settings.skipped - found.operations
    if missing:
        names = {"c": "insert", "u": "update", "d": "delete", "t": "truncate"}
        raise Fatal(
            f"publication {settings.publication!r} does not send {', '.join(names[m] for m in sorted(missing))}. Run "
            f"ALTER PUBLICATION \"{settings.publication}\" SET (publish = 'insert, update, delete, truncate'), or name "
            "what you do not want in skipped.operations"
        )
