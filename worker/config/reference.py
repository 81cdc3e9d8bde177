"""What the options of a plugin are, for people and for editors: rows of a table, Markdown, JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from headwater.worker.api import REQUIRED, Option, Options, OptionType, Unsupported

from .connector_options import COMMON, OF_KIND
from .plugins import Plugin, Plugins
from .worker_options import WORKER_OPTIONS

_JSON_TYPES: Final = {
    OptionType.BOOLEAN: "boolean",
    OptionType.INT: "integer",
    OptionType.LONG: "integer",
    OptionType.DOUBLE: "number",
}


class OptionRow(NamedTuple):
    """One line of a reference, all of it text. `default` is empty where the option is required."""

    name: str
    type: str
    default: str
    doc: str
    choices: str
    required: bool
    group: str


def option_rows(options: Options) -> list[OptionRow]:
    """Supported options in the order of their declaration.

    A pattern without a description is the secret part of the pattern that follows it, and is left out.
    """
    declared = [entry for entry in options.entries if isinstance(entry, Option)]
    return [_row(option) for option in declared if option.doc or not option.pattern]


def refused(options: Options) -> list[Unsupported]:
    return [entry for entry in options.entries if isinstance(entry, Unsupported)]


def options_of(plugin: Plugin, plugins: Plugins) -> tuple[Options, str]:
    """A plugin's own options and its description. Imports it; raises `ConfigError`."""
    loaded = plugins.load(plugin.kind, plugin.names[0], plugin.names[0])
    return loaded.options, loaded.doc or (loaded.__doc__ or "").strip().partition("\n")[0]


def markdown(plugin: Plugin, plugins: Plugins) -> str:
    """The whole reference of one plugin. The same text every time: it is checked in."""
    options, doc = options_of(plugin, plugins)
    others = [f"`{name}`" for name in plugin.names if name != plugin.name]
    lines = [f"# {plugin.name}", ""]
    lines += [doc, ""] if doc else []
    lines += [f"A {plugin.kind}. Also known as {', '.join(others)}." if others else f"A {plugin.kind}.", ""]
    lines += ["Generated from the options' declarations: `headwater plugins NAME --markdown`.", ""]
    lines += _tables(options)
    if plugin.kind in OF_KIND:
        lines += [f"Every {plugin.kind} also has the options of [connectors](connectors.md).", ""]
    lines += _refusals(options)
    return "\n".join(lines).rstrip() + "\n"


def framework_markdown() -> str:
    """The options of every connector that belong to no plugin."""
    lines = ["# Options of every connector", "", "Generated: `headwater plugins connectors --markdown`.", ""]
    for title, options in (
        ("Sources and sinks", COMMON),
        ("Sources only", OF_KIND["source"]),
        ("Sinks only", OF_KIND["sink"]),
    ):
        lines += [f"## {title}", "", *_table(option_rows(options)), "", *_refusals(options)]
    return "\n".join(lines).rstrip() + "\n"


def worker_markdown() -> str:
    lines = ["# Options of a worker", "", "Generated: `headwater plugins worker --markdown`.", ""]
    return "\n".join([*lines, *_tables(WORKER_OPTIONS), *_refusals(WORKER_OPTIONS)]).rstrip() + "\n"


def json_schema(plugin: Plugin, plugins: Plugins) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a connector with this class, dotted keys, for editors."""
    options, doc = options_of(plugin, plugins)
    everything = COMMON + OF_KIND[plugin.kind] + options if plugin.kind in OF_KIND else options
    declared = [entry for entry in everything.entries if isinstance(entry, Option)]
    properties = {option.name: _schema(option) for option in declared if not option.pattern}
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": plugin.name,
        "description": doc,
        "type": "object",
        "properties": properties,
        "patternProperties": {f"^(?:{option.name})$": _schema(option) for option in declared if option.pattern},
        "required": [option.name for option in declared if option.default is REQUIRED and not option.pattern],
    }
    if plugin.kind in OF_KIND:
        properties["connector.class"]["enum"] = list(plugin.names)
    return schema


def _schema(option: Option) -> dict[str, Any]:
    """Every value may be written as text, and may be a `${…}` variable."""
    kinds = [_JSON_TYPES[option.type], "string"] if option.type in _JSON_TYPES else ["string"]
    kinds += ["array"] if option.type is OptionType.LIST else []
    schema: dict[str, Any] = {"type": kinds if len(kinds) > 1 else kinds[0], "description": option.doc}
    if option.choices and option.type is not OptionType.LIST:
        schema["examples"] = list(option.choices)
    if option.default is not REQUIRED and option.default is not None:
        schema["default"] = list(option.default) if isinstance(option.default, tuple) else option.default
    return schema


def _row(option: Option) -> OptionRow:
    required = option.default is REQUIRED and not option.pattern
    default = "" if option.default is REQUIRED else _text(option.default)
    name = pattern_name(option.name) if option.pattern else option.name
    return OptionRow(name, option.type.lower(), default, option.doc, ", ".join(option.choices), required, option.group)


def pattern_name(pattern: str) -> str:
    r"""`column\.mask\.with\.(\d+)\.chars` as a reader writes it: `column.mask.with.NUMBER.chars`."""
    name = re.sub(r"\(([^()]*)\)\?", r"[\1]", pattern.replace("(?:", "("))
    name = re.sub(r"\(?\\d\+\)?", "NUMBER", name)
    name = re.sub(r"\((?:\.[+*]\??|\[\^\.\]\+)\)|(?<!\\)\.[+*]\??|\[\^\.\]\+", "NAME", name)
    return name.replace("\\.", ".")


def _text(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list | tuple):
        return ",".join(map(str, default))
    return str(default)


def _tables(options: Options) -> list[str]:
    """One table a group, in the order in which the groups appear first."""
    rows = option_rows(options)
    lines: list[str] = []
    for group in dict.fromkeys(row.group for row in rows):
        lines += [f"## {group or 'Options'}", "", *_table([row for row in rows if row.group == group]), ""]
    return lines


def _table(rows: Iterable[OptionRow]) -> list[str]:
    lines = ["| option | type | default | |", "|---|---|---|---|"]
    for row in rows:
        default = "**required**" if row.required else _code(row.default)
        doc = row.doc + (f" One of: {row.choices}." if row.choices else "")
        lines.append(f"| `{_cell(row.name)}` | {row.type} | {default} | {_cell(doc.strip())} |")
    return lines


def _refusals(options: Options) -> list[str]:
    rows = []
    for entry in refused(options):
        name = pattern_name(entry.name) if entry.pattern else entry.name
        rows.append(f"| `{_cell(name)}` | {_cell(entry.reason)} | {_harmless(entry)} |")
    if not rows:
        return []
    title = "Known elsewhere, an error here; but for values that ask for what happens anyway."
    return ["## Refused", "", title, "", "| option | why | accepted value |", "|---|---|---|", *rows, ""]


def _harmless(entry: Unsupported) -> str:
    return ", ".join(f"`{_cell(value)}`" for value in entry.harmless if value)


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
