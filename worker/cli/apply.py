"""`headwater connectors apply`: the difference first, then all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from headwater.worker.api import Problem
from headwater.worker.config.load import ConnectorFile, FileErrors, Located, load_files
from headwater.worker.rest.secrets_shown import MASK, shown

from .client import Client, Refused
from .parameters import config_files, json_output, worker_url
from .terminal import print_json, say

__all__ = ["difference"]


@dataclass(frozen=True, slots=True)
class _Step:
    """What is done with one connector. `changes`: see `difference`; [] where it is created or deleted."""

    name: str
    action: str
    changes: list[dict[str, str | None]]

    def told(self) -> str:
        lines = [f"  {change['option']}: {change['from'] or '-'} -> {change['to'] or '-'}" for change in self.changes]
        return "\n".join([f"{self.name}: {self.action}", *lines])


@click.command("apply")
@config_files
@click.option("--dry-run", is_flag=True, help="Show the difference alone.")
@click.option("--prune", is_flag=True, help="Delete the worker's connectors that stand in none of the files.")
@worker_url
@json_output
def command(files: tuple[Path, ...], dry_run: bool, prune: bool, url: str, as_json: bool) -> None:
    """Create or change connectors so that they are as these files (or the files of directories) say.

    All of them are checked by the worker before the first is changed. Without --prune others stay as they are.
    """
    client = Client(url)
    connectors = load_files(files)
    if problems := [problem for connector in connectors for problem in _problems(client, connector)]:
        raise FileErrors(problems)
    steps = _plan(client, connectors, prune)
    if not dry_run:
        if not as_json and any(step.action != "unchanged" for step in steps):
            say("\n".join(["the difference:", *(step.told() for step in steps if step.action != "unchanged")]))
        _carry_out(client, {connector.name: connector for connector in connectors}, steps, as_json)
    if as_json:
        print_json([asdict(step) for step in steps])
    elif dry_run:
        click.echo("\n".join(step.told() for step in steps))
        say("nothing was changed (--dry-run)")


def _problems(client: Client, connector: ConnectorFile) -> list[Located]:
    """What the worker says is wrong with this config."""
    plugin = connector.raw.get("connector.class")
    if not plugin:
        return [connector.locate(Problem("connector.class", "required and missing"))]
    try:
        answer = client.put("connector-plugins", plugin, "config", "validate", body=connector.raw)
    except Refused as error:
        return [connector.locate(Problem("connector.class", str(error)))]
    values = [entry["value"] for entry in answer["configs"]]
    return [
        connector.locate(Problem(value["name"], message, value=None)) for value in values for message in value["errors"]
    ]


def _plan(client: Client, connectors: Sequence[ConnectorFile], prune: bool) -> list[_Step]:
    there = client.get("connectors", query="expand=info")
    steps = []
    for connector in connectors:
        if connector.name not in there:
            steps.append(_Step(connector.name, "created", []))
            continue
        changes = difference(there[connector.name]["info"]["config"], connector.raw)
        steps.append(_Step(connector.name, "changed" if changes else "unchanged", changes))
    named = {connector.name for connector in connectors}
    return steps + [_Step(name, "deleted", []) for name in sorted(set(there) - named) if prune]


def _carry_out(client: Client, files: Mapping[str, ConnectorFile], steps: Sequence[_Step], quiet: bool) -> None:
    for step in steps:
        if step.action == "deleted":
            client.delete("connectors", step.name)
        else:  # unchanged ones too: the worker hides passwords, and one may have changed
            file = files[step.name]
            try:
                client.put("connectors", step.name, "config", body=file.raw)
            except Refused as error:
                raise Refused(f"{file.where('name')}: {step.name}: {error}", error.status) from error
        if not quiet:
            click.echo(step.told())


def difference(before: Mapping[str, str], after: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Option by option; None where it is not there. `before` is as a worker shows it: with its passwords hidden."""
    hidden = shown(after)
    changes = []
    for option in sorted({*before, *after}):
        old, new = before.get(option), after.get(option)
        if old != new and old != hidden.get(option) and not (old == MASK and new is not None):
            changes.append({"option": option, "from": old, "to": hidden.get(option)})
    return changes
