"""`headwater views`"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from headwater.worker.observe.progress import duration

from .client import Client
from .job_watch import sentence
from .parameters import json_output, worker_url
from .terminal import print_json, print_table


@click.command("views")
@click.argument("view", required=False)
@worker_url
@json_output
def command(view: str | None, url: str, as_json: bool) -> None:
    """The views with their generations and running jobs; with VIEW, that one's past too."""
    client = Client(url)
    found = client.get("views", view) if view else client.get("views")
    if as_json:
        print_json(found)
        return
    views = [found] if view else found
    rows = [row for one in views for row in _rows(one)]
    print_table(("view", "generation", "state", "made", "job"), rows)
    if view:
        _show_history(found)


def _rows(view: Mapping[str, Any]) -> list[tuple[object, ...]]:
    now_ms = time.time_ns() // 1_000_000
    rows: list[tuple[object, ...]] = []
    for number, generation in view["generations"].items():
        state = generation["phase"]
        until = generation.get("keep_until_ms")
        if until is not None and state in ("kept", "failed"):
            state += f", {duration(max(0, until - now_ms) / 1000)} left"
        rows.append((view["name"], number, state, _when(generation.get("created_ms")), ""))
    if view["job"] and rows:
        told = view.get("progress") or {}
        stage = view["job"]["stage"]
        text = f"{view['job']['kind']}: {sentence(stage, told if told.get('stage') == stage else {})}"
        rows[-1] = (*rows[-1][:-1], text)
    return rows


def _show_history(view: Mapping[str, Any]) -> None:
    if not view["history"]:
        return
    click.echo()
    rows = [
        (_when(entry["at_ms"]), _what(entry), entry["outcome"], entry["generation"], "; ".join(entry["reasons"]))
        for entry in reversed(view["history"])
    ]
    print_table(("when", "what", "outcome", "generation", "reasons"), rows)


def _what(entry: Mapping[str, Any]) -> str:
    return f"{entry['kind']} (dry run)" if entry.get("options", {}).get("dry_run") else str(entry["kind"])


def _when(at_ms: int | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ms / 1000)) if at_ms else ""
