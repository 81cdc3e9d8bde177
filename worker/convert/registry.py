"""A client of Confluent's schema registry API: schemas by id, ids by subject and schema, and what it refuses, in words.

Source: the REST API of Confluent's schema registry 8.x, which Apicurio and Karapace speak, too. Answers that never
change are kept; a refusal is kept for some seconds, so that a thousand records of one schema are not a thousand calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn, TypeVar
from urllib.parse import quote

from headwater.worker.api import DataError, Unavailable, Values

from .registry_calls import Calls, Refused

__all__ = ["REFUSAL_KEPT_S", "Registered", "SchemaRegistry", "Text"]

T = TypeVar("T")
REFUSAL_KEPT_S: Final = 5.0
_DEEPEST: Final = 50
"""How far schemas are followed that refer to others."""
_READ_ONLY: Final = 42205
_ABOUT_IT: Final = (409, 413, 414, 422)
"""Statuses that are about the schema or subject, whoever says them: 413 and 414 say that it is too large."""


class Text(NamedTuple):
    """A schema as text. `references`: the name under which it uses each other schema, and that one."""

    kind: str
    text: str
    references: tuple[tuple[str, Text], ...] = ()


class Registered(NamedTuple):
    """A schema in the registry; `version` within its subject, None where it is in none that was asked for."""

    id: int
    version: int | None
    schema: Text


class SchemaRegistry:
    """One converter's view of the registry. Every method raises `DataError`, `Unavailable`, `Fatal`."""

    def __init__(self, values: Values) -> None:
        self._calls = Calls(values)
        self._normalize = "?normalize=true" if values["normalize.schemas"] else ""
        self._size: int = values["schemas.cache.config"]
        self._kept: dict[Any, Any] = {}
        self._refused: dict[Any, tuple[float, DataError]] = {}
        self._depth = 0

    @property
    def where(self) -> str:
        return self._calls.where

    def register(self, subject: str, schema: Text) -> int:
        """Its id, new or not."""
        return self._remember(("register", subject, schema), lambda: self._register(subject, schema))

    def find(self, subject: str, schema: Text) -> int:
        """The id of a schema that the subject has."""
        return self._remember(("find", subject, schema), lambda: self._find(subject, schema))

    def latest(self, subject: str) -> Registered:
        """Asked anew each time: how often is for the caller to decide."""
        path = f"/subjects/{quote(subject, safe='')}/versions/latest"
        try:
            return self._asked("GET", path, None, lambda a: Registered(_id(a), int(a["version"]), self._text(a)))
        except Refused as refused:
            hint = "register one, or set auto.register.schemas to true"
            self._cannot(f"the latest schema of subject {subject!r} cannot be had", refused, hint)

    def by_id(self, number: int) -> Text:
        return self._remember(("id", number), lambda: self._by_id(number))

    def version(self, number: int, subject: str) -> int | None:
        """Which version of this subject the id is; None where it is none of it, or the registry cannot tell."""
        return self._remember(("version", number, subject), lambda: self._version(number, subject))

    def _remember(self, key: Any, ask: Callable[[], T]) -> T:
        if key in self._kept:
            found: T = self._kept[key]
            return found
        since, error = self._refused.get(key, (0.0, None))
        if error is not None and time.monotonic() - since < REFUSAL_KEPT_S:
            raise DataError(str(error))
        try:
            answer = ask()
        except DataError as error:
            if len(self._refused) >= self._size:
                self._refused.clear()
            self._refused[key] = time.monotonic(), error
            raise
        if len(self._kept) >= self._size:
            self._kept.clear()
        self._kept[key] = answer
        return answer

    def _register(self, subject: str, schema: Text) -> int:
        try:
            return self._asked("POST", f"{_versions(subject)}{self._normalize}", _body(schema), _id)
        except Refused as refused:
            if refused.status == 409:
                self._incompatible(subject, schema, refused)
            hint = "mend the schema, or register another one and set use.latest.version to true"
            self._cannot(f"the schema cannot be registered under subject {subject!r}", refused, hint)

    def _find(self, subject: str, schema: Text) -> int:
        try:
            return self._asked("POST", f"/subjects/{quote(subject, safe='')}{self._normalize}", _body(schema), _id)
        except Refused as refused:
            hint = "register it, or set auto.register.schemas to true, or use.latest.version to true"
            self._cannot(f"the schema is not registered under subject {subject!r}", refused, hint)

    def _by_id(self, number: int) -> Text:
        try:
            return self._asked("GET", f"/schemas/ids/{number}", None, self._text)
        except Refused as refused:
            hint = "was the message written with another registry, or has the schema been deleted?"
            self._cannot(f"the schema with id {number} cannot be had", refused, hint)

    def _version(self, number: int, subject: str) -> int | None:
        def of_subject(found: Any) -> int | None:
            return next((int(entry["version"]) for entry in found if entry.get("subject") == subject), None)

        try:
            return self._asked("GET", f"/schemas/ids/{number}/versions", None, of_subject)
        except Refused:
            return None

    def _asked(self, method: str, path: str, body: Any, read: Callable[[Any], T]) -> T:
        """Raises `Unavailable` for an answer to something else: a registry's URL may lead to any server."""
        answer = self._calls.call(method, path, body)
        try:
            return read(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(
                f"the schema registry ({self.where}) answers {method} {path} with something else than was asked for; "
                "is this a schema registry's URL?"
            ) from error

    def _text(self, answer: Any) -> Text:
        """With all that it refers to."""
        if type(answer["schema"]) is not str:
            raise TypeError
        references = []
        for reference in answer.get("references") or ():
            subject, version = reference["subject"], reference["version"]
            path = f"{_versions(subject)}/{version}"
            used = self._remember(("reference", subject, version), lambda path=path: self._reference(path))  # type: ignore[misc]
            references.append((reference["name"], used))
        return Text(answer.get("schemaType") or "AVRO", answer["schema"], tuple(references))

    def _reference(self, path: str) -> Text:
        if self._depth >= _DEEPEST:
            raise DataError(f"schemas in the registry ({self.where}) refer to each other without end ({path})")
        self._depth += 1
        try:
            return self._asked("GET", path, None, self._text)
        except Refused as refused:
            self._cannot(f"a schema that another one refers to ({path}) cannot be had", refused, "")
        finally:
            self._depth -= 1

    def _incompatible(self, subject: str, schema: Text, refused: Refused) -> NoReturn:
        said = [refused.message]
        try:
            path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest?verbose=true"
            said += self._calls.call("POST", path, _body(schema)).get("messages") or []
        except Refused:
            pass  # the refusal itself says enough
        level = self._level(subject)
        raise DataError(
            f"the schema registry ({self.where}) refuses the schema for subject {subject!r}: it is incompatible with "
            f"what is registered there{f', whose compatibility level is {level}' if level else ''}. It says: "
            f"{'; '.join(dict.fromkeys(said))}. The way out: make the change compatible (a new field that is optional "
            "or has a default), allow it by the subject's compatibility level (PUT /config/"
            f"{quote(subject, safe='')}), or write to another topic"
        )

    def _level(self, subject: str) -> str:
        """The subject's own, else the registry's; empty where neither says why it refused."""
        for path in (f"/config/{quote(subject, safe='')}?defaultToGlobal=true", "/config"):
            try:
                level = str(self._calls.call("GET", path).get("compatibilityLevel", ""))
            except Refused:
                continue
            if level != "NONE":  # Apicurio says this of every subject without a level of its own
                return level
        return ""

    def _cannot(self, what: str, refused: Refused, hint: str) -> NoReturn:
        code = f", error {refused.code}" if refused.code else ""
        said = (
            f"{what}: the schema registry ({self.where}) says: {refused.message or 'nothing'} "
            f"(status {refused.status}{code})"
        )
        if _is_about_no_schema(refused):
            raise Unavailable(f"{said}; is this a schema registry's URL, and may it be written to?") from refused
        raise DataError(f"{said}; {hint}" if hint else said) from refused


def _is_about_no_schema(refused: Refused) -> bool:
    """A redirect, a path that is not there, a page of another server, a registry that is read-only for a while."""
    status, code = refused.status, refused.code
    return status < 400 or (not code and status not in _ABOUT_IT) or status == code == 404 or code == _READ_ONLY


def _id(answer: Any) -> int:
    number = int(answer["id"])
    if not 0 <= number < 2**32:
        raise ValueError
    return number


def _versions(subject: str) -> str:
    return f"/subjects/{quote(subject, safe='')}/versions"


def _body(schema: Text) -> dict[str, Any]:
    return {"schema": schema.text} | ({} if schema.kind == "AVRO" else {"schemaType": schema.kind})
