"""A struct with some of its fields, under their own or other names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple

from headwater.worker.api import NO_DEFAULT, DataError, Field, Schema


class Projection(NamedTuple):
    """`fields`: (new name, old name); `defaults`: by old name, what stands for null. `pick` reads all old fields of a
    row that has them, and `names` are their new names: the quick way."""

    schema: Schema
    fields: tuple[tuple[str, str], ...]
    defaults: dict[str, Any]
    names: tuple[str, ...] = ()
    pick: Callable[[dict[str, Any]], tuple[Any, ...]] | None = None

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        row = self._row(value)
        if self.defaults:
            for new, old in self.fields:
                if row[new] is None and old in self.defaults:
                    row[new] = self.defaults[old]
        return row

    def _row(self, value: dict[str, Any]) -> dict[str, Any]:
        if self.pick is None:
            return self._row_with_nulls(value)
        try:
            return dict(zip(self.names, self.pick(value), strict=True))
        except KeyError:
            return self._row_with_nulls(value)

    def _row_with_nulls(self, value: dict[str, Any]) -> dict[str, Any]:
        """A field that is absent is null."""
        return {new: value.get(old) for new, old in self.fields}


def projection(schema: Schema, fields: Iterable[tuple[str, str]], replace_null_with_default: bool) -> Projection:
    """Java's copySchemaBasics: the new struct keeps name, version, doc and parameters, and is not optional."""
    pairs = tuple(fields)
    made: dict[str, Field] = {}
    defaults = {}
    for new, old in pairs:
        of_old = schema.get(old)
        assert of_old is not None
        if new in made:
            raise DataError(f"two fields of {schema.name or 'the struct'} would be called {new!r}")
        made[new] = Field(new, of_old)
        if replace_null_with_default and of_old.default is not NO_DEFAULT and of_old.default is not None:
            defaults[old] = of_old.default
    changed = schema.with_(fields=tuple(made.values()), optional=False, default=NO_DEFAULT)
    pick = itemgetter(*(old for _, old in pairs)) if len(pairs) > 1 else None  # of one field it makes no tuple
    return Projection(changed, pairs, defaults, tuple(made), pick)
