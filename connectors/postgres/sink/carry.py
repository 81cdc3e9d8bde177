"""What passes from the table that readers saw to the one that they will see: rights, names, comments, triggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .connection import Connection
from .dependents import Trigger
from .naming import generation_name, public_name
from .quoting import literal, qualified, quoted
from .state import TableState

_ACL: Final = """
SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, x.privilege_type,
  x.is_grantable, '' FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = %(table)s::regclass
UNION ALL
SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, x.privilege_type,
  x.is_grantable, a.attname::text FROM pg_attribute a, aclexplode(a.attacl) x
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
_COMMENTS: Final = """
SELECT coalesce(a.attname::text, ''), d.description FROM pg_description d
LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = %s::regclass
"""
_SEQUENCES: Final = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(s.relname), a.attname::text
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(old)s::regclass
  AND d.deptype = 'a' AND EXISTS (
    SELECT FROM pg_attrdef f JOIN pg_attribute b ON b.attrelid = f.adrelid AND b.attnum = f.adnum
    JOIN pg_depend u ON u.classid = 'pg_attrdef'::regclass AND u.objid = f.oid
    WHERE f.adrelid = %(new)s::regclass AND b.attname = a.attname
    AND u.refclassid = 'pg_class'::regclass AND u.refobjid = s.oid)
"""
"""Of `serial` columns: the defaults of both tables use the sequence, which goes with the table that owns it."""
_SHARED_NAMES: Final = """
SELECT conname::text, true FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype IN ('p', 'u', 'x')
UNION ALL
SELECT r.relname::text, false FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
WHERE i.indrelid = %(table)s::regclass
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
"""


def demote_names(connection: Connection, table: TableState, generation: int) -> list[str]:
    """Rename a table's keys and indexes to those of its generation; returns the public names that they had."""
    names = connection.execute(_SHARED_NAMES, {"table": table.qualified}).fetchall()
    for name, constraint in names:
        _rename(connection, table, name, generation_name(name, generation), constraint)
    return [name for name, _ in names]


def promote_names(connection: Connection, table: TableState, generation: int, public: Sequence[str]) -> None:
    """Give a table's keys and indexes the names that the table before had."""
    known = {generation_name(name, generation): name for name in public}
    for name, constraint in connection.execute(_SHARED_NAMES, {"table": table.qualified}).fetchall():
        _rename(connection, table, name, known.get(name, public_name(name, generation)), constraint)


def _rename(connection: Connection, table: TableState, old: str, new: str, constraint: bool) -> None:
    if old == new:
        return
    if constraint:
        connection.execute(f"ALTER TABLE {table.qualified} RENAME CONSTRAINT {quoted(old)} TO {quoted(new)}")
    else:
        connection.execute(f"ALTER INDEX {qualified(table.schema, old)} RENAME TO {quoted(new)}")


def carry_over(connection: Connection, old: TableState, new: TableState, columns: frozenset[str]) -> None:
    """Owner, sequences, grants, comments and storage options; `columns`: those that the new table has."""
    _carry_owner(connection, old, new)
    for sequence, column in connection.execute(_SEQUENCES, {"old": old.qualified, "new": new.qualified}).fetchall():
        connection.execute(f"ALTER SEQUENCE {sequence} OWNED BY {new.qualified}.{quoted(column)}")
    _carry_grants(connection, old, new, columns)
    for column, text in connection.execute(_COMMENTS, [old.qualified]).fetchall():
        if not column:
            connection.execute(f"COMMENT ON TABLE {new.qualified} IS {literal(text)}")
        elif column in columns:
            connection.execute(f"COMMENT ON COLUMN {new.qualified}.{quoted(column)} IS {literal(text)}")
    row = connection.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [old.qualified]).fetchone()
    if row is not None and row[0]:
        options = ", ".join(f"{name} = {literal(value)}" for name, _, value in (o.partition("=") for o in row[0]))
        connection.execute(f"ALTER TABLE {new.qualified} SET ({options})")


def _carry_owner(connection: Connection, old: TableState, new: TableState) -> None:
    row = connection.execute(
        "SELECT a.relowner = b.relowner, pg_get_userbyid(a.relowner)::text FROM pg_class a, pg_class b "
        "WHERE a.oid = %s::regclass AND b.oid = %s::regclass",
        [old.qualified, new.qualified],
    ).fetchone()
    if row is not None and not row[0]:
        connection.execute(f"ALTER TABLE {new.qualified} OWNER TO {quoted(row[1])}")


def _carry_grants(connection: Connection, old: TableState, new: TableState, columns: frozenset[str]) -> None:
    """The new table gets exactly the old one's rights: what default privileges gave it is taken away."""
    wanted = connection.execute(_ACL, {"table": old.qualified}).fetchall()
    given = connection.execute(_ACL, {"table": new.qualified}).fetchall()
    if sorted(wanted) == sorted(given):
        return
    for grantee in sorted({row[0] for row in given}):
        connection.execute(f"REVOKE ALL ON {new.qualified} FROM {grantee}")
    if not wanted:
        owner = "SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = %s::regclass"
        row = connection.execute(owner, [new.qualified]).fetchone()
        if row is not None:
            connection.execute(f"GRANT ALL ON {new.qualified} TO {row[0]}")
    for grantee, privilege, grantable, column in wanted:
        if column and column not in columns:
            continue
        what = f"{privilege} ({quoted(column)})" if column else privilege
        option = " WITH GRANT OPTION" if grantable else ""
        connection.execute(f"GRANT {what} ON {new.qualified} TO {grantee}{option}")


def move_triggers(connection: Connection, old: TableState, new: TableState, triggers: tuple[Trigger, ...]) -> None:
    """Both tables have their final names: the definitions, read before, name the new one."""
    modes = {"D": "DISABLE TRIGGER", "R": "ENABLE REPLICA TRIGGER", "A": "ENABLE ALWAYS TRIGGER"}
    for trigger in triggers:
        connection.execute(f"DROP TRIGGER {quoted(trigger.name)} ON {old.qualified}")
        connection.execute(trigger.definition)
        if trigger.enabled in modes:
            connection.execute(f"ALTER TABLE {new.qualified} {modes[trigger.enabled]} {quoted(trigger.name)}")


_VIEW_DEFINITION: Final = """
SELECT pg_get_viewdef(c.oid), c.reloptions, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""


def view_statement(connection: Connection, oid: int) -> str:
    """SQL that makes a view again in place, which keeps its owner, rights, comments and what depends on it."""
    row = connection.execute(_VIEW_DEFINITION, [oid]).fetchone()
    assert row is not None
    definition, options, name = row
    listed = ", ".join(f"{option} = {literal(value)}" for option, _, value in (o.partition("=") for o in options or ()))
    return f"CREATE OR REPLACE VIEW {name}{f' WITH ({listed})' if listed else ''} AS {definition}"
