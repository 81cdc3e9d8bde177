"""`headwater offsets`"""

from __future__ import annotations

import json
from typing import IO, Any

import click

from headwater.worker.api import HeadwaterError

from .client import Client
from .parameters import json_output, worker_url
from .terminal import print_json, print_table


@click.group("offsets")
def command() -> None:
    """Show, alter or reset how far connectors have come. To change them, stop the connector first."""


@command.command("show")
@click.argument("name")
@worker_url
@json_output
def show(name: str, url: str, as_json: bool) -> None:
    """The stored offsets: positions of a source, topics' offsets of a sink."""
    found = Client(url).get("connectors", name, "offsets")
    if as_json:
        print_json(found)
        return
    rows = [(_compact(entry["partition"]), _compact(entry["offset"])) for entry in found["offsets"]]
    print_table(("partition", "offset"), rows)


@command.command("alter")
@click.argument("name")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@worker_url
@json_output
def alter(name: str, file: IO[str], url: str, as_json: bool) -> None:
    """Store the offsets of FILE (`-`: stdin), JSON as `offsets show --json` prints it; offset null forgets one."""
    try:
        document = json.load(file)
    except ValueError as error:
        raise HeadwaterError(f"{file.name} is not JSON: {error}") from error
    entries = document.get("offsets") if isinstance(document, dict) else document
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and {"partition", "offset"} <= e.keys() for e in entries
    ):
        raise HeadwaterError(f'{file.name} holds no offsets: {{"offsets": [{{"partition": {{…}}, "offset": {{…}}}}]}}')
    _told(Client(url).patch("connectors", name, "offsets", body={"offsets": entries}), as_json)


@command.command("reset")
@click.argument("name")
@worker_url
@json_output
def reset(name: str, url: str, as_json: bool) -> None:
    """Forget all offsets: a source begins with a new snapshot, a sink reads its topics from the beginning."""
    _told(Client(url).delete("connectors", name, "offsets"), as_json)


def _told(answer: Any, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo((answer or {}).get("message", "done"))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
