"""`headwater check`: what the server lacks, each with the statement that puts it right. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import psycopg

from headwater.worker.api import Finding, HeadwaterError

from .clear_columns import clear_columns
from .connection import Connection, address, open_connection, rows, value
from .failures import connection_fix, quoted
from .publication import Publication, find_publication, identity_fix, statement_text
from .server import OLDEST, backends_in_the_way, may_replicate, version
from .settings import Settings
from .slot import find_slot
from .tables import Candidate, TableFilter, candidates, captured


def check_server(settings: Settings) -> list[Finding]:
    """Everything that a start would need, also where an earlier answer was an error."""
    try:
        connection = open_connection(settings)
    except psycopg.Error as error:
        message = f"connecting to {address(settings)}: {' '.join(str(error).split())}"
        fix = connection_fix(error, settings["database.dbname"], settings["database.user"])
        return [Finding("error", "connection", message, fix)]
    with connection:
        findings = [Finding("ok", "connection", f"connected to {address(settings)}")]
        findings += [found for look in _OF_THE_SERVER for found in _safely(look, connection, settings)]
        return findings + _safely(_tables, connection, settings)


_RESTART: Final = "-- then restart the server"
Look = Callable[[Connection, Settings], Iterable[Finding]]


def _safely(look: Look, connection: Connection, settings: Settings) -> list[Finding]:
    subject = look.__name__.strip("_").replace("_", " ")
    try:
        return list(look(connection, settings))
    except HeadwaterError as error:
        return [Finding("error", subject, str(error))]
    except psycopg.Error as error:
        return [Finding("error", subject, " ".join(str(error).split()))]


def _version(connection: Connection, settings: Settings) -> Iterable[Finding]:
    found = version(connection)
    if found < OLDEST:
        yield Finding(
            "error", "version", f"PostgreSQL {found // 10_000} is too old", "upgrade to PostgreSQL 13 or newer"
        )
    else:
        yield Finding("ok", "version", f"PostgreSQL {found // 10_000}")


def _wal_level(connection: Connection, settings: Settings) -> Iterable[Finding]:
    level = value(connection, "SHOW wal_level")
    if level == "logical":
        yield Finding("ok", "wal_level", "logical")
    else:
        fix = f"ALTER SYSTEM SET wal_level = 'logical';\n{_RESTART}"
        yield Finding("error", "wal_level", f"is {level}: changes cannot be read", fix)


def _replication_privilege(connection: Connection, settings: Settings) -> Iterable[Finding]:
    user = settings["database.user"]
    if may_replicate(connection):
        yield Finding("ok", "replication privilege", f"{user} may replicate")
    else:
        fix = f"ALTER ROLE {quoted(user)} REPLICATION;\n-- on Amazon RDS: GRANT rds_replication TO {quoted(user)};"
        yield Finding("error", "replication privilege", f"{user} may not open a replication connection", fix)


def _slot(connection: Connection, settings: Settings) -> Iterable[Finding]:
    slot = find_slot(connection, settings) if settings.streams else None
    limit = int(value(connection, "SHOW max_replication_slots"))
    free = limit - int(value(connection, "SELECT count(*) FROM pg_replication_slots"))
    if slot is not None and slot.lost:
        drop = f"SELECT pg_drop_replication_slot('{slot.name}');"
        fix = f"{drop}\n-- then delete this connector's offsets and topics and start again"
        yield Finding("error", "slot", f"{slot.name} has lost its WAL: {slot.lost}", fix)
    elif slot is not None:
        used = f", in use by pid {slot.active_pid}" if slot.active_pid else ""
        yield Finding("ok", "slot", f"{slot.name} is there, {slot.lag_bytes:,} bytes of WAL behind{used}")
    elif free > 0:
        yield Finding("ok", "slot", f"{settings.slot} will be made")
    fix = f"ALTER SYSTEM SET max_replication_slots = {limit + 4};\n{_RESTART}"
    if free < 1 and slot is None:
        yield Finding("error", "free slots", f"all {limit} replication slots are taken", fix)
    elif free < 1:
        message = "none is free for the temporary slot that an interrupted snapshot, a new table or verify needs"
        yield Finding("warning", "free slots", message, fix)
    else:
        yield Finding("ok", "free slots", f"{free} of {limit} free")


def _wal_senders(connection: Connection, settings: Settings) -> Iterable[Finding]:
    limit = int(value(connection, "SHOW max_wal_senders"))
    busy = int(value(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"))
    free = limit - busy
    if free < 2:
        fix = f"ALTER SYSTEM SET max_wal_senders = {limit + 4};\n{_RESTART}"
        level: Final = "error" if free < 1 else "warning"
        yield Finding(level, "wal senders", f"{free} of {limit} free, two are needed at times", fix)
    else:
        yield Finding("ok", "wal senders", f"{free} of {limit} free")


def _old_transactions(connection: Connection, settings: Settings) -> Iterable[Finding]:
    old = value(
        connection,
        "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL "
        "AND xact_start < now() - interval '1 minute'",
    )
    if old:
        message = f"a new slot waits for transactions that write to end: {backends_in_the_way(connection)}"
        yield Finding("warning", "old transactions", message, "-- end them, e.g.\nSELECT pg_terminate_backend(PID);")


def _tables(connection: Connection, settings: Settings) -> Iterable[Finding]:
    filter = TableFilter(settings.raw)
    published = find_publication(connection, settings.publication)
    mode = settings["publication.autocreate.mode"]
    via_root = settings.partition_root if published is None or mode == "filtered" else published.via_root
    tables = captured(candidates(connection), filter, via_root)
    if not tables:
        message = "no table matches the filters"
        yield Finding("error", "tables", message, "see table.include.list, schema.include.list: they match whole names")
        return
    yield Finding("ok", "tables", f"{len(tables)} captured: {', '.join(t.full_name for t in tables[:20])}"
                  + (" …" if len(tables) > 20 else ""))  # fmt: skip
    yield from _publication(connection, settings, tables, published)
    for table in tables:
        yield from _table(settings, table)

    def masked_columns(connection: Connection, settings: Settings) -> Iterable[Finding]:
        return clear_columns(connection, settings, tables)

    yield from _safely(masked_columns, connection, settings)


def _publication(
    connection: Connection, settings: Settings, tables: list[Candidate], published: Publication | None
) -> Iterable[Finding]:
    name, mode, user = settings.publication, settings["publication.autocreate.mode"], settings["database.user"]
    if published is not None:
        missing = [t for t in tables if not published.covers(t.full_name)]
        if not missing:
            yield Finding("ok", "publication", f"{name} holds all captured tables")
        elif mode != "filtered" or not all(t.owned for t in missing):
            names = ", ".join(f"{quoted(t.schema)}.{quoted(t.name)}" for t in missing)
            fix = f"{_in_database(settings)}\nALTER PUBLICATION {quoted(name)} ADD TABLE {names};"
            message = f"{name} does not hold {', '.join(t.full_name for t in missing)}"
            yield Finding("error", "publication", message, fix)
        else:
            yield Finding("ok", "publication", f"{len(missing)} tables will be added to {name}")
        return
    statement = statement_text(connection, settings, tables)
    if mode == "disabled":
        fix = f"{_in_database(settings)}\n{statement};"
        yield Finding("error", "publication", f"{name} does not exist and autocreate.mode is disabled", fix)
        return
    superuser = value(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    others = ", ".join(t.full_name for t in tables if not t.owned)
    by_hand = f"{_in_database(settings)}\n{statement};\n-- and set publication.autocreate.mode: disabled"
    if mode == "all_tables" and not superuser:
        yield Finding("error", "publication", f"only a superuser may create {name} FOR ALL TABLES", by_hand)
    elif mode == "filtered" and others:
        yield Finding("error", "publication", f"{user} does not own {others}, so it cannot publish them",
                      _ways_to_publish(connection, settings, tables, by_hand))  # fmt: skip
    elif not value(connection, "SELECT has_database_privilege(current_database(), 'CREATE')"):
        yield Finding("error", "publication", f"{user} may not create {name}",
                      _ways_to_publish(connection, settings, tables, by_hand))  # fmt: skip
    else:
        yield Finding("ok", "publication", f"{name} will be made: {statement}")


def _ways_to_publish(connection: Connection, settings: Settings, tables: list[Candidate], by_hand: str) -> str:
    """Rights with which Headwater keeps the publication, or `by_hand`. Never a superuser's rights: too much to give."""
    user = quoted(settings["database.user"])
    owners = rows(
        connection,
        "SELECT DISTINCT r.rolname, r.rolsuper FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
        "WHERE c.oid = ANY(%s) ORDER BY 1",
        [[t.oid for t in tables if not t.owned]],
    )
    if any(superuser for _, superuser in owners):
        return by_hand
    grants = [f"GRANT {quoted(owner)} TO {user};" for owner, _ in owners]
    if not value(connection, "SELECT has_database_privilege(current_database(), 'CREATE')"):
        grants.append(f"GRANT CREATE ON DATABASE {quoted(settings['database.dbname'])} TO {user};")
    return "\n".join(["-- either let Headwater make it:", *grants, "-- or make it yourself:", by_hand])


