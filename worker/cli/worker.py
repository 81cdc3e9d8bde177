"""`headwater worker`"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from headwater.worker.api import ConfigError, Problem
from headwater.worker.cluster.group_membership import GroupMembership
from headwater.worker.cluster.worker import Worker
from headwater.worker.config.secrets import Redactor, expand, secret_values
from headwater.worker.config.worker_options import worker_settings
from headwater.worker.observe import logs
from headwater.worker.rest.listeners import Listener, advertised_url, bind, is_loopback
from headwater.worker.rest.server import RestServer

from .lint import read_worker
from .parameters import data_dir
from .stop_signals import start_unless_stopped, stop_signals
from .terminal import say


@click.command("worker")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@data_dir
@click.option("--listen", metavar="ADDR", help="Where REST answers, in place of the file's `listeners`.")
def command(path: Path, data_dir: Path | None, listen: str | None) -> int:
    """Run a member of a cluster of workers, as the worker's config in FILE says.

    Workers with the same `group.id` and brokers share the connectors, which are made over REST. Ctrl-C hands over what
    runs here and ends; a worker that is killed is noticed after `session.timeout.ms`.
    """
    raw = read_worker(path)
    expanded = expand(raw)
    values = worker_settings(raw, expanded).values
    redactor = Redactor(secret_values(raw, expanded))
    _demand_brokers(path, values["bootstrap.servers"])
    listeners = bind(expanded, [listen] if listen else _addresses(path, values["listeners"]), values["admin.listeners"])
    try:
        url = advertised_url(expanded, listeners)
        demand_reachable(url, values["bootstrap.servers"])
        worker_id = urlsplit(url).netloc
        directory = data_dir or Path(values["data.dir"])
        worker = Worker(raw, directory, worker_id, GroupMembership(raw, url))
        logs.configure(as_json=values["log.format"] == "json", level=values["log.level"], redact=redactor.redact)
        with stop_signals() as stopping:
            _run(worker, listeners, stopping)
    finally:
        for listener in listeners:
            listener.close()
    return 0


def _run(worker: Worker, listeners: Sequence[Listener], stopping: threading.Event) -> None:
    """Until `stopping`."""
    start_unless_stopped(worker.start, stopping)
    server = None
    try:
        server = RestServer(worker, listeners)
        server.start()
        say(f"worker {worker.worker_id} is ready")
        stopping.wait()
        say("stopping: tasks write what they hold and are handed over; Ctrl-C once more ends them at once")
    finally:
        if server is not None:
            server.stop()
        worker.stop()


def _addresses(path: Path, listeners: Sequence[str]) -> Sequence[str]:
    if not listeners or "none" in listeners:
        hint = "name an address that other workers can reach, such as http://0.0.0.0:8083"
        raise ConfigError([Problem("listeners", f"{path}: a member of a cluster needs its REST API", hint)])
    return listeners


def _demand_brokers(path: Path, servers: Sequence[str]) -> None:
    if not servers:
        hint = "name the brokers; on one machine without Kafka `headwater run` does the same"
        raise ConfigError([Problem("bootstrap.servers", f"{path}: a cluster of workers needs Kafka", hint)])


def demand_reachable(url: str, servers: Sequence[str]) -> None:
    """Other workers forward requests to this one: a loopback address would be their own. Raises `ConfigError`."""
    if not is_loopback(urlsplit(url).hostname or "") or all(map(is_loopback, map(_host, servers))):
        return
    raise ConfigError(
        [
            Problem(
                "rest.advertised.host.name",
                f"other workers of the cluster would be told to reach this one at {url}, which is their own machine",
                "set listeners to an address of this machine, such as http://0.0.0.0:8083, or set "
                "rest.advertised.host.name",
            )
        ]
    )


def _host(server: str) -> str:
    return server.strip().rpartition(":")[0].strip("[]")
