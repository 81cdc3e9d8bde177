"""Config files -> connectors as written: flat dotted options, each with its file and line.

Formats, by suffix: `.yaml`/`.yml` (one connector, a list, or `connectors:` with a list; several documents), `.json`
(Kafka Connect's `{"name", "config"}`, or flat; one or a list) and `.properties` (Kafka Connect standalone).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headwater.worker.api import HeadwaterError, Problem

from . import nodes
from .json_text import read_json
from .nodes import Flat, Mapping, Node, TextError, Wrong, flatten
from .properties_text import PropertiesError, read_properties
from .yaml_text import read_yaml

SUFFIXES: Final = (".yaml", ".yml", ".json", ".properties")


@dataclass(frozen=True, slots=True)
class Located:
    """A problem and its place. `line` and `column` count from 1; `excerpt`: the line itself with a caret below."""

    path: str
    line: int | None
    problem: Problem
    column: int | None = None
    excerpt: str = ""

    def place(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        option = f" {self.problem.option}:" if self.problem.option else ""
        hint = f" ({self.problem.hint})" if self.problem.hint else ""
        excerpt = f"\n{self.excerpt}" if self.excerpt else ""
        return f"{self.place()}:{option} {self.problem.message}{hint}{excerpt}"


class FileErrors(HeadwaterError):
    """Config files that cannot be used; holds every problem of all of them."""

    def __init__(self, problems: list[Located]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ConnectorFile:
    """One connector as a file has it. `raw` holds its name too; `${…}` is not expanded."""

    name: str
    raw: dict[str, str]
    path: str
    line: int = 1
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, option: str) -> int:
        """Where it stands; for an option that was not given, its nearest relative or the connector's first line."""
        name = option
        while name:
            if name in self.lines:
                return self.lines[name]
            name = name.rpartition(".")[0]
        return self.line

    def where(self, option: str) -> str:
        """`file:line`"""
        return f"{self.path}:{self.line_of(option)}"

    def locate(self, problem: Problem) -> Located:
        return Located(self.path, self.line_of(problem.option), problem)


def load_files(paths: Iterable[str | Path]) -> list[ConnectorFile]:
    """All connectors of these files and directories. Raises `FileErrors` with everything that is wrong."""
    connectors, problems = read_files(paths)
    if problems:
        raise FileErrors(problems)
    return connectors


def read_files(paths: Iterable[str | Path]) -> tuple[list[ConnectorFile], list[Located]]:
    """The connectors that could be read, and what is wrong with the files; of a directory, the config files in it."""
    connectors: list[ConnectorFile] = []
    problems: list[Located] = []
    for path in paths:
        for file in _files(Path(path), problems):
            found, wrong = _read_file(file)
            connectors += found
            problems += wrong
    first: dict[str, ConnectorFile] = {}
    for connector in connectors:
        known = first.setdefault(connector.name, connector)
        if known is not connector:
            message = f"{connector.name!r} is also the name of the connector at {known.where('name')}"
            problems.append(connector.locate(Problem("name", message, "give one of them another name")))
    return connectors, problems


def load_worker_file(path: str | Path) -> ConnectorFile:
    """A worker's file, in any of the formats: flat options like a connector's, without a name. Raises `FileErrors`."""
    problems: list[Located] = []
    documents = _documents(Path(path), problems)
    if not problems and len(documents) > 1:
        problems.append(_located(path, Wrong(documents[1].line, "", "a worker's file holds one document")))
    mapping = documents[0] if documents else Mapping([], 1)
    if not isinstance(mapping, Mapping):
        problems.append(_located(path, Wrong(mapping.line, "", "a worker's file holds options: NAME: VALUE")))
        raise FileErrors(problems)
    flat = flatten(mapping)
    problems += [_located(path, wrong) for wrong in flat.wrong]
    if problems:
        raise FileErrors(problems)
    return ConnectorFile("", flat.options, str(path), mapping.line, flat.lines)


def _files(path: Path, problems: list[Located]) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(child for child in path.iterdir() if child.suffix in SUFFIXES and child.is_file())
    if not found:
        message = f"no config file in this directory: {', '.join(SUFFIXES)}"
        problems.append(Located(str(path), None, Problem("", message)))
    return found


