"""The option `topic` of both connectors: a name with `${topic}` in it."""

from __future__ import annotations

import re
from typing import Any


def topic_form(value: Any) -> str | None:
    """What is wrong with it."""
    wrong = [found[0] for found in re.finditer(r"\$\{[^}]*\}?", value) if found[0] != "${topic}"]
    if wrong:
        return f"knows ${{topic}}, not {wrong[0]}"
    return None if value else "must not be empty"


def named(form: str, topic: str) -> str:
    return form.replace("${topic}", topic)
