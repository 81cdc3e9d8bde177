"""Converters for tests, configured as a user would."""

from __future__ import annotations

from typing import TypeVar

from headwater.worker.api import ConfigError, Converter

C = TypeVar("C", bound=Converter)


def configured(cls: type[C], url: str | None = None, is_key: bool = False, **options: str) -> C:
    """`url`: of the schema registry. Option names are given with `_` for `.`. Raises `ConfigError`."""
    raw: dict[str, str | None] = {
        name if "." in name else name.replace("_", "."): text for name, text in options.items()
    }
    if url is not None:
        raw["schema.registry.url"] = url
    values, problems = cls.options.parse(raw)
    if problems:
        raise ConfigError(problems)
    converter = cls()
    converter.configure(values, is_key)
    return converter
