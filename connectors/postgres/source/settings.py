"""The options of one connector, typed and with what follows from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headwater.connectors.debezium.topics import data_topic, heartbeat_topic

from ..types.modes import ValueModes
from .options import OVERRIDE_PREFIX, split_list

NO_DATA_MODES: Final = ("no_data", "never")
APPLICATION: Final = "headwater"


@dataclass(frozen=True, slots=True)
class Settings:
    """`raw`: the parsed options by name. `application`: application_name of every connection of this connector."""

    raw: Mapping[str, Any] = field(repr=False)
    application: str
    slot: str
    publication: str
    modes: ValueModes
    skipped: frozenset[str]
    flush_lsn: bool
    overrides: Mapping[str, str]
    """SELECT statements by `schema.table`."""

    def __getitem__(self, name: str) -> Any:
        return self.raw[name]

    @property
    def prefix(self) -> str:
        return str(self.raw["topic.prefix"])

    @property
    def snapshots(self) -> bool:
        return self.raw["snapshot.mode"] not in NO_DATA_MODES

    @property
    def streams(self) -> bool:
        return bool(self.raw["snapshot.mode"] != "initial_only")

    @property
    def captures_truncates(self) -> bool:
        return "t" not in self.skipped

    @property
    def partition_root(self) -> bool:
        return bool(self.raw["publish.via.partition.root"])

    def topic(self, schema: str, table: str) -> str:
        return data_topic(self.prefix, schema, table, self.raw["topic.delimiter"])

    @property
    def heartbeat_topic(self) -> str:
        return str(
            self.raw["topic.heartbeat.name"]
            or heartbeat_topic(self.prefix, self.raw["topic.heartbeat.prefix"], self.raw["topic.delimiter"])
        )


def default_name(prefix: str) -> str:
    """`headwater_<topic.prefix>` as a name that a replication slot can have."""
    return f"{APPLICATION}_{re.sub(r'[^a-z0-9_]', '_', prefix.lower())}"[:63]


def settings_of(values: Mapping[str, Any], connector: str = "") -> Settings:
    """`values`: parsed by `options.OPTIONS`. `connector`: its name, or empty outside of a task."""
    default = default_name(values["topic.prefix"])
    skipped = frozenset(item.lower() for item in values["skipped.operations"]) - {"none"}
    flush = values["lsn.flush.mode"] or ("connector" if values["flush.lsn.source"] else "manual")
    overrides = {
        table: values[OVERRIDE_PREFIX + table]
        for table in split_list(values["snapshot.select.statement.overrides"])
        if OVERRIDE_PREFIX + table in values
    }
    return Settings(
        raw=values,
        application=_application_name(f"{APPLICATION} {connector or values['topic.prefix']}"),
        slot=values["slot.name"] or default,
        publication=values["publication.name"] or default,
        modes=_modes(values),
        skipped=skipped,
        flush_lsn=flush != "manual",
        overrides=overrides,
    )


def _application_name(text: str) -> str:
    """As the server will show it: 63 characters of printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:63]


def _modes(values: Mapping[str, Any]) -> ValueModes:
    return ValueModes(
        decimal=values["decimal.handling.mode"],
        time_precision=values["time.precision.mode"],
        binary=values["binary.handling.mode"],
        interval=values["interval.handling.mode"],
        hstore=values["hstore.handling.mode"],
        money_fraction_digits=values["money.fraction.digits"],
        include_unknown=values["include.unknown.datatypes"],
        unavailable_placeholder=placeholder_bytes(values["unavailable.value.placeholder"]),
    )


def placeholder_bytes(text: str) -> bytes:
    """Raises `ValueError` for a `hex:` form that is not hex."""
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()
