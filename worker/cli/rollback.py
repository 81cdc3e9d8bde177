"""`headwater rollback`"""

from __future__ import annotations

import click

from .client import Client
from .job_watch import Detached, watch
from .parameters import json_output, worker_url
from .terminal import print_json, say


@click.command("rollback")
@click.argument("view")
@click.option("--keep", default="24h", show_default=True, metavar="TIME",
              help="How long the generation that is left is kept up to date.")  # fmt: skip
@worker_url
@json_output
def command(view: str, keep: str, url: str, as_json: bool) -> int:
    """Let readers of VIEW see the generation again that the last rebuild replaced, up to date."""
    client = Client(url)
    job = client.post("views", view, "rollback", body={"keep": keep})["job"]
    try:
        entry = watch(client, view, job["id"])
    except Detached:
        say(f"The rollback goes on; `headwater views {view}` shows how it ends.")
        return 130
    if as_json:
        print_json(entry)
    elif entry["outcome"] == "done":
        click.echo(
            f"{view}: readers see generation {entry['generation']} again; generation {entry['instead_of']} is kept"
        )
        say(
            "A file with a later config than this generation's is not applied; "
            f"`headwater connectors show {view}` shows what it has."
        )
    else:
        click.echo(f"{view}: the rollback was {entry['outcome']}; what readers see has not changed")
        for reason in entry["reasons"]:
            click.echo(f"  {reason}")
    return 0 if entry["outcome"] == "done" else 1
