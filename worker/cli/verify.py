"""`headwater verify`"""

from __future__ import annotations

import click

from .client import Client, Refused
from .job_watch import Detached, wait_for_idle, watch
from .parameters import json_output, worker_url
from .rebuild import show_result
from .terminal import print_json, say


@click.command("verify")
@click.argument("view")
@click.option("--source", is_flag=True, help="Compare with the source's database itself, not with the log alone.")
@worker_url
@json_output
def command(view: str, source: bool, url: str, as_json: bool) -> int:
    """Compare every row of VIEW with what it should be. Exit status 0 only where all of them are equal."""
    client = Client(url)
    while True:
        wait_for_idle(client, view)
        try:
            job = client.post("views", view, "verify", body={"source": source})["job"]
            break
        except Refused as error:
            if error.status != 409 or client.get("views", view, "progress")["job"] is None:
                raise  # else another job was faster: its end is waited for
    try:
        entry = watch(client, view, job["id"])
    except Detached:
        say(
            f"The verification goes on; `headwater views {view}` shows how it ends, "
            f"`headwater rebuild {view} --abort` ends it."
        )
        return 130
    if as_json:
        print_json(entry)
        return 0 if entry["outcome"] == "done" else 1
    if result := entry.get("result"):
        show_result(result)
    if entry["outcome"] == "done":
        click.echo(f"{view}: equal")
        return 0
    click.echo(f"{view}: the verification was {entry['outcome']}")
    for reason in entry["reasons"]:
        click.echo(f"  {reason}")
    return 1
