"""What all throw-away servers are: a process over a folder of its own, that a test starts, stops, kills and freezes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from .process import kill_all, spawn


class Server(ABC):
    """The process may come and go; folder, ports and data stay until `close`."""

    title: str
    """For messages."""
    log_name = "server.log"
    graceful = signal.SIGTERM
    orphan = signal.SIGKILL
    """What the process gets when the one that started it dies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / self.log_name

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def tail(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:]

    @abstractmethod
    def start(self) -> Self:
        """Returns once the server answers."""

    def _launch(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], object],
        refusals: tuple[type[Exception], ...],
        timeout_s: float,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`answers` raises one of `refusals` as long as the server does not answer."""
        self._process = spawn(command, self.log, env=env, orphan=self.orphan)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                answers()
                return
            except refusals as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.title} did not start: {error}\n{self.tail()}") from error
            time.sleep(0.05)

    def stop(self, how: signal.Signals | None = None, timeout_s: float = 240) -> None:
        """In good order, unless `how` says otherwise."""
        if self._process is not None:
            self._process.send_signal(how or self.graceful)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                kill_all(self._process)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the process and its children."""
        if self._process is not None:
            kill_all(self._process)
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def restart(self, how: signal.Signals | None = None) -> None:
        self.stop(how)
        self.start()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
