"""`headwater dlq`"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from .client import Client
from .parameters import json_output, worker_url
from .terminal import print_json, print_table, say

_POLL_S: Final = 1.0
_COUNTS: Final = {
    "replayed": "written",
    "superseded": "left out, since a newer record of the same key has come after them",
    "failed": "failed again, and stay in the queue",
    "later": "left out, since the connector has yet to come there by itself",
}


@click.group("dlq")
def command() -> None:
    """Look at a connector's dead letters, and put them through the connector once more."""


@command.command("show")
@click.argument("name", metavar="CONNECTOR")
@click.option("-n", "limit", type=click.IntRange(0, 1000), default=20, show_default=True,
              help="How many of the latest letters to show.")  # fmt: skip
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@worker_url
@json_output
def show(name: str, limit: int, output: str, url: str, as_json: bool) -> None:
    """What failed and why: causes with their counts, and the latest letters. Keys and values are cut short."""
    found = Client(url).get("connectors", name, "dead-letters", query=f"limit={limit}")
    if as_json or output == "json":
        print_json(found)
        return
    click.echo(f"{name}: {found['waiting']:,} dead letters wait in {found['queue']}")
    _show_rest(found)
    if found["causes"]:
        click.echo()
        names = ("stage", "class", "exception", "message")
        rows = [(f"{cause['count']:,}", *(cause[name] or "?" for name in names)) for cause in found["causes"]]
        print_table(("letters", "stage", "class", "error", "message of the latest"), rows)
    if any(not cause["stage"] for cause in found["causes"]):
        say("Why letters failed is kept with errors.deadletterqueue.context.headers.enable=true.")
    for letter in found["letters"]:
        _show_letter(letter)


def _show_rest(found: Mapping[str, Any]) -> None:
    if not found["whole"]:
        click.echo("The queue is long: only its beginning was looked at.")
    if any(found["replays"].values()):
        counts = found["replays"]
        said = ", ".join(f"{counts[name]:,} {what}" for name, what in _COUNTS.items() if counts[name])
        click.echo(f"Earlier replays: {said}")
    for one in found["given_up"]:
        click.echo(f"A replay was given up: {one['error']}")
    if found["of_earlier_generations"]:
        click.echo(f"{found['of_earlier_generations']:,} letters are of the view before it was built anew")
    if found["of_others"]:
        click.echo(f"{found['of_others']:,} letters in the queue are not of this connector")


def _show_letter(letter: Mapping[str, Any]) -> None:
    place = letter["record"] or f"{letter['queue']['partition']}@{letter['queue']['offset']} of the queue"
    again = f", tried {letter['attempt']} times" if letter["attempt"] > 1 else ""
    click.echo()
    click.echo(f"{place}{again}")
    if letter["stage"]:
        click.echo(f"  {letter['stage']} ({letter['class']}): {letter['exception']}: {letter['message']}")
    click.echo(f"  key    {letter['key']}")
    click.echo(f"  value  {letter['value']}")
    if letter["headers"]:
        click.echo(f"  headers  {letter['headers']}")


@command.command("replay")
@click.argument("name", metavar="CONNECTOR")
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=600, show_default=True, metavar="SECONDS",
              help="How long to wait for the end; the replay goes on without this command.")  # fmt: skip
@worker_url
@json_output
def replay(name: str, wait_s: float, url: str, as_json: bool) -> int:
    """Put the dead letters of CONNECTOR through it once more, between the records that it works on, once what made them
    fail is mended. A letter whose key has had a newer record since is left out; what fails again stays in the queue."""
    client = Client(url)
    before = client.get("connectors", name, "dead-letters", query="limit=0")
    if not before["waiting"]:
        say(f"{name} has no dead letters that wait")
    asked = client.post("connectors", name, "dead-letters", "replay")["replay"]
    end = time.monotonic() + wait_s
    while True:
        asked_at = time.monotonic()
        now = client.get("connectors", name, "dead-letters", query="limit=0")
        given_up = [one["error"] for one in now["given_up"] if one["id"] == asked["id"]]
        left = now["asked_for"]
        if given_up or not left or time.monotonic() > end:
            break
        took_s = time.monotonic() - asked_at  # the worker reads the whole queue for it
        time.sleep(min(max(_POLL_S, 2 * took_s), max(0.0, end - time.monotonic())))
    counts = {what: now["replays"][what] - before["replays"][what] for what in _COUNTS}
    if as_json:
        print_json({"id": asked["id"], **counts, "waiting": now["waiting"], "not_done": left, "given_up": given_up})
    else:
        for what, text in _COUNTS.items():
            if counts[what]:
                click.echo(f"{counts[what]:,} letters {text}")
        if given_up:
            click.echo(f"The replay was given up, and the letters stay in the queue: {given_up[0]}")
        elif left:
            click.echo(
                f"{left:,} letters are not done yet. The replay goes on; look with `headwater dlq show {name}`. "
                "Letters of a topic that the connector does not read any more wait until it does"
            )
        click.echo(f"{name}: {now['waiting']:,} dead letters wait in {now['queue']}")
    return 0 if not now["waiting"] else 1
