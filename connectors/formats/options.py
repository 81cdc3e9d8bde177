"""The options of every source that reads formats, and the format that they ask for."""

from __future__ import annotations

import codecs
import importlib.util
from collections.abc import Callable
from typing import Any, Final

from headwater.worker.api import Finding, Option, Options, OptionType, Problem, Values, at_least

from .avro import Avro
from .compression import CODECS, missing
from .contract import Format
from .delimited import Delimited, Dialect
from .field_types import TYPE_NAMES, field_types
from .json_lines import JsonLines
from .parquet import Parquet
from .text_lines import TextLines

INFER: Final = "infer"
_SPELLED: Final = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}


def _types(value: list[str]) -> str | None:
    if [item.lower() for item in value] == [INFER]:
        return None
    try:
        field_types(value)
    except ValueError as error:
        return str(error)
    return None


def _encoding(value: Any) -> str | None:
    try:
        plain = codecs.lookup(value).name and "\n,".encode(value) == b"\n,"
    except (LookupError, ValueError):  # of names with a NUL, and of codecs that encode nothing
        return "is no encoding that Python knows"
    if plain:
        return None
    return "must be one that writes ASCII as it is (utf-8, latin-1, cp1252, …), or lines are not found"


def one_character(value: str) -> str:
    """`\\t`, `tab`, `;` … as the character; empty stays empty."""
    return _SPELLED.get(value.lower(), value)


def _single(may_be_empty: bool) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        character = one_character(value)
        single = len(character) == 1 and character.isascii() and character not in "\r\n"
        if single or (may_be_empty and not character):
            return None
        return "must be one ASCII character, or tab, space, comma, semicolon or pipe"

    return check


FORMAT_OPTIONS: Final = Options(
    Option("format", choices=("lines", "csv", "jsonl", "avro", "parquet"), importance="high", group="Format",
           doc="What the files hold: lines of text, CSV, a JSON value a line, Avro (object container files; needs `pip "
           "install 'headwater[avro]'`), Parquet (needs `'headwater[parquet]'`)."),
    Option("compression", default="auto", choices=("auto", *CODECS), group="Format",
           doc="auto: told by the first bytes. zstd needs `pip install 'headwater[zstd]'`."),
    Option("encoding", default="utf-8", validate=_encoding, group="Format", importance="low",
           doc="Of text, for lines and CSV; a byte order mark at the beginning is left out."),
    Option("row.max.bytes", OptionType.INT, 8 * 1024 * 1024, "A longer row of lines, CSV or jsonl is a bad one.",
           validate=at_least(1), group="Format", importance="low"),
    Option("block.max.bytes", OptionType.INT, 64 * 1024 * 1024, "A larger block of an Avro file is not read; one is "
           "in memory at a time.", validate=at_least(1), group="Format", importance="low"),
    Option("types", OptionType.LIST, (), "Types of fields, `name:type` separated by commas; types are "
           f"{', '.join(TYPE_NAMES)}. CSV: columns that are not listed are strings; `infer`: types are guessed from a "
           "file's first 100 rows and then hold for that file. jsonl: all fields of every row, which gives rows a "
           "schema; without it they have none.", validate=_types, group="Format"),
    Option("csv.delimiter", default=",", validate=_single(False), group="CSV",
           doc="Between fields: a character, or tab, space, comma, semicolon, pipe."),
    Option("csv.quote", default='"', validate=_single(True), group="CSV",
           doc="Around fields that hold a delimiter or a line feed; doubled inside. Empty: none."),
    Option("csv.escape", default="", validate=_single(True), group="CSV",
           doc="Before a character that is meant as it is; quotes are then not doubled. Empty: none."),
    Option("csv.header", OptionType.BOOLEAN, True, "Does the first row name the columns?", group="CSV"),
    Option("csv.columns", OptionType.LIST, (), "Names of the columns where no header has them; default: column_1, …",
           group="CSV"),
    Option("csv.skip.lines", OptionType.INT, 0, "Lines to leave out before the header.", validate=at_least(0),
           group="CSV"),
    Option("csv.null", default="", doc="The text that stands for null.", group="CSV"),
)  # fmt: skip


def format_problems(values: Values) -> list[Problem]:
    """Rules over several of these options."""
    problems = []
    chosen = values.get("format")
    for name in values:
        if name.startswith("csv.") and values.given(name) and chosen != "csv":
            problems.append(Problem(name, "has a meaning with format: csv only", "remove the option"))
    if chosen == "parquet" and values.get("compression") not in (None, "auto", "none"):
        problems.append(Problem("compression", "Parquet compresses inside, such files are not read", "leave it out"))
    if values.get("types"):
        if chosen in ("avro", "parquet"):
            problems.append(Problem("types", f"{chosen} files say what types they have", "remove the option"))
        elif chosen == "lines":
            problems.append(Problem("types", "lines have no fields", "use format: csv or jsonl"))
        elif infers(values) and chosen != "csv":
            problems.append(Problem("types", "infer has a meaning with format: csv only", "list the types"))
    used: dict[str, str] = {}
    for name in ("csv.delimiter", "csv.quote", "csv.escape"):
        mark = one_character(values.get(name) or "") if chosen == "csv" else ""
        if mark and mark in used:
            hint = "name another one" if name == "csv.quote" else "leave it empty: quotes in quotes are doubled"
            problems.append(Problem(name, f"is the same character as {used[mark]}", hint))
        used[mark] = name
    if values.get("csv.header") and values.get("csv.columns"):
        problems.append(Problem("csv.columns", "the header names the columns", "set csv.header: false"))
    return problems


def infers(values: Values) -> bool:
    return [item.lower() for item in values["types"]] == [INFER]


def lacking(values: Values) -> str | None:
    """What has to be installed before this format can be read, as a sentence."""
    for name, module, package in (("avro", "fastavro", "avro"), ("parquet", "pyarrow", "parquet")):
        if values["format"] == name and importlib.util.find_spec(module) is None:
            return f"needs the package {module}: pip install 'headwater[{package}]'"
    return None


def format_findings(values: Values) -> list[Finding]:
    """For `check`: what has to be installed before these files can be read."""
    findings = []
    if what := lacking(values):
        findings.append(Finding("error", "format", f"{values['format']} {what}", what.partition(": ")[2]))
    if values["compression"] == "zstd" and (what := missing("zstd")):
        findings.append(Finding("error", "compression", f"zstd {what}", what.partition(": ")[2]))
    return findings


def make_format(values: Values) -> Format:
    """Of options without problems."""
    if values["format"] == "avro":
        return Avro(values["block.max.bytes"])
    if values["format"] == "parquet":
        return Parquet()
    most = values["row.max.bytes"]
    types = {} if infers(values) else field_types(values["types"])
    if values["format"] == "jsonl":
        return JsonLines(types, most)
    if values["format"] == "lines":
        return TextLines(values["encoding"], most)
    return Delimited(
        Dialect(
            delimiter=one_character(values["csv.delimiter"]),
            quote=one_character(values["csv.quote"]),
            escape=one_character(values["csv.escape"]),
            header=values["csv.header"],
            skip_lines=values["csv.skip.lines"],
            columns=tuple(values["csv.columns"]),
            null=values["csv.null"],
            types=None if infers(values) else types,
            encoding=values["encoding"],
            most=most,
        )
    )
