"""Select: filter records, compute fields, make several records of one, by expressions.

Headwater's own; no counterpart in Kafka Connect. The language: expressions.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from headwater.worker.api import (
    NO_DEFAULT,
    ConfigError,
    DataError,
    Field,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Type,
    Values,
)

from .computed_fields import Computed, follow, path_schema, result_schema, type_schema
from .expressions import (
    ROUNDS,
    Bound,
    Evaluation,
    Expression,
    Expressions,
    WrongExpression,
    compiled,
    not_an_expression,
)
from .kept import Kept

_EACH: Final = True
_NAMED: Final = r"([^.]+)"
_OF_VALUE: Final = frozenset(("value", "item", "index"))


def _path(text: str) -> str | None:
    try:
        made = compiled(text, _EACH)
    except WrongExpression as error:
        return str(error)
    found = made.shape.path
    if found is None or found[0] not in ("value", "key", "item"):
        return "must name one struct, as value.after or item; compute fields with set.NAME"
    return None


def _type(text: str) -> str | None:
    try:
        type_schema(text)
    except ValueError as error:
        return str(error)
    return None


class _Made(NamedTuple):
    """What records of one schema become. `kept`: fields of the base that stay; None: all."""

    value: Schema | None
    kept: tuple[str, ...] | None
    of_value: tuple[Schema | None, ...]
    key: Schema | None
    of_key: tuple[Schema | None, ...]


class Select(Transform):
    doc = "Filter records, compute fields and make several records of one, by expressions (CEL)."
    options = Options(
        Option("where", default=None, doc="Records for which this is not true are dropped.",
               validate=not_an_expression("BOOL", _EACH), importance="high"),
        Option("otherwise", default="drop", doc="What becomes of them: tombstone deletes their key from views.",
               choices=("drop", "tombstone")),
        Option("each", default=None, doc="A list: a record is made for each `item` of it, at the place `index`.",
               validate=not_an_expression("LIST"), importance="high"),
        Option("value", default="value", doc="The struct that becomes the value, as value.after or item.",
               validate=_path),
        Option("keep", OptionType.LIST, ["*"], "Its fields that stay; *: all; empty: none."),
        Option(rf"set\.{_NAMED}", default=None, doc="The field NAME, computed.", pattern=True,
               validate=not_an_expression("", _EACH), importance="high"),
        Option(rf"key\.{_NAMED}", default=None, doc="A new key of these fields, computed.", pattern=True,
               validate=not_an_expression("", _EACH), importance="high"),
        Option(rf"type\.{_NAMED}", default=None, doc="The type of the computed field NAME, where the expression leaves "
               "it open: boolean, int32, int64, float32, float64, string, bytes, date, timestamp, decimal(SCALE).",
               pattern=True, validate=_type),
        Option("topic", default=None, doc="The topic's name, computed.", validate=not_an_expression("STRING", _EACH)),
        Option("tombstones", default="keep", doc="Records without a value.", choices=("keep", "drop")),
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        self._where = None if values["where"] is None else Evaluation(values["where"], _EACH)
        self._each = None if values["each"] is None else Evaluation(values["each"])
        self._topic = None if values["topic"] is None else compiled(values["topic"], _EACH)
        base = compiled(values["value"], _EACH).shape.path
        assert base is not None
        self._base = base
        self._keep: list[str] | None = None if values["keep"] == ["*"] else values["keep"]
        self._tombstones_stay = values["tombstones"] == "keep"
        self._deletes = values["otherwise"] == "tombstone"
        problems: list[Problem] = []
        types = {found[1]: type_schema(text) for found, text in values.matching(rf"type\.{_NAMED}")}
        self._set = _computed("set", values, types, problems)
        self._key = _computed("key", values, types, problems)
        named = {computed.name for computed in (*self._set, *self._key)}
        problems += [
            Problem(f"type.{name}", "has no effect", f"there is no set.{name}") for name in types if name not in named
        ]
        if self._each is None:
            problems += _items_without_each(values)
        if problems:
            raise ConfigError(problems)
        topic = [] if self._topic is None else [self._topic]
        self._together = _evaluated((*self._set, *self._key), topic)
        self._of_tombstone = _evaluated(self._key, topic)
        self._of_value = any(
            _OF_VALUE & set(e.shape.roots) for e in (*(computed.expression for computed in self._key), *topic)
        )
        self._made: Kept[tuple[Schema | None, Schema | None], _Made] = Kept(lambda asked: self._make(*asked))

    def apply(self, record: Record) -> Record | Iterable[Record] | None:
        try:
            if record.value is None:
                return self._tombstone(record)
            if self._each is None:
                return self._one(record, None)
            return self._several(record)
        except DataError as error:
            raise DataError(f"{record.where()}: Select: {error}") from error

    def _tombstone(self, record: Record) -> Record | None:
        """Key and topic are made anew where that can be done without a value; else nobody knows what is gone where."""
        if not self._tombstones_stay or self._of_value:
            return None
        if not self._key and self._topic is None:
            return record
        bound = None if self._of_tombstone is None else self._of_tombstone.bind(record)
        return record.replace(**self._new_place(record, None, bound, self._made((None, record.key_schema))))

    def _several(self, record: Record) -> list[Record]:
        assert self._each is not None
        path = self._each.expression.shape.path
        items = self._each(record) if path is None else follow(path, record, None)
        if items is None:
            return []
        if not isinstance(items, list):
            raise DataError(f"each: {self._each.expression.text} gives no list")
        if len(items) > ROUNDS:
            raise DataError(f"each: the list has {len(items):,} items; {ROUNDS:,} at most")
        for read in (self._together, None if self._where is None else self._where.alone):
            if read is not None:
                read.check_items(record, len(items))
        made = (self._one(record, {"item": item, "index": place}) for place, item in enumerate(items))
        return [one for one in made if one is not None]

    def _one(self, record: Record, each: Mapping[str, Any] | None) -> Record | None:
        chosen = True
        if self._where is not None:
            chosen = self._where(record, each)
            if not isinstance(chosen, bool):
                raise DataError(f"where: {self._where.expression.text} is neither true nor false")
        if not chosen and not self._deletes:
            return None
        made = self._made((record.value_schema, record.key_schema))
        bound = None if self._together is None else self._together.bind(record, each)
        changes = self._new_place(record, each, bound, made)
        if not chosen:
            return record.replace(value=None, value_schema=None, **changes)
        value = self._new_value(record, each, bound, made)
        return record.replace(value=value, value_schema=None if value is None else made.value, **changes)

    def _new_topic(self, expression: Expression, bound: Bound) -> str:
        topic = expression.within(bound)
        if not isinstance(topic, str) or not topic:
            raise DataError(f"topic: {expression.text} gives no name")
        return topic

    def _new_place(
        self, record: Record, each: Mapping[str, Any] | None, bound: Bound | None, made: _Made
    ) -> dict[str, Any]:
        """The key and the topic, where they are computed."""
        place: dict[str, Any] = {}
        if self._key:
            key = {c.name: c.of(record, each, bound, schema) for c, schema in zip(self._key, made.of_key, strict=True)}
            place = {"key": key, "key_schema": made.key}
        if self._topic is not None and bound is not None:
            place["topic"] = self._new_topic(self._topic, bound)
        return place

    def _new_value(self, record: Record, each: Mapping[str, Any] | None, bound: Bound | None, made: _Made) -> Any:
        base = record.value if self._base == ("value",) else follow(self._base, record, each)
        if not self._set and made.kept is None and self._keep is None:
            return base
        if not isinstance(base, dict):
            raise DataError(f"{'.'.join(self._base)} is no struct")
        if made.kept is not None:
            row = {name: base.get(name) for name in made.kept}
        elif self._keep is not None:
            row = {name: base[name] for name in self._keep if name in base}
        else:
            row = dict(base)
        for computed, schema in zip(self._set, made.of_value, strict=True):
            row[computed.name] = computed.of(record, each, bound, schema)
        return row

    def _make(self, value: Schema | None, key: Schema | None) -> _Made:
        roots = {"value": value, "key": key, "item": self._item_schema(value, key)}
        with_schema = value is not None
        of_key = tuple(_schema_of(c, roots) for c in self._key)
        key_schema = _struct(self._key, of_key) if key is not None or with_schema else None
        if not with_schema:
            return _Made(
                None, None, (None,) * len(self._set), key_schema, of_key if key_schema else (None,) * len(of_key)
            )
        base = path_schema(self._base, roots)
        if base is None:
            raise DataError(f"{'.'.join(self._base)} has no schema, and the record has")
        of_value = tuple(_schema_of(c, roots) for c in self._set)
        if not self._set and self._keep is None:
            return _Made(base, None, of_value, key_schema, of_key)
        if base.type is not Type.STRUCT:
            raise DataError(f"{'.'.join(self._base)} is no struct")
        kept = tuple(f.name for f in base.fields if self._keep is None or f.name in self._keep)
        fields = {name: schema for name in kept if (schema := base.get(name)) is not None}
        for computed, schema in zip(self._set, of_value, strict=True):
            assert schema is not None
            fields[computed.name] = schema
        made = base.with_(fields=tuple(Field(n, s) for n, s in fields.items()), optional=False, default=NO_DEFAULT)
        return _Made(made, kept if self._keep is not None else None, of_value, key_schema, of_key)

    def _item_schema(self, value: Schema | None, key: Schema | None) -> Schema | None:
        if self._each is None:
            return None
        each = self._each.expression
        found = None if each.shape.path is None else path_schema(each.shape.path, {"value": value, "key": key})
        if found is not None and found.type is not Type.ARRAY:
            raise DataError(f"each: {each.text} is no list")
        listed = found or result_schema(each.result)
        return None if listed is None else listed.value_schema


def _computed(
    section: str, values: Values, types: Mapping[str, Schema], problems: list[Problem]
) -> tuple[Computed, ...]:
    made = []
    for found, text in values.matching(rf"{section}\.{_NAMED}"):
        expression = compiled(text, _EACH)
        schema = types.get(found[1])
        if schema is None and (expression.shape.path is None or expression.shape.path[0] == "headers"):
            schema = result_schema(expression.result)
            if schema is None:
                hint = f"say it: type.{found[1]}: string (or another), or write string(…), int(…), double(…) around it"
                message = "gives a type that depends on the record, and a field has one type"
                problems.append(Problem(f"{section}.{found[1]}", message, hint, text))
        made.append(Computed(found[1], expression, schema))
    return tuple(made)


def _evaluated(computed: Iterable[Computed], more: list[Expression]) -> Expressions | None:
    """Those that do not only copy; None where there are none."""
    together = [c.expression for c in computed if not c.copies] + more
    return Expressions(together, _EACH) if together else None


def _items_without_each(values: Values) -> Iterable[Problem]:
    for name in values:
        text = values[name]
        if name in ("where", "topic", "value") or name.startswith(("set.", "key.")):
            read = () if text is None else compiled(text, _EACH).shape.roots
            for variable in ("item", "index"):
                if variable in read:
                    yield Problem(name, f"{variable} has no meaning without each", "set each, or use value", text)


def _schema_of(computed: Computed, roots: Mapping[str, Schema | None]) -> Schema | None:
    if computed.schema is not None:
        return computed.schema
    assert computed.expression.shape.path is not None
    found = path_schema(computed.expression.shape.path, roots)
    if found is None and roots["value"] is not None:
        raise DataError(f"{computed.expression.text} has no schema, and the record has: say type.{computed.name}")
    return found


def _struct(computed: tuple[Computed, ...], schemas: tuple[Schema | None, ...]) -> Schema | None:
    fields = tuple(Field(c.name, s) for c, s in zip(computed, schemas, strict=True) if s is not None)
    return Schema(Type.STRUCT, fields=fields) if len(fields) == len(computed) and fields else None
