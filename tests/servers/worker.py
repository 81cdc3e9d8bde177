"""`headwater run` as its user starts it: a process of its own, spoken to through its REST API and the commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .process import children_of, free_port

COMMAND = [sys.executable, "-m", "headwater.worker.cli.main"]


class WorkerProcess:
    """One data directory, one port; may be killed and started again any number of times."""

    def __init__(
        self, files: Sequence[Path], data: Path, env: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> None:
        """`options` are given to every start."""
        self.options = list(options)
        self.files = list(files)
        self.data = data
        self.port = free_port()
        self.env = {**os.environ, **(env or {})}
        self.log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str, ready_s: float = 300, stderr: IO[bytes] | None = None) -> WorkerProcess:
        """Returns once REST answers."""
        command = [*COMMAND, *self._started_by(), *self.options, *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=stderr or log, env=self.env
            )
        deadline = time.monotonic() + ready_s
        while True:
            try:
                self.get("/")
                return self
            except (OSError, urllib.error.URLError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"headwater {command[3]} did not start:\n{self.tail()}") from None
                time.sleep(0.1)

    def _started_by(self) -> list[str]:
        files = map(str, self.files)
        return ["run", *files, "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]

    def tail(self, characters: int = 6000) -> str:
        return self.log.read_text(errors="replace")[-characters:]

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Decoded JSON of the answer. Raises `urllib.error.HTTPError`."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        call = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(call, timeout=90) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def get(self, path: str, patience_s: float = 240) -> Any:
        """Asked again where the answer is "try again": a busy machine's broker may be away for a moment."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self.request("GET", path)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def command(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """A `headwater` command against this worker."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**self.env, "HEADWATER_URL": self.url},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """The worker's own child processes: tasks, jobs, plugin calls."""
        return children_of(self.pid)

    def kill(self) -> None:
        """SIGKILL to the worker alone; its children must notice by themselves."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, timeout_s: float = 240) -> int:
        """SIGTERM and wait; the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None
        return status


class MemberProcess(WorkerProcess):
    """`headwater worker`: a member of a cluster. `settings`: the worker's file."""

    def __init__(
        self, folder: Path, name: str, settings: Mapping[str, str], env: Mapping[str, str] | None = None
    ) -> None:
        file = folder / f"{name}.yaml"
        super().__init__([file], folder / name, env)
        file.write_text("".join(f"{option}: {json.dumps(text)}\n" for option, text in settings.items()))

    def _started_by(self) -> list[str]:
        return ["worker", str(self.files[0]), "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
