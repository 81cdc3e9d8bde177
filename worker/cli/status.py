"""`headwater status`"""

from __future__ import annotations

from typing import Any

import click

from .client import Client
from .parameters import json_output, worker_url
from .terminal import print_json, print_table


@click.command("status")
@worker_url
@json_output
def command(url: str, as_json: bool) -> int:
    """What a running worker does: each task with its state. Exit status 1 where a task has failed or stalled."""
    client = Client(url)
    worker = client.get()
    connectors = client.get("connectors", query="expand=status")
    if as_json:
        print_json({"worker": worker, "connectors": connectors})
    else:
        rows = [row for name in sorted(connectors) for row in _rows(name, connectors[name]["status"])]
        click.echo(f"worker {client.url}, version {worker.get('version', '?')}: {len(connectors)} connectors")
        if rows:
            print_table(("connector", "task", "state", "progress", "error"), rows)
    return 1 if any(_broken(entry["status"]) for entry in connectors.values()) else 0


def _rows(name: str, status: dict[str, Any]) -> list[tuple[object, ...]]:
    parts = [("", status["connector"]), *((task["id"], task) for task in status["tasks"])]
    if status["tasks"] and not status["connector"].get("trace"):
        parts = parts[1:]
    return [(name, task, part["state"], _progress(part), _first_line(part.get("trace"))) for task, part in parts]


def _progress(part: dict[str, Any]) -> str:
    """From Headwater's own additions to Kafka Connect's status, where the worker has something to tell."""
    progress = part.get("progress") or {}
    if not progress.get("stage"):
        return ""
    done, total = progress.get("done"), progress.get("total")
    figures = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
    return f"{progress['stage']}{figures} {progress.get('unit', '')}".rstrip() if figures else str(progress["stage"])


def _first_line(trace: str | None) -> str:
    """The error itself: a trace's last line, as Python writes them."""
    lines = (trace or "").strip().splitlines()
    return lines[-1] if lines else ""


def _broken(status: dict[str, Any]) -> bool:
    return any(part["state"] in ("FAILED", "STALLED") for part in (status["connector"], *status["tasks"]))
