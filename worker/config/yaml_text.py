"""YAML -> tree of texts. PyYAML's composer gives the lines; no Python object is ever built."""

from __future__ import annotations

from typing import Any, Final

import yaml

from .nodes import DEEPEST, Entry, Mapping, Node, Scalar, Sequence, TextError

_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_MERGE: Final = "tag:yaml.org,2002:merge"


def read_yaml(text: str) -> list[Node]:
    """The documents of a file, empty ones left out.

    `yes`, `no`, `on`, `off` are texts, as in YAML 1.2; numbers and dates stay as they are written. Raises `TextError`.
    """
    try:
        documents = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        return [_Tree().node(node) for node in documents if not _empty(node)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" {error.context}" if error.context and "expected" not in (error.problem or "") else ""
        message = f"{error.problem or error.context}{context if error.problem else ''}"
        if "'\\t' that cannot start" in message:
            message = "indent with spaces, not tabs"
        raise TextError(message, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise TextError(f"a character that YAML does not allow: {error.reason}", line, column) from error


def _empty(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


class _Tree:
    """Converts composed nodes, each once: aliases stay shared, or a few lines of them could fill the memory."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self._entries: dict[int, list[Entry]] = {}

    def node(self, node: Any, depth: int = 0) -> Node:
        if (known := self._nodes.get(id(node))) is None:
            known = self._nodes[id(node)] = self._convert(node, depth)
        return known

    def _convert(self, node: Any, depth: int) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if depth > DEEPEST:
            raise TextError("nested too deeply", line, column)
        if isinstance(node, yaml.MappingNode):
            return Mapping(self.entries(node, depth), line, column)
        if isinstance(node, yaml.SequenceNode):
            return Sequence([self.node(item, depth + 1) for item in node.value], line, column)
        return Scalar(_text(node), line, column)

    def entries(self, node: Any, depth: int) -> list[Entry]:
        """The mapping's own entries, then those of `<<` merges that it does not override."""
        if (known := self._entries.get(id(node))) is not None:
            return known
        own: list[Entry] = []
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not isinstance(key, yaml.ScalarNode) or depth >= DEEPEST:
                message = "nested too deeply" if depth >= DEEPEST else "a key must be a plain text"
                raise TextError(message, line, column)
            if key.tag != _MERGE:
                own.append(Entry(str(key.value), line, self.node(value, depth + 1)))
                continue
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(part, yaml.MappingNode):
                    raise TextError("<< takes a mapping or a list of mappings", line, column)
                merged = {entry.key: entry for entry in self.entries(part, depth + 1)} | merged
        names = {entry.key for entry in own}
        self._entries[id(node)] = own + [entry for entry in merged.values() if entry.key not in names]
        return self._entries[id(node)]


def _text(node: Any) -> str | None:
    if node.tag == _NULL:
        return None
    text = str(node.value)
    return text.lower() if node.tag == _BOOL and text.lower() in ("true", "false") else text
