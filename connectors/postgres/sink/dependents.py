"""What depends on a view's tables, and what a swap does with it: carry over, re-create, or refuse.

Carried over: grants, owner, comments, storage options, indexes, constraints. Re-created: views, triggers. Everything
else that names the table by its identity would silently go on with the old generation: it blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headwater.worker.api import Finding

from .connection import Connection
from .state import TableState

_VIEWS: Final = """
SELECT DISTINCT v.oid, v.oid::regclass::text, v.relkind::text, pg_has_role(v.relowner, 'USAGE'), r.rulename::text,
  coalesce(a.attname::text, ''), d.refobjid = r.ev_class
FROM pg_depend d
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %s::regclass ORDER BY 2, 6
"""
_OTHERS: Final = """
WITH t AS (SELECT %s::regclass::oid AS oid)
SELECT 'foreign key', conname::text || ' of ' || conrelid::regclass::text FROM pg_constraint, t
  WHERE contype = 'f' AND (conrelid = t.oid OR confrelid = t.oid)
UNION ALL SELECT 'publication', p.pubname::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid, t
  WHERE r.prrelid = t.oid
UNION ALL SELECT 'row level security', c.oid::regclass::text FROM pg_class c, t WHERE c.oid = t.oid
  AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = t.oid))
UNION ALL SELECT 'inheritance', coalesce(nullif(inhrelid, t.oid), inhparent)::regclass::text FROM pg_inherits, t
  WHERE inhrelid = t.oid OR inhparent = t.oid
UNION ALL SELECT 'row type', pg_describe_object(d.classid, d.objid, d.objsubid)
  FROM pg_depend d, t, pg_class c, pg_type y
  WHERE c.oid = t.oid AND y.oid = c.reltype AND d.refclassid = 'pg_type'::regclass
  AND d.refobjid IN (c.reltype, y.typarray) AND d.deptype = 'n'
UNION ALL SELECT 'statistics', stxname::text FROM pg_statistic_ext, t WHERE stxrelid = t.oid
UNION ALL SELECT 'function', pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d, t
  WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
ORDER BY 1, 2
"""
_TRIGGERS: Final = """
SELECT tgname::text, pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger
WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class DependentView:
    """A plain view over one of our tables; `columns`: those of the table that it uses."""

    oid: int
    name: str
    owned: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trigger:
    """`enabled`: pg_trigger.tgenabled, `O` being the usual one."""

    name: str
    definition: str
    enabled: str


@dataclass(frozen=True, slots=True)
class Dependents:
    """`blocking`: sentences, each with its way out."""

    views: tuple[DependentView, ...]
    triggers: tuple[Trigger, ...]
    blocking: tuple[str, ...]


def dependents_of(connection: Connection, table: TableState) -> Dependents:
    """Names in the result are qualified as the session's search_path demands."""
    views: dict[int, tuple[str, bool, list[str]]] = {}
    blocking = []
    for oid, name, relkind, owned, rule, column, on_itself in connection.execute(_VIEWS, [table.qualified]):
        if relkind == "v" and rule == "_RETURN":
            views.setdefault(oid, (name, owned, []))[2].append(column)
        elif relkind == "m" and rule == "_RETURN":
            blocking.append(
                f"the materialized view {name} reads {table.part}: drop it, and make it again after the swap"
            )
        else:
            where = table.part if on_itself else name
            blocking.append(f"the rule {rule} on {where} names {table.part}: drop it, and make it again after the swap")
    for kind, what in connection.execute(_OTHERS, [table.qualified]):
        blocking.append(f"{kind}: {what} is tied to {table.part}: drop it, and make it again after the swap")
    triggers = [Trigger(*row) for row in connection.execute(_TRIGGERS, [table.qualified])]
    found = tuple(DependentView(oid, n, o, tuple(c for c in columns if c)) for oid, (n, o, columns) in views.items())
    return Dependents(found, tuple(triggers), tuple(dict.fromkeys(blocking)))


def obstacles(
    dependents: Dependents, part: str, old: Mapping[str, str], new: Mapping[str, str] | None
) -> Iterator[str]:
    """Why a swap cannot be. `old`, `new`: column types by name; `new` None: the new generation has no such table."""
    yield from dependents.blocking
    for view in dependents.views:
        if new is None:
            yield f"the view {view.name} reads {part}, which the new generation does not have: drop the view"
        elif not view.owned:
            yield f"the view {view.name} belongs to another role: grant that role to the view's user, or drop the view"
        else:
            for column in view.columns:
                if column not in new:
                    yield f"the view {view.name} uses {part}.{column}, which the new generation lacks: drop the view"
                elif old.get(column) != new.get(column):
                    yield (
                        f"the view {view.name} uses {part}.{column}, whose type changes from {old.get(column)} to "
                        f"{new.get(column)}: drop the view, and make it again after the swap"
                    )


def sorted_findings(part: str, dependents: Dependents, blocking: Sequence[str]) -> list[Finding]:
    """For preflight: every dependent with what becomes of it."""
    found = [Finding("error", part, f"the swap is blocked: {reason}") for reason in blocking]
    if not blocking:
        found += [Finding("ok", part, f"the view {view.name} will be re-created") for view in dependents.views]
    found += [Finding("ok", part, f"the trigger {t.name} will be re-created") for t in dependents.triggers]
    return found
