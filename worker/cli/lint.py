"""`headwater lint`"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from headwater.worker.api import ConfigError
from headwater.worker.config.lint import lint_files
from headwater.worker.config.load import FileErrors, Located, load_worker_file
from headwater.worker.config.secrets import expand
from headwater.worker.config.worker_options import worker_settings

from .parameters import config_files, json_output, worker_file
from .terminal import print_json, say


@click.command("lint")
@config_files
@worker_file
@json_output
def command(files: tuple[Path, ...], worker_path: Path | None, as_json: bool) -> int:
    """Find everything that is wrong in config FILEs (or the config files of directories), with its line.

    Asks no server, and takes `${…}` for granted where it cannot be read here. Exit status 1 where something is wrong.
    """
    problems: list[Located] = []
    worker: Mapping[str, str] = {}
    try:
        worker = read_worker(worker_path)
    except FileErrors as error:
        problems = error.problems
    connectors, found = lint_files(files, worker, variables=False)
    problems += found
    if as_json:
        print_json({"connectors": [c.name for c in connectors], "problems": [as_document(p) for p in problems]})
    elif problems:
        print_problems(problems)
        say(f"{_count(problems, 'problem')} in {_count({p.path for p in problems}, 'file')}")
    else:
        click.echo(f"{_count(connectors, 'connector')}, nothing wrong")
    return 1 if problems else 0


def read_worker(path: Path | None) -> dict[str, str]:
    """The worker's options as written, checked. Raises `FileErrors` with lines."""
    if path is None:
        return {}
    file = load_worker_file(path)
    try:
        worker_settings(file.raw, expand(file.raw))
    except ConfigError as error:
        raise FileErrors([file.locate(problem) for problem in error.problems]) from error
    return file.raw


def print_problems(problems: Sequence[Located]) -> None:
    for problem in problems:
        click.echo(str(problem))


def as_document(problem: Located) -> dict[str, Any]:
    """Without the value, which may be a secret."""
    document = asdict(problem.problem)
    del document["value"]
    return {"file": problem.path, "line": problem.line, "column": problem.column, **document}


def _count(things: Collection[object], word: str) -> str:
    return f"{len(things)} {word}" if len(things) == 1 else f"{len(things)} {word}s"
