"""A transform as the worker makes it from a config's text."""

from __future__ import annotations

from typing import TypeVar

from headwater.worker.api import ConfigError, Transform

T = TypeVar("T", bound=Transform)


def configured(kind: type[T], **options: str) -> T:
    """`options`: with _ for the dots in their names. Raises `ConfigError`."""
    return from_text(kind, {name.replace("_", "."): text for name, text in options.items()})


def from_text(kind: type[T], options: dict[str, str]) -> T:
    made = kind()
    values, problems = made.options.parse(options)
    if problems:
        raise ConfigError(problems)
    made.configure(values)
    return made
