"""Java's regular expressions and replacement strings in Python's terms.

Source: java.util.regex.{Pattern,Matcher}: \\d, \\w, \\s and \\b know ASCII alone; $1 and ${name} in replacements.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_POSIX: Final = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "Alpha": "A-Za-z",
    "Digit": "0-9",
    "Alnum": "A-Za-z0-9",
    "XDigit": "0-9A-Fa-f",
    "Space": r"\s",
    "Punct": r"!-/:-@\[-`{-~",
}
_TOKEN: Final = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\\p\{(?:Is)?(?P<posix>\w+)\}|\\k<(?P<backref>\w+)>|\\(?P<escaped>.)"
    r"|\(\?<(?P<group>[A-Za-z]\w*)>|(?P<intersection>&&)|(?P<bracket>[\[\]])",
    re.DOTALL,
)


def compile_java(text: str) -> re.Pattern[str]:
    """Raises `ValueError` for what is wrong, or is Java's alone."""
    inside = False

    def translate(found: re.Match[str]) -> str:
        nonlocal inside
        kind = found.lastgroup
        if kind == "quoted":
            return re.escape(found["quoted"])
        if kind == "posix":
            if found["posix"] not in _POSIX:
                raise ValueError(f"{found[0]} is not supported; list the characters")
            return _POSIX[found["posix"]] if inside else f"[{_POSIX[found['posix']]}]"
        if kind == "backref":
            return f"(?P={found['backref']})"
        if kind == "escaped":
            return r"\Z" if found["escaped"] == "z" else r"(?=\n?\Z)" if found["escaped"] == "Z" else found[0]
        if kind == "group":
            return found[0] if inside else f"(?P<{found['group']}>"
        if kind == "intersection":
            if inside:
                raise ValueError("&& inside [] is not supported; list the characters")
            return found[0]
        if found[0] == "[" and inside:
            raise ValueError("[ inside [] is not supported; write \\[ for the character itself")
        inside = found[0] == "[" or (inside and found[0] != "]")
        return found[0]

    try:
        return re.compile(_TOKEN.sub(translate, text), re.ASCII)
    except re.error as error:
        raise ValueError(str(error)) from error


def java_regex(text: str) -> str | None:
    """For `Option.validate`."""
    try:
        compile_java(text)
    except ValueError as error:
        return f"is not a regular expression that Headwater can use: {error}"
    return None


def compile_replacement(pattern: re.Pattern[str], text: str) -> Callable[[re.Match[str]], str]:
    """What Matcher.appendReplacement does. Raises `ValueError`."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            if at + 1 == len(text):
                raise ValueError("ends with a single \\")
            parts.append(text[at + 1])
            at += 2
        elif text[at] == "$":
            group, at = _reference(pattern, text, at + 1)
            parts.append(group)
        else:
            parts.append(text[at])
            at += 1
    return lambda found: "".join(part if isinstance(part, str) else found[part] or "" for part in parts)


def _reference(pattern: re.Pattern[str], text: str, at: int) -> tuple[int, int]:
    """The number of the group named at `at`, behind the $, and where the text goes on."""
    if named := re.compile(r"\{([A-Za-z][A-Za-z0-9]*)\}").match(text, at):
        if named[1] not in pattern.groupindex:
            raise ValueError(f"the regular expression has no group {named[1]}")
        return pattern.groupindex[named[1]], named.end()
    if not text[at : at + 1].isdigit():
        raise ValueError("has a $ without a group; write \\$ for the character itself")
    group = int(text[at])
    at += 1
    if group > pattern.groups:
        raise ValueError(f"the regular expression has no group {group}")
    while text[at : at + 1].isdigit() and group * 10 + int(text[at]) <= pattern.groups:
        group = group * 10 + int(text[at])
        at += 1
    return group, at
