"""What the view's database still lacks."""

from __future__ import annotations

from dataclasses import replace

from headwater.worker.api import DataError, Finding, HeadwaterError, Values

from .connection import Connection, connect, shown
from .existing import findings_for
from .meanings import creates_tables, folds_names, keeps_dots
from .naming import table_name
from .quoting import quoted
from .state import FORMAT, has_state

OLDEST_VERSION = 130_000
"""PostgreSQL 13: the oldest one that its community still maintains, or did lately."""

_RIGHTS = """
SELECT current_user, current_database(), current_schema(),
  has_database_privilege(current_database(), 'CREATE'), has_database_privilege(current_database(), 'TEMPORARY'),
  CASE WHEN current_schema() IS NULL THEN false ELSE has_schema_privilege(current_schema(), 'CREATE') END,
  pg_is_in_recovery(), current_setting('server_version_num')::int, current_setting('server_version'),
  current_setting('server_encoding')
"""


def findings(values: Values, tables: bool = True) -> list[Finding]:
    """`tables`: also look for tables of the names that the view's own will have."""
    try:
        connection = connect(values)
    except (HeadwaterError, ValueError) as error:
        fix = "start the server, or correct connection.url, connection.username and connection.password"
        return [Finding("error", "connection", str(error), fix)]
    with connection:
        connected = Finding("ok", "connection", f"connected to {shown(values)}")
        return [connected, *_rights(connection, values), *(_tables(connection, values) if tables else ())]


def _tables(connection: Connection, values: Values) -> list[Finding]:
    """Tables that are there already. Where a transform may give topics other names, only the records will tell."""
    row = connection.execute("SELECT current_schema()").fetchone()
    names = []
    for topic in values.get("topics") or ():
        try:
            pattern = values["collection.name.format"]
            schema, table = table_name(pattern, topic, None, folds_names(values), keeps_dots(values))
        except DataError:  # the name needs what only a record has
            continue
        schema = schema or (row[0] if row and row[0] else "")
        if schema:
            names.append((schema, table))
    found = findings_for(connection, values, str(values.get("name", "")), names)
    if not values.get("transforms"):
        return found
    return [
        replace(f, level="warning", message=f"{f.message}; so it is, unless a transform renames the topic")
        for f in found
    ]


def _rights(connection: Connection, values: Values) -> list[Finding]:
    row = connection.execute(_RIGHTS).fetchone()
    if row is None:
        return [Finding("error", "privileges", "the server did not answer")]
    user, database, schema, may_make_schema, may_stage, may_make_table, standby, number, version, encoding = row
    found = []
    if standby:
        found.append(Finding("error", "server", "it is a read-only standby", "connect to the primary"))
    level = "ok" if number >= OLDEST_VERSION else "error"
    found.append(Finding("ok" if level == "ok" else "error", "version", f"PostgreSQL {version}"))
    if encoding != "UTF8":
        message = f"server_encoding is {encoding}: characters that it lacks make records fail"
        found.append(Finding("warning", "encoding", message, "use a database with encoding UTF8"))
    if not may_stage:
        found.append(Finding("error", "privileges", f"{user} may not make temporary tables",
                             f"GRANT TEMPORARY ON DATABASE {quoted(database)} TO {quoted(user)}"))  # fmt: skip
    found.append(_state(connection, values, user, database, may_make_schema))
    if creates_tables(values) and schema is not None and not may_make_table:
        found.append(Finding("error", "privileges", f"{user} may not make tables in schema {schema}",
                             f"GRANT CREATE ON SCHEMA {quoted(schema)} TO {quoted(user)}"))  # fmt: skip
    elif schema is None:
        found.append(Finding("error", "schema", f"{user} has no schema in its search_path",
                             f"ALTER ROLE {quoted(user)} SET search_path = public"))  # fmt: skip
    elif may_make_table:
        found.append(Finding("ok", "privileges", f"{user} may make tables in schema {schema}"))
    return found


def _state(connection: Connection, values: Values, user: str, database: str, may_make_schema: bool) -> Finding:
    state: str = values["state.schema"]
    if has_state(connection, state):
        row = connection.execute(
            "SELECT bool_and(has_table_privilege(c.oid, p.name)) FROM pg_class c "  # of a list any would do
            "JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) "
            "AS p(name) WHERE n.nspname = %s AND c.relkind = 'r'",
            [state],
        ).fetchone()
        if row and row[0]:
            return Finding("ok", "state", f"Headwater's tables are in schema {state}, format {FORMAT}")
        fix = f"GRANT ALL ON ALL TABLES IN SCHEMA {state} TO {quoted(user)}"
        return Finding("error", "state", f"{user} may not use Headwater's tables in schema {state}", fix)
    exists = connection.execute(
        "SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %s", [state]
    ).fetchone()
    if exists and not exists[0]:
        return Finding("error", "state", f"{user} may not make tables in schema {state}",
                       f"GRANT CREATE ON SCHEMA {state} TO {quoted(user)}")  # fmt: skip
    if not exists and not may_make_schema:
        return Finding("error", "state", f"{user} may not make the schema {state} for Headwater's own tables",
                       f"CREATE SCHEMA {state} AUTHORIZATION {quoted(user)}, or GRANT CREATE ON DATABASE "
                       f"{quoted(database)} TO {quoted(user)}")  # fmt: skip
    return Finding("ok", "state", f"Headwater's tables will be made in schema {state}")
