"""`headwater run`"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from headwater.worker.cluster.refusals import NotThere
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.config.load import ConnectorFile
from headwater.worker.config.secrets import Redactor, expand, secret_values
from headwater.worker.config.worker_options import worker_settings
from headwater.worker.observe import logs
from headwater.worker.rest.listeners import Listener, advertised_url, bind
from headwater.worker.rest.server import RestServer

from .lint import read_worker
from .live_progress import LiveProgress
from .parameters import config_files, data_dir, json_output, worker_file
from .run_files import RunFiles
from .stop_signals import start_unless_stopped, stop_signals
from .terminal import print_json, say

TICK_S: Final = 0.25
INTERRUPTED: Final = 130


@click.command("run")
@config_files
@worker_file
@data_dir
@click.option("--until-caught-up", "until_caught_up", is_flag=True,
              help="End once sources have read all there was at the start and sinks have it.")  # fmt: skip
@click.option("--listen", metavar="ADDR", help="Where REST answers; `none`: nowhere.  [default: 127.0.0.1:8083]")
@json_output
def command(
    files: tuple[Path, ...], worker_path: Path | None, data_dir: Path | None, until_caught_up: bool,
    listen: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Run the connectors in FILEs on this machine, and apply edits of the files as they are saved.

    Without a Kafka broker in the worker's file, topics lie in the data directory. Ctrl-C stops everything gracefully;
    started again, it goes on where it stopped.
    """
    raw = read_worker(worker_path)
    expanded = expand(raw)
    values = worker_settings(raw, expanded).values
    redactor = Redactor(secret_values(raw, expanded))
    run_files = RunFiles(files, raw, redactor)
    connectors = run_files.read()
    addresses = [listen] if listen else values["listeners"] or ["none"]
    # Before anything starts: a port may be taken.
    listeners = [] if "none" in addresses else bind(expanded, addresses, values["admin.listeners"])
    try:
        worker_id = urlsplit(advertised_url(expanded, listeners)).netloc if listeners else "headwater"
        worker = Standalone(raw, data_dir or Path(values["data.dir"]), worker_id)
        with LiveProgress(values["log.format"] != "json") as progress, stop_signals() as stopping:
            logs.configure(as_json=values["log.format"] == "json", level=values["log.level"], redact=redactor.redact)
            run = _Run(worker, run_files, listeners, progress, stopping)
            status = run.until_end(connectors, until_caught_up)
    finally:
        for listener in listeners:
            listener.close()
    if as_json:
        print_json(run.statuses)
    return status


class _Run:
    """From the start of the worker to its end. `statuses`: what was known of each connector at the end."""

    def __init__(
        self, worker: Standalone, files: RunFiles, listeners: Sequence[Listener], progress: LiveProgress,
        stopping: threading.Event,
    ) -> None:  # fmt: skip
        self._worker = worker
        self._files = files
        self._listeners = listeners
        self._progress = progress
        self._stopping = stopping
        self.statuses: list[dict[str, Any]] = []

    def until_end(self, connectors: list[ConnectorFile], until_caught_up: bool) -> int:
        """The exit status. Raises what `Standalone.start` does; `NotCaughtUp` where a connector fails for good and
        its end was to be waited for; `KeyboardInterrupt` before all is started."""
        worker = self._worker
        start_unless_stopped(worker.start, self._stopping)
        server = None
        try:
            self._files.apply(worker, connectors)
            if self._listeners:
                server = RestServer(worker, self._listeners)
                server.start()
            caught_up = self._caught_up() if until_caught_up else None
            while not self._stopping.wait(TICK_S) and not (caught_up is not None and caught_up.done()):
                self._files.follow(worker)
                self._progress.show(self._look())
            self._progress.final(self._look())
            return self._outcome(caught_up)
        finally:
            if self._stopping.is_set():
                say("stopping: tasks write what they hold; Ctrl-C once more ends them at once")
            self._stopping.set()
            if server is not None:
                server.stop()
            worker.stop()

    def _outcome(self, caught_up: Future[bool] | None) -> int:
        if caught_up is None:
            return 0
        if caught_up.done() and caught_up.result():
            say("caught up: everything that was there is where it belongs")
            return 0
        say("stopped before everything was caught up; started again, it goes on from here")
        return INTERRUPTED

    def _look(self) -> list[dict[str, Any]]:
        statuses = []
        for name in self._worker.connectors():
            try:
                statuses.append(self._worker.status(name))
            except NotThere:  # deleted just now
                continue
        self.statuses = statuses
        return statuses

    def _caught_up(self) -> Future[bool]:
        """The answer to whether everything is caught up, on a thread that waits for it."""
        answer: Future[bool] = Future()

        def wait() -> None:
            try:
                answer.set_result(self._worker.wait_until_caught_up(stop=self._stopping))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=wait, name="caught-up", daemon=True).start()
        return answer