def _in_database(settings: Settings) -> str:
    return f"-- in database {settings['database.dbname']}, as the tables' owner or a superuser:"


def _table(settings: Settings, table: Candidate) -> Iterable[Finding]:
    user = settings["database.user"]
    if not table.readable and settings.snapshots:
        schema = quoted(table.schema)
        fix = (
            f"{_in_database(settings)}\nGRANT USAGE ON SCHEMA {schema} TO {quoted(user)};\n"
            f"GRANT SELECT ON {schema}.{quoted(table.name)} TO {quoted(user)};"
        )
        yield Finding("error", table.full_name, f"{user} may not read it", fix)
    fix = f"{_in_database(settings)}\n{identity_fix(table)};"
    if table.replica_identity == "n":
        message = "replica identity nothing: PostgreSQL refuses its updates and deletes, only inserts are captured"
        yield Finding("warning", table.full_name, message, fix)
    elif not table.identifiable:
        message = "no primary key and no other replica identity: once published, its updates and deletes would fail"
        yield Finding("error", table.full_name, message, fix)
    elif not table.keyed and table.replica_identity == "f":
        message = "no key: its topic keeps every change and a view can only append; message.key.columns names a key"
        yield Finding("warning", table.full_name, message)


_OF_THE_SERVER: Final[tuple[Look, ...]] = (
    _version, _wal_level, _replication_privilege, _slot, _wal_senders, _old_transactions,
)  # fmt: skip
