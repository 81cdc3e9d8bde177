"""Which fields an index has, and whether further ones can join them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from headwater.worker.api import DataError, Schema, Type, Values

from ..client.options import OPENSEARCH
from .kinds import KEYWORD, TEXT, Definition, Kind, Rules
from .options import json_option

Properties = Mapping[str, Definition]

_NUMBERS: Final = frozenset(("double", "float", "half_float", "scaled_float"))
_WHOLE: Final = frozenset(("long", "integer", "short", "byte", "unsigned_long"))
_TEXTS: Final = frozenset(("text", "keyword", "constant_keyword", "wildcard", "match_only_text", "search_as_you_type"))
_DATES: Final = frozenset(("date", "date_nanos"))
_ANY_OBJECT: Final = frozenset(("flattened", "flat_object"))


def rules_of(values: Values) -> Rules:
    flattened = "flat_object" if values["distribution"] == OPENSEARCH else "flattened"
    return Rules(flattened, values["json.mapping"], values["compact.map.entries"])


class Mappings:
    """Makes fields from schemas by the view's rules."""

    def __init__(self, values: Values) -> None:
        self.rules = rules_of(values)
        self._string: str = values["string.mapping"]
        self._lists = ((KEYWORD, values["keyword.fields"]), (TEXT, values["text.fields"]))
        self._own = json_option(values, "index.mappings")
        self._guessed: bool = values["schema.ignore"]

    def kinds(self, topic: str, schema: Schema, keys: Collection[str]) -> dict[str, Kind]:
        """For each field of a STRUCT. `keys`: fields that the record's key has too. Raises `DataError`."""
        return {f.name: self.rules.kind_of(f.schema, self._string_of(topic, f.name, keys)) for f in schema.fields}

    def properties(self, kinds: Mapping[str, Kind]) -> Properties:
        made = {} if self._guessed else {name: kind.definition for name, kind in kinds.items()}
        return {**made, **self._own}

    def _string_of(self, topic: str, field: str, keys: Collection[str]) -> str:
        for mapping, patterns in self._lists:
            if any(re.fullmatch(p, field) or re.fullmatch(p, f"{topic}:{field}") for p in patterns):
                return mapping
        return KEYWORD if field in keys else self._string


def key_fields(schema: Schema | None) -> frozenset[str]:
    return frozenset(field.name for field in schema.fields) if schema and schema.type is Type.STRUCT else frozenset()


def missing(have: Properties, want: Properties, path: str = "") -> dict[str, Definition]:
    """Fields of `want` that an index with `have` still lacks, whole or in part; its own ones stay as they are.

    Raises `DataError` where a field that is there cannot hold the new one's values.
    """
    found: dict[str, Definition] = {}
    for name, wanted in want.items():
        here = have.get(name)
        if here is None:
            found[name] = wanted
        elif "properties" in here and "properties" in wanted:
            if deeper := missing(here["properties"], wanted["properties"], f"{path}{name}."):
                found[name] = {"properties": deeper}
        elif not holds(here, wanted):
            raise DataError(
                f"the field {path}{name} is {type_of(here)} in the index and {type_of(wanted)} in the records, which "
                "it cannot hold: rebuild the view, then its new index has the type of the newest record. If that one "
                "cannot hold the older ones, name a type that holds both in index.mappings"
            )
    return found


def holds(here: Definition, wanted: Definition) -> bool:
    """Does a field of this definition take the values of another, searched without loss of what they mean?"""
    old, new = type_of(here), type_of(wanted)
    if old == new:
        return here.get("enabled") == wanted.get("enabled") or here.get("enabled") is False
    if here.get("enabled") is False or (old in _ANY_OBJECT and new in (*_ANY_OBJECT, "object")):
        return True
    if old in _TEXTS:
        return new in (*_TEXTS, *_NUMBERS, *_WHOLE, *_DATES, "boolean", "binary")
    if old in _NUMBERS:
        return new in (*_NUMBERS, *_WHOLE)
    return any(old in group and new in group for group in (_WHOLE, _DATES))


def type_of(definition: Definition) -> str:
    return str(definition.get("type", "object"))


def difference(old: Properties, new: Properties) -> str:
    """For people: what readers will see otherwise."""
    said = [f"{name} is not in the newest record" for name in old if name not in new]
    said += [f"{name} is new" for name in new if name not in old]
    said += [
        f"{name} {type_of(old[name])} -> {type_of(new[name])}"
        for name in new
        if name in old and type_of(old[name]) != type_of(new[name])
    ]
    return ", ".join(said)


def whole_mapping(properties: Properties, guessed: bool, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Of a new index. `guessed`: fields that are not named are guessed from the first value, else only stored."""
    return {"dynamic": guessed, "_meta": {"headwater": dict(meta)}, "properties": dict(properties)}
