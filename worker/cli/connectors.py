"""`headwater connectors`"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from headwater.worker.config.load import load_files

from . import apply, offsets
from .client import Client, Refused
from .parameters import config_files, json_output, worker_url
from .terminal import print_json, print_table

_names = click.argument("names", nargs=-1, required=True, metavar="NAME…")


@click.group("connectors")
def command() -> None:
    """List, create, change and control the connectors of a running worker."""


command.add_command(apply.command, "apply")
command.add_command(offsets.command, "offsets")


@command.command("list")
@worker_url
@json_output
def list_(url: str, as_json: bool) -> None:
    """All connectors with their states."""
    found = Client(url).get("connectors", query="expand=status&expand=info")
    if as_json:
        print_json(found)
        return
    rows = [_row(name, found[name]) for name in sorted(found)]
    print_table(("name", "type", "state", "tasks", "class"), rows)


def _row(name: str, entry: Mapping[str, Any]) -> tuple[object, ...]:
    status, info = entry.get("status", {}), entry.get("info", {})
    states = [task["state"] for task in status.get("tasks", [])]
    tasks = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return (name, info.get("type") or status.get("type"), status.get("connector", {}).get("state"), tasks,
            info.get("config", {}).get("connector.class"))  # fmt: skip


@command.command("show")
@click.argument("name")
@worker_url
@json_output
def show(name: str, url: str, as_json: bool) -> None:
    """One connector: its options as written, its state and tasks."""
    client = Client(url)
    info, status = client.get("connectors", name), client.get("connectors", name, "status")
    if as_json:
        print_json({"info": info, "status": status})
        return
    print_table(("option", "value"), [(key, info["config"][key]) for key in sorted(info["config"])])
    click.echo()
    print_table(("task", "state", "worker"), [
        ("connector", status["connector"]["state"], status["connector"].get("worker_id")),
        *((task["id"], task["state"], task.get("worker_id")) for task in status["tasks"]),
    ])  # fmt: skip
    for part in (status["connector"], *status["tasks"]):
        if part.get("trace"):
            click.echo(f"\n{part['trace'].rstrip()}")


@command.command("create")
@config_files
@click.option("--state", type=click.Choice(["running", "paused", "stopped"]), default="running", show_default=True,
              help="The state to begin in.")  # fmt: skip
@worker_url
@json_output
def create(files: tuple[Path, ...], state: str, url: str, as_json: bool) -> None:
    """Create the connectors of these files."""
    client = Client(url)
    made = []
    for connector in load_files(files):
        body = {"name": connector.name, "config": connector.raw, "initial_state": state.upper()}
        try:
            made.append(client.post("connectors", body=body))
        except Refused as error:
            raise Refused(f"{connector.where('name')}: {connector.name}: {error}", error.status) from error
        if not as_json:
            click.echo(f"{connector.name}: created")
    if as_json:
        print_json(made)


@command.command("delete")
@_names
@worker_url
def delete(names: tuple[str, ...], url: str) -> None:
    """Delete connectors. Their topics, offsets and views stay."""
    client = Client(url)
    there = client.get("connectors")
    if missing := [name for name in names if name not in there]:
        raise Refused(f"there is no connector {', '.join(missing)}; nothing was deleted", 404)
    for name in dict.fromkeys(names):
        client.delete("connectors", name)
        click.echo(f"{name}: deleted")


@command.command("pause")
@_names
@worker_url
def pause(names: tuple[str, ...], url: str) -> None:
    """Let the tasks rest, ready to go on."""
    _control(url, names, "pause")


@command.command("resume")
@_names
@worker_url
def resume(names: tuple[str, ...], url: str) -> None:
    """Let paused or stopped connectors go on."""
    _control(url, names, "resume")


@command.command("stop")
@_names
@worker_url
def stop(names: tuple[str, ...], url: str) -> None:
    """End the tasks; what `offsets alter` and `offsets reset` need."""
    _control(url, names, "stop")


def _control(url: str, names: tuple[str, ...], verb: str) -> None:
    client = Client(url)
    for name in names:
        client.put("connectors", name, verb)
        click.echo(f"{name}: {verb} requested")


@command.command("restart")
@_names
@click.option("--task", type=int, help="This task alone.")
@click.option("--failed", is_flag=True, help="Failed tasks alone.")
@worker_url
def restart(names: tuple[str, ...], task: int | None, failed: bool, url: str) -> None:
    """Restart connectors with their tasks."""
    client = Client(url)
    for name in names:
        if task is not None:
            client.post("connectors", name, "tasks", str(task), "restart")
        else:
            client.post("connectors", name, "restart", query=f"includeTasks=true&onlyFailed={str(failed).lower()}")
        click.echo(f"{name}: restart requested")
