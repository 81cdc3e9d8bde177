"""Two answers to one call, held against each other field by field."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from .rest_script import Call


@dataclass(frozen=True)
class Answer:
    """`location` without scheme, host and port: those differ as the workers do."""

    status: int
    kind: str
    location: str | None
    body: Any

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        location = response.headers.get("location")
        if location is not None:
            location = re.sub(r"^http://127\.0\.0\.1:\d+", "", location)
        try:
            body = json.loads(response.content) if response.content else None
        except ValueError:
            body = response.text
        return cls(response.status_code, kind, location, body)


class Difference(NamedTuple):
    """`field`: status, kind, location, or a path into the body such as `body.tasks[0].state`."""

    call: str
    field: str
    java: Any
    ours: Any


def differences(call: Call, java: Answer, ours: Answer) -> list[Difference]:
    found = [
        Difference(call.name, field, getattr(java, field), getattr(ours, field))
        for field in ("status", "kind", "location")
        if getattr(java, field) != getattr(ours, field)
    ]
    pairs = _unequal("body", _seen(call, java), _seen(call, ours))
    return found + [Difference(call.name, *pair) for pair in pairs]


def _seen(call: Call, answer: Answer) -> Any:
    return call.view(answer.body) if answer.status < 400 else answer.body


def _unequal(path: str, java: Any, ours: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(java, dict) and isinstance(ours, dict):
        found = [(f"{path}.{name}", java.get(name, "-"), ours.get(name, "-")) for name in sorted({*java} ^ {*ours})]
        for name in java:
            if name in ours:
                found += _unequal(f"{path}.{name}", java[name], ours[name])
        return found
    if isinstance(java, list) and isinstance(ours, list) and len(java) == len(ours):
        pairs = enumerate(zip(java, ours, strict=True))
        return [one for number, (left, right) in pairs for one in _unequal(f"{path}[{number}]", left, right)]
    return [] if java == ours and type(java) is type(ours) else [(path, java, ours)]
