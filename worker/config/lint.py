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
    paths: Iterable[str | Path],
    worker: Mapping[str, str] | None = None,
    variables: bool = True,
    plugins: Plugins | None = None,
) -> tuple[list[ConnectorFile], list[Located]]:
    """The connectors that were found, and every problem of every file in the order of the files.

    `variables`: is one that cannot be read a problem? Where files are only looked at, it may be set elsewhere.
    Imports the plugins that the files name.
    """
    given = list(map(str, paths))
    connectors, problems = read_files(given)
    for connector in connectors:
        problems += [connector.locate(p) for p in connector_problems(connector.raw, worker, variables, plugins)]

    def place(problem: Located) -> tuple[int, str, int]:
        index = next((i for i, path in enumerate(given) if problem.path.startswith(path)), len(given))
        return index, problem.path, problem.line or 0

    return connectors, sorted(problems, key=place)


def connector_problems(
    raw: Mapping[str, str],
    worker: Mapping[str, str] | None = None,
    variables: bool = True,
    plugins: Plugins | None = None,
) -> list[Problem]:
    """What is wrong with one connector's options as written. Options whose variables cannot be read are left out."""
    missing: list[Problem] = []
    try:
        expanded: Mapping[str, str] = expand(raw)
    except ConfigError as error:
        missing = error.problems
        unread = {problem.option for problem in missing}
        expanded = expand({option: text for option, text in raw.items() if option not in unread})
    found: list[Problem] = []
    try:
        build_plan(expanded, worker, plugins)
    except ConfigError as error:
        unread = {problem.option for problem in missing}
        found = [problem for problem in error.problems if problem.option not in unread]
    return (missing if variables else []) + found
