"""Before a rebuild: the tables that the new generation will have, and how they differ from the live ones."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from headwater.worker.api import DataError, Finding, Record, Values

from .manifest import Manifest
from .partitioning import Partitioning
from .rows import Rows


def table_findings(values: Values, live: Manifest | None, samples: Mapping[str, Record]) -> list[Finding]:
    rows, partitioning, found = Rows(values), Partitioning(values), list[Finding]()
    wanted: dict[str, pa.Schema] = {}
    for topic in sorted(samples):
        try:
            row = rows.row(samples[topic])
            if row is not None:
                partitioning.folder(row)
                wanted[row.shape.table] = row.shape.layout.arrow
        except DataError as error:
            found.append(Finding("error", topic, str(error)))
    tables = {} if live is None else live.tables
    for name, schema in sorted(wanted.items()):
        if name not in tables:
            found.append(Finding("ok", name, "the swap makes this table visible"))
            continue
        said = _difference(tables[name].schema, schema)
        if said:
            found.append(Finding("warning", name, f"readers will see other columns: {said}"))
    for name in sorted(set(tables) - set(wanted)):
        message = "no sample leads to it: the new generation will not have it unless records for it come"
        found.append(Finding("warning", name, message))
    if live is not None:
        message = f"{live.rows} rows, {live.bytes} bytes now; the new generation takes about as much beside it"
        found.append(Finding("ok", "size", message))
    return found


def _difference(old: pa.Schema, new: pa.Schema) -> str:
    was, now = ({field.name: field.type for field in schema} for schema in (old, new))
    said = [f"{name} is not in the newest record" for name in was if name not in now]
    said += [f"{name} is new" for name in now if name not in was]
    said += [f"{name} {was[name]} -> {now[name]}" for name in now if name in was and was[name] != now[name]]
    return ", ".join(said)
