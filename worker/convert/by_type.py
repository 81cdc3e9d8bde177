"""Turning a value of a schema into another form, deciding once per Python type instead of once per value.

A row's Python types say what has to be done with it: rows of equal types share one plan, and the plan of a row in
which nothing has to be changed is to hand it on as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headwater.worker.api import NO_DEFAULT, DataError, Schema

Step = Callable[[Any], Any]
Choose = Callable[["Node", type], Step | None]
"""What to do with values of a Python type at one place of a schema; None: leave them. Raises `DataError`."""

MAX_PLANS: Final = 2048
"""Plans kept per struct: with many nullable fields there could be 2**fields of them."""


class Node:
    """One place in a schema. `path` names it in errors: `after.tags[]`, or empty for the value as a whole."""

    __slots__ = ("_choose", "_known", "path", "schema")

    def __init__(self, choose: Choose, schema: Schema, path: str = "") -> None:
        self._choose = choose
        self.schema = schema
        self.path = path
        self._known: dict[type, Step | None] = {}

    def step(self, kind: type) -> Step | None:
        try:
            return self._known[kind]
        except KeyError:
            step = self._known[kind] = self._choose(self, kind)
            return step

    def __call__(self, value: Any) -> Any:
        step = self.step(type(value))
        return value if step is None else step(value)

    def field(self, name: str, schema: Schema) -> Node:
        return Node(self._choose, schema, f"{self.path}.{name}" if self.path else name)

    def item(self, schema: Schema, mark: str = "[]") -> Node:
        return Node(self._choose, schema, self.path + mark)

    def error(self, message: str) -> DataError:
        return DataError(f"field {self.path}: {message}" if self.path else message)


def null_step(node: Node, replace_with_default: bool) -> Step | None:
    """What stands for null, as org.apache.kafka.connect.json.JsonConverter does it in both directions."""
    schema = node.schema
    if replace_with_default and has_default(schema):
        default = node(schema.default)
        return lambda _: default
    if schema.optional:
        return None
    raise node.error("is null, but its schema says that it is required, and has no default")


def has_default(schema: Schema) -> bool:
    """Java knows no difference between no default and a null default."""
    return schema.default is not None and schema.default is not NO_DEFAULT


def _never(_: Schema) -> bool:
    return False


def struct_step(node: Node, refuse_unknown: bool, without: Callable[[Schema], bool] = _never) -> Step:
    """A step for dicts: fields in the schema's order, absent ones as null. `refuse_unknown`: or drop them.

    `without`: is a field of this schema that is null left out?
    """
    schema = node.schema
    names = tuple(field.name for field in schema.fields)
    known = frozenset(names)
    fields = [node.field(field.name, field.schema) for field in schema.fields]
    plans: dict[tuple[type, ...], tuple[tuple[tuple[str, Step], ...], frozenset[str]]] = {}

    def plan(kinds: tuple[type, ...]) -> tuple[tuple[tuple[str, Step], ...], frozenset[str]]:
        """What has to be done, and which fields are left out."""
        of = list(zip(names, fields, kinds, strict=True))
        gone = frozenset(name for name, field, kind in of if kind is type(None) and without(field.schema))
        steps = ((name, field.step(kind)) for name, field, kind in of if name not in gone)
        made = tuple((name, step) for name, step in steps if step is not None), gone
        if len(plans) < MAX_PLANS:
            plans[kinds] = made
        return made

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        if tuple(value) != names:
            if refuse_unknown and (unknown := [name for name in value if name not in known]):
                raise node.error(f"holds {unknown[0]!r}, which its schema does not know")
            value = {name: value.get(name) for name in names}
        kinds = tuple(map(type, value.values()))
        steps, gone = plans.get(kinds) or plan(kinds)
        changed = value
        for name, step in steps:
            old = value[name]
            new = step(old)
            if new is not old:
                if changed is value:
                    changed = value.copy()
                changed[name] = new
        if gone:
            return {name: item for name, item in changed.items() if name not in gone}
        return changed

    return convert


def list_step(node: Node) -> Step:
    """A step for lists."""
    schema = node.schema.value_schema
    if schema is None:
        raise node.error("its ARRAY schema says nothing about the items")
    item = node.item(schema)

    def convert(values: list[Any]) -> list[Any]:
        if all(item.step(kind) is None for kind in set(map(type, values))):
            return values
        return [item(value) for value in values]

    return convert
