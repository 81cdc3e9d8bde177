"""The config files of `headwater run`: checked, applied, and applied again when somebody has edited them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from headwater.worker.api import ConfigError, HeadwaterError, Problem
from headwater.worker.cluster.refusals import NotNow
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.config.load import ConnectorFile, FileErrors, Located, read_files
from headwater.worker.config.secrets import VARIABLE, Redactor, secret_values
from headwater.worker.runtime.plugin_process import run_plugin_call

from .file_watch import FileWatch
from .terminal import say

LOOK_EVERY_S: Final = 1.0
RETRY_EVERY_S: Final = 5.0


class RunFiles:
    """`redactor` learns the passwords that stand in the files, before anything can log them."""

    def __init__(self, paths: Sequence[Path], settings: Mapping[str, str], redactor: Redactor) -> None:
        self._paths = paths
        self._settings = settings
        self._redactor = redactor
        self._watch = FileWatch(paths)
        self._look_at = 0.0
        self._retry_at: float | None = None

    def read(self) -> list[ConnectorFile]:
        """All connectors of the files, checked in processes of their own. Raises `FileErrors` with every problem."""
        connectors, problems = read_files(self._paths)
        for connector in connectors:
            literal = {option: text for option, text in connector.raw.items() if not VARIABLE.fullmatch(text.strip())}
            self._redactor.add(secret_values(literal, literal))
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(self._problems, connectors):
                problems += found
        if problems:
            raise FileErrors(problems)
        return connectors

    def _problems(self, connector: ConnectorFile) -> list[Located]:
        try:
            answer = run_plugin_call("validate", connector.raw, self._settings)
        except ConfigError as error:
            return [connector.locate(problem) for problem in error.problems]
        except HeadwaterError as error:
            return [connector.locate(Problem("connector.class", str(error)))]
        return [connector.locate(Problem(**problem)) for problem in answer["problems"]]

    def apply(self, worker: Standalone, connectors: Sequence[ConnectorFile]) -> None:
        """Let the worker run these; what it cannot take now, because a view is being rebuilt, is tried again later."""
        try:
            done = worker.apply_files((connector.name, connector.raw) for connector in connectors)
        except NotNow as error:
            if self._retry_at is None:
                say(f"the files are applied later: {error}")
            self._retry_at = time.monotonic() + RETRY_EVERY_S
            return
        self._retry_at = None
        for name, what in sorted(done.items()):
            say(f"{name}: {_EXPLAINED.get(what, what)}")

    def follow(self, worker: Standalone) -> None:
        """Call it often: applies what has changed. A broken edit is told, and changes nothing."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        changed = self._watch.changed()
        if not changed and (self._retry_at is None or now < self._retry_at):
            return
        try:
            self.apply(worker, self.read())
        except FileErrors as error:
            self._retry_at = None
            say(f"{error}\nthe edit is not applied; everything runs on as before")
        except HeadwaterError as error:
            self._retry_at = None
            say(f"the edit is not applied, everything runs on as before: {error}")


_EXPLAINED: Final = {"kept": "kept as its last rebuild has left it; its file, which says otherwise, is not applied"}
