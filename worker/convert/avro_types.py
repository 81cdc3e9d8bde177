"""Avro schemas as JSON values: named types found again by their full name."""

from __future__ import annotations

from typing import Any, Final

from headwater.worker.api import DataError

__all__ = ["NAMED", "Names", "kind_of"]

NAMED: Final = ("record", "error", "enum", "fixed")
_SIMPLE: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def kind_of(form: Any) -> str:
    """Avro's word for a resolved schema."""
    return "union" if isinstance(form, list) else form if isinstance(form, str) else str(form["type"])


class Names:
    """The named types that schemas define, wherever in them."""

    def __init__(self, *forms: Any) -> None:
        self._known: dict[str, tuple[Any, str]] = {}
        for form in forms:
            self._define(form, "")

    def _define(self, form: Any, namespace: str) -> None:
        if isinstance(form, list):
            for part in form:
                self._define(part, namespace)
        elif isinstance(form, dict):
            if form.get("type") in NAMED and isinstance(form["type"], str):
                full = self.full(form, namespace)
                namespace = full.rpartition(".")[0]
                self._known[full] = form, namespace
            inside = [form.get(part) for part in ("type", "items", "values")]
            fields = [field.get("type") for field in form.get("fields") or () if isinstance(field, dict)]
            for part in inside + fields:
                if not isinstance(part, str):
                    self._define(part, namespace)

    def resolve(self, form: Any, namespace: str) -> tuple[Any, str, str]:
        """The schema itself (a union, a simple type's name, or an object with a type), the namespace for what is
        inside it, and its full name (empty: it has none). Raises `DataError`."""
        if isinstance(form, list):
            return form, namespace, ""
        if isinstance(form, dict) and isinstance(form.get("type"), dict | list):
            return self.resolve(form["type"], namespace)
        if isinstance(form, dict) and form.get("type") in NAMED:
            full = self.full(form, namespace)
            return form, full.rpartition(".")[0], full
        name = form.get("type") if isinstance(form, dict) else form
        if name in _SIMPLE or (isinstance(form, dict) and name in ("array", "map")):
            return form, namespace, ""
        for full in (f"{namespace}.{name}", str(name)):
            if full in self._known:
                found, inner = self._known[full]
                return found, inner, full
        raise DataError(f"an Avro schema uses the type {name!r}, which it does not define")

    @staticmethod
    def full(form: dict[str, Any], namespace: str) -> str:
        name = str(form.get("name", ""))
        if "." in name:
            return name
        own = form.get("namespace", namespace)
        return f"{own}.{name}" if own else name