def _read_file(path: Path) -> tuple[list[ConnectorFile], list[Located]]:
    problems: list[Located] = []
    connectors: list[ConnectorFile] = []
    documents = _documents(path, problems)
    if not documents and not problems:
        problems.append(Located(str(path), None, Problem("", "the file holds no connector")))
    for document in documents:
        for node in _connector_nodes(document):
            connector, wrong = _connector(path, node)
            problems += [_located(path, one) for one in wrong]
            if connector:
                connectors.append(connector)
    return connectors, problems


def _documents(path: Path, problems: list[Located]) -> list[Node]:
    reader = _READERS.get(path.suffix.lower())
    if not os.path.lexists(path):
        problems.append(Located(str(path), None, Problem("", "there is no such file")))
        return []
    if reader is None:
        hint = f"config files end in {', '.join(SUFFIXES)}"
        problems.append(Located(str(path), None, Problem("", f"unknown kind of file {path.suffix!r}", hint)))
        return []
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(Located(str(path), None, Problem("", f"cannot be read: {error.strerror}")))
        return []
    try:
        return reader(data)
    except TextError as error:
        lines = data.decode("utf-8", "replace").splitlines()
        text = lines[error.line - 1] if error.line <= len(lines) else ""
        excerpt = f"    {text}\n    {''.join(c if c == chr(9) else ' ' for c in text[: error.column - 1])}^"
        problems.append(Located(str(path), error.line, Problem("", str(error)), error.column, excerpt if text else ""))
        return []


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError("not UTF-8", data.count(b"\n", 0, error.start) + 1) from error


def _properties(data: bytes) -> list[Node]:
    try:
        entries = read_properties(data)
    except PropertiesError as error:
        raise TextError(str(error), error.line) from error
    return [Mapping([nodes.Entry(e.key, e.line, nodes.Scalar(e.value, e.line)) for e in entries], 1)] if entries else []


_READERS: Final[dict[str, Callable[[bytes], list[Node]]]] = {
    ".yaml": lambda data: read_yaml(_decoded(data)),
    ".yml": lambda data: read_yaml(_decoded(data)),
    ".json": lambda data: read_json(_decoded(data)),
    ".properties": _properties,
}


_ANSWERED: Final = ("config", "type", "tasks", "initial_state")
"""Keys of Kafka Connect's requests and answers that are not options: a saved answer is a config file too."""


def _connector_nodes(document: Node) -> list[Node]:
    if isinstance(document, Mapping) and len(document.entries) == 1 and document.entries[0].key == "connectors":
        document = document.entries[0].node
    return list(document.items) if isinstance(document, nodes.Sequence) else [document]


def _connector(path: Path, node: Node) -> tuple[ConnectorFile | None, list[Wrong]]:
    """From a flat mapping, or one with `name` and `config`."""
    if not isinstance(node, Mapping):
        return None, [Wrong(node.line, "", "a connector is expected here: a mapping with name and connector.class")]
    config = node.get("config")
    if isinstance(config, Mapping):
        flat = flatten(config)
        outer = flatten(Mapping([entry for entry in node.entries if entry.key not in _ANSWERED], node.line))
        _join(flat, outer)
    else:
        flat = flatten(node)
    name = flat.options.get("name", "").strip()
    if not name:
        if "name" not in flat.lines or "name" in flat.options:
            flat.wrong.append(
                Wrong(node.line, "name", "required and missing", "every connector needs a name of its own")
            )
        return None, flat.wrong
    return ConnectorFile(name, flat.options, str(path), node.line, flat.lines), flat.wrong


def _join(flat: Flat, outer: Flat) -> None:
    """Take over the name that stands beside `config` in Kafka Connect's JSON."""
    flat.wrong += outer.wrong
    inner, name = flat.options.get("name"), outer.options.get("name")
    if inner is not None and name is not None and inner != name:
        flat.wrong.append(Wrong(flat.lines["name"], "name", f"is {name!r} outside of config and {inner!r} in it"))
    for option, line in outer.lines.items():
        if option == "name" and name is not None:
            flat.options["name"], flat.lines["name"] = name, line
        elif option != "name":
            flat.wrong.append(Wrong(line, option, "stands beside config", "move it into config"))


def _located(path: str | Path, wrong: Wrong) -> Located:
    return Located(str(path), wrong.line, Problem(wrong.option, wrong.message, wrong.hint))
