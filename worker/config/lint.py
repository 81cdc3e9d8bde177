"""All that is wrong with config files, without asking any server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from headwater.worker.api import ConfigError, Problem

from .load import ConnectorFile, Located, read_files
from .plan import build_plan
from .plugins import Plugins
from .secrets import expand


def lint_files(
    paths: Iterable[str | Path], worker: Mapping[str, str] | None = None, plugins: Plugins | None = None
) -> tuple[list[ConnectorFile], list[Located]]:
    """The connectors that were found, and every problem of every file in the order of the files.

    Imports the plugins that the files name.
    """
    given = list(map(str, paths))
    connectors, problems = read_files(given)
    for connector in connectors:
        problems += lint_connector(connector, worker, plugins)

    def place(problem: Located) -> tuple[int, str, int]:
        index = next((i for i, path in enumerate(given) if problem.path.startswith(path)), len(given))
        return index, problem.path, problem.line or 0

    return connectors, sorted(problems, key=place)


def lint_connector(
    connector: ConnectorFile, worker: Mapping[str, str] | None = None, plugins: Plugins | None = None
) -> list[Located]:
    """What is wrong with one connector's options, variables that cannot be read included."""
    try:
        raw = expand(connector.raw)
    except ConfigError as error:
        # The other options are checked all the same.
        missing = {problem.option for problem in error.problems}
        rest = _problems({k: v for k, v in connector.raw.items() if k not in missing}, worker, plugins)
        found = error.problems + [p for p in rest if p.option not in missing]
        return [connector.locate(problem) for problem in found]
    return [connector.locate(problem) for problem in _problems(raw, worker, plugins)]


def _problems(raw: Mapping[str, str], worker: Mapping[str, str] | None, plugins: Plugins | None) -> list[Problem]:
    try:
        build_plan(raw, worker, plugins)
    except ConfigError as error:
        return error.problems
    return []
