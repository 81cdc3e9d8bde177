"""`headwater status`"""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from .client import Client, NoWorker, Refused
from .parameters import json_output, worker_url
from .status_rows import HEADERS, LIVE_HEADERS, StatusRows
from .stop_signals import stop_signals
from .terminal import print_json, print_table, table

EVERY_S: Final = 1.0


@click.command("status")
@worker_url
@click.option("--watch", is_flag=True, help="On a terminal: keep the table up to date until Ctrl-C.")
@json_output
def command(url: str, watch: bool, as_json: bool) -> int:
    """What a running worker does: each task with its state. Exit status 1 where a task has failed or stalled."""
    client = Client(url)
    if watch and not as_json and sys.stdout.isatty():
        return _watch(client)
    worker, connectors = _ask(client)
    if as_json:
        print_json({"worker": worker, "connectors": connectors})
    else:
        click.echo(_heading(client, worker, connectors))
        if rows := StatusRows().rows(connectors):
            print_table(HEADERS, rows)
    return _exit_status(connectors)


def _ask(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    return client.get(), client.get("connectors", query="expand=status")


def _heading(client: Client, worker: dict[str, Any], connectors: dict[str, Any]) -> str:
    return f"worker {client.url}, version {worker.get('version', '?')}: {len(connectors)} connectors"


def _watch(client: Client) -> int:
    """Until Ctrl-C; the exit status is that of the last look. A worker that is gone for a while is waited for."""
    rows = StatusRows(rates=True)
    worker, connectors = _ask(client)  # the first one has to succeed
    with stop_signals() as stopping, Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            heading = Text(f"{_heading(client, worker, connectors)}, {time.strftime('%H:%M:%S')}")
            live.update(Group(heading, table(LIVE_HEADERS, rows.rows(connectors))), refresh=True)
            if stopping.wait(EVERY_S):
                return _exit_status(connectors)
            try:
                worker, connectors = _ask(client)
            except (NoWorker, Refused) as error:
                live.update(Text(str(error), style="red"), refresh=True)
                if stopping.wait(EVERY_S):
                    return _exit_status(connectors)


def _exit_status(connectors: dict[str, Any]) -> int:
    return 1 if any(_broken(entry["status"]) for entry in connectors.values()) else 0


def _broken(status: dict[str, Any]) -> bool:
    return any(part["state"] in ("FAILED", "STALLED") for part in (status["connector"], *status["tasks"]))
