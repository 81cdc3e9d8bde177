"""`${env:NAME}`, `${file:PATH:KEY}`, `${dir:PATH:KEY}` in option values, and keeping what they hold out of sight.

Source of the format: Kafka's `EnvVarConfigProvider`, `FileConfigProvider`, `DirectoryConfigProvider` and
`ConfigTransformer`. They need no set-up here. Expand in task and plugin processes alone: what the worker stores, shows
and logs stays unexpanded.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from headwater.worker.api import ConfigError, Problem

from .properties_text import PropertiesError, read_properties

VARIABLE: Final = re.compile(r"\$\{([^}:]*?):(?:([^}]*?):)?([^}]*?)\}")
HIDDEN: Final = "***"
SHORTEST_SECRET: Final = 3
"""Shorter values are not looked for in texts: they would blot out half of every message."""

_SECRET_NAME: Final = re.compile(
    r"password|passwd|passphrase|secret|credential(?!s\.source)|jaas|token|api\.?key|private\.?key"
    r"|auth\.user\.info|request\.header\."
    r"|ssl\.keystore\.key|ssl\.key\.pem|oauthbearer\.config",
    re.IGNORECASE,
)
_URL_PASSWORD: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)([^\s/@]+)(@)", re.IGNORECASE)
_IN_JAAS: Final = re.compile(r'(?:password|secret)\s*=\s*"([^"]+)"', re.IGNORECASE)
_KEYWORD_PASSWORD: Final = re.compile(r"\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&;'\"]+)", re.IGNORECASE)


class _Missing(Exception):
    """What a variable names is not there: message and hint, neither of them holding a value."""


class Expanded(dict[str, str]):
    """Options with every variable replaced. `filled_in`: what the variables held, by option; never show it."""

    def __init__(self) -> None:
        super().__init__()
        self.filled_in: dict[str, set[str]] = {}


def expand(raw: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Expanded:
    """Every `${…}` replaced, once (what it brings in is not expanded again).

    Raises `ConfigError` with one problem for each variable that cannot be read.
    """
    env = os.environ if environment is None else environment
    problems: list[Problem] = []
    expanded = Expanded()
    for option, text in raw.items():

        def value_of(found: re.Match[str], option: str = option) -> str:
            try:
                value = _lookup(found[1], found[2] or "", found[3], env)
            except _Missing as missing:
                problems.append(Problem(option, *missing.args))
                return found[0]
            expanded.filled_in.setdefault(option, set()).add(value)
            return value

        expanded[option] = VARIABLE.sub(value_of, text)
    if problems:
        raise ConfigError(problems)
    return expanded


def is_secret_name(option: str) -> bool:
    """Does the name say that the value is a secret? For places that know no plugin and so no option types."""
    return bool(_SECRET_NAME.search(option))


def secret_values(raw: Mapping[str, str], expanded: Mapping[str, str], secret_options: Iterable[str] = ()) -> set[str]:
    """What has to stay out of every text: values of password options, of options so named, and all that `${…}` held.

    What the config also says in plain words, such as its own name, is no secret because a variable holds it as well.
    `expanded` comes from `expand`; of a plain mapping the whole value counts where it differs from its text in `raw`.
    """
    named = set(secret_options)
    plain = {text for option, text in raw.items() if expanded.get(option) == text and not is_secret_name(option)}
    filled_in = expanded.filled_in if isinstance(expanded, Expanded) else {}
    found: set[str] = set()
    for option, value in expanded.items():
        text = raw.get(option, value)
        secret = option in named or is_secret_name(option)
        if secret:
            found.add(value)
            found.update(_IN_JAAS.findall(value))
        if text != value:
            held = filled_in.get(option, {value})
            found |= held if secret else held - plain
    return found


class Redactor:
    """Takes secrets out of texts: known values, and passwords within URLs and connection strings."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            self._values |= _forms(value)
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def redact(self, text: str) -> str:
        if self._pattern:
            text = self._pattern.sub(HIDDEN, text)
        text = _URL_PASSWORD.sub(rf"\g<1>{HIDDEN}\g<3>", text)
        return _KEYWORD_PASSWORD.sub(rf"\g<1>{HIDDEN}", text)


def _forms(value: str) -> set[str]:
    """As it stands, and as errors quote it: by Python's `repr`, in JSON, in a URL."""
    found = {text for text in (value, value.strip()) if len(text) >= SHORTEST_SECRET}
    for text in tuple(found):
        found |= {repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        found.add(quote(text, safe="", errors="replace"))  # what the environment holds may be no UTF-8
    return found


def _lookup(provider: str, path: str, key: str, env: Mapping[str, str]) -> str:
    if provider == "env":
        if key not in env:
            raise _Missing(f"environment variable {key} is not set", f"set {key} where the worker is started")
        return env[key]
    if provider == "file":
        return _from_file(path, key)
    if provider == "dir":
        return _from_directory(path, key)
    raise _Missing(f"no config provider {provider!r}", "there are ${env:NAME}, ${file:PATH:KEY} and ${dir:PATH:KEY}")


def _from_file(path: str, key: str) -> str:
    if not path:
        raise _Missing("${file:…} names no key", "write ${file:PATH:KEY}")
    try:
        entries = read_properties(Path(path).read_bytes())
    except OSError as error:
        raise _Missing(f"cannot read {path}: {error.strerror}", "the worker's user must be able to read it") from error
    except PropertiesError as error:
        raise _Missing(f"{path}:{error.line}: {error}", "") from error
    for entry in reversed(entries):
        if entry.key == key:
            return entry.value
    raise _Missing(f"{path} has no key {key}", "it is a .properties file: lines of KEY=VALUE")


def _from_directory(path: str, key: str) -> str:
    """The file's whole text, without the line end that editors and `echo` leave behind."""
    if not path:
        raise _Missing("${dir:…} names no key", "write ${dir:PATH:KEY}: the file KEY in the directory PATH")
    if Path(key).name != key:
        raise _Missing(f"{key} is not a plain file name", "a key cannot lead out of its directory")
    try:
        text = (Path(path) / key).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise _Missing(
            f"cannot read {Path(path) / key}: {reason}", "the worker's user must be able to read it"
        ) from error
    return text.removesuffix("\n").removesuffix("\r")
