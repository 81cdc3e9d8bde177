"""The converters of the other cluster's side; the worker's side has the connector's own, like every connector.

They are the plugins that key.converter and value.converter may name, found among the installed entry points.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Final

from headwater.worker.api import ConfigError, Converter, Option, OptionType, Problem, Values

GROUP: Final = "headwater.converters"
BYTES: Final = "ByteArrayConverter"
_SECRET: Final = r"(?:.*\.)?(?:password|secret|token|info)"  # noqa: S105 - the form of names


def converter_options(side: str) -> tuple[Option, ...]:
    made = []
    for part in ("key", "value"):
        name = f"{side}.{part}.converter"
        made += [
            Option(name, OptionType.CLASS, BYTES, f"{part.capitalize()}s on that cluster. ByteArrayConverter: as they "
                   f"are. Its own options follow as `{name}.…`.", group="conversion"),
            Option(rf"{side}\.{part}\.converter\.{_SECRET}", OptionType.PASSWORD, pattern=True),
            Option(rf"{side}\.{part}\.converter\..+", pattern=True, group="conversion",
                   doc=f"An option of {name}, e.g. {name}.schemas.enable."),
        ]  # fmt: skip
    return tuple(made)


def made_converter(values: Values, side: str, part: str) -> Converter:
    """`part`: key or value. Raises `ConfigError`."""
    name = f"{side}.{part}.converter"
    chosen: str = values[name]
    found = list(entry_points(group=GROUP, name=chosen))
    if not found:
        raise ConfigError([Problem(name, f"no installed converter is called {chosen}", "see `headwater plugins`")])
    converter: Any = found[0].load()()
    raw = {match[1]: value for match, value in values.matching(rf"{side}\.{part}\.converter\.(.+)")}
    parsed, problems = converter.options.parse(raw)
    if problems:
        raise ConfigError([Problem(f"{name}.{p.option}", p.message, p.hint, p.value) for p in problems])
    converter.configure(parsed, is_key=part == "key")
    assert isinstance(converter, Converter)
    return converter


def converter_problems(values: Values, side: str) -> list[Problem]:
    problems = []
    for part in ("key", "value"):
        if f"{side}.{part}.converter" not in values:
            continue
        try:
            made_converter(values, side, part)
        except ConfigError as error:
            problems += error.problems
    return problems
