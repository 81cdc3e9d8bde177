"""The plugin's entry: what the worker knows of the file source without looking at a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from headwater.connectors.formats import format_findings, format_problems
from headwater.worker.api import (
    Features,
    Finding,
    Options,
    Partition,
    Position,
    Problem,
    Source,
    SourceConnector,
    TaskConfig,
    Values,
    check_offsets,
)

from .finishing import MOVE
from .listing import Patterns
from .options import OPTIONS
from .position import read_position
from .task import FileSource


class FileSourceConnector(SourceConnector):
    options: ClassVar[Options] = OPTIONS
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features(resumable=True, ordered=True, exactly_once=True)
    doc: ClassVar[str] = "Reads files, new ones and what is added to known ones, row by row into a topic."

    def validate(self, values: Values) -> list[Problem]:
        problems = format_problems(values)
        if values.get("key.fields") and values.get("format") == "lines":
            problems.append(Problem("key.fields", "lines have no fields", "use another format"))
        moves, folder = values.get("on.done") == MOVE, values.get("move.to")
        if moves and not folder:
            problems.append(Problem("move.to", "required with on.done: move"))
        elif folder and not moves:
            problems.append(Problem("move.to", "has a meaning with on.done: move only", "remove the option"))
        elif folder and (pattern := Patterns(values["path"], values["exclude"]).may_lie_in(folder)):
            problems.append(Problem("move.to", f"files there are found by {pattern} and would be read again",
                                    "name a folder that no pattern finds"))  # fmt: skip
        return problems

    def plan_tasks(self, values: Values, max_tasks: int) -> list[TaskConfig]:
        return [{"task.index": str(n), "task.count": str(max_tasks)} for n in range(max_tasks)]

    def task(self) -> Source:
        return FileSource()

    def check(self, values: Values) -> list[Finding]:
        findings = [_root(root) for root in dict.fromkeys(Patterns(values["path"], values["exclude"]).roots)]
        findings += [_folder(path) for path in values["path"] if os.path.isdir(path)]
        findings += format_findings(values)
        if values["move.to"]:
            findings.append(_target(values["move.to"], [f.subject for f in findings if f.level == "ok"]))
        return findings

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        check_offsets(offsets, _read_offset)


def _read_offset(partition: Partition, position: Position) -> None:
    if read_position(partition, position).inode != position.get("inode", partition["inode"]):
        raise ValueError('"inode" of partition and position differ')


def _root(root: str) -> Finding:
    if not os.path.isdir(root):
        return Finding("warning", root, "this folder is not there; it is waited for", f"mkdir -p {root}")
    if not os.access(root, os.R_OK | os.X_OK):
        return Finding("error", root, "this folder cannot be read", f"chmod o+rx {root}")
    return Finding("ok", root, "this folder can be read")


def _folder(path: str) -> Finding:
    """A path that names a folder itself finds no file, in silence."""
    return Finding(
        "error", path, "is a folder, of which nothing is read: a path names files", f"path: {path.rstrip('/')}/*"
    )


def _target(folder: str, roots: Sequence[str]) -> Finding:
    there = folder
    while not os.path.exists(there):
        there = os.path.dirname(there)
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("error", folder, "files cannot be moved there: no right to write", f"chmod u+w {there}")
    if any(os.stat(root).st_dev != os.stat(there).st_dev for root in roots):
        return Finding("error", folder, "lies on another file system than the files", "name a folder beside them")
    return Finding("ok", folder, "files can be moved there")
