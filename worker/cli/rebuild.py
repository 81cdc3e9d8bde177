"""`headwater rebuild`"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from headwater.worker.api import HeadwaterError, Problem
from headwater.worker.config.lint import connector_problems
from headwater.worker.config.load import FileErrors, load_files
from headwater.worker.observe.progress import duration

from .client import Client
from .job_watch import Detached, remind_of_file, wait_until_dropped, watch
from .parameters import json_output, worker_url
from .terminal import print_json, print_table, say


@click.command("rebuild")
@click.argument("view")
@click.option("--config", "config_path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The new config of the view.  [default: the config that it has]")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would change and what stands in the way; change nothing.")
@click.option("--promote", type=click.Choice(["auto", "manual"]), default="auto", show_default=True,
              help="manual: stop before the swap until `--promote-now`.")  # fmt: skip
@click.option("--keep", default="24h", show_default=True, metavar="TIME",
              help="How long the old generation is kept up to date for a rollback.")  # fmt: skip
@click.option("--keep-failed", is_flag=True, help="Keep a generation that did not pass the verification, to look at.")
@click.option("--continue", "follow", is_flag=True, help="Follow the rebuild that is running.")
@click.option("--promote-now", is_flag=True, help="Swap in the verified generation that waits.")
@click.option("--abort", is_flag=True, help="Give the running job up; nothing of it stays behind.")
@worker_url
@json_output
def command(
    view: str, url: str, as_json: bool, follow: bool, promote_now: bool, abort: bool, config_path: Path | None,
    **options: Any,
) -> int:  # fmt: skip
    """Build VIEW, a sink connector, anew from the log; verify it; swap it in. The old one serves all the time."""
    if sum((follow, promote_now, abort)) > 1:
        raise click.UsageError("--continue, --promote-now and --abort exclude one another")
    client = Client(url)
    if abort:
        return _abort(client, view, as_json)
    if follow:
        job = _running(client, view)
    elif promote_now:
        job = client.post("views", view, "promote")["job"]
    else:
        body = {name: options[name] for name in ("dry_run", "promote", "keep", "keep_failed")}
        if config_path is not None:
            body["config"] = _config(client, config_path, view)
        job = client.post("views", view, "rebuild", body=body)["job"]
        say(f"rebuild {job['id']} of {view} has begun")
    return _end(client, view, job, as_json, promote_now)


def _running(client: Client, view: str) -> dict[str, Any]:
    job = client.get("views", view, "progress")["job"]
    if job is None:
        raise HeadwaterError(f"no job is running for {view}; `headwater views {view}` shows how the last one ended")
    return dict(job)


def _end(client: Client, view: str, job: Mapping[str, Any], as_json: bool, promote_now: bool) -> int:
    try:
        entry = watch(client, view, job["id"], until_ready=not promote_now)
    except Detached:
        say(
            f"The {job['kind']} goes on without this command. Follow it with `headwater rebuild {view} --continue`, "
            f"give it up with `headwater rebuild {view} --abort`."
        )
        return 130
    if not entry:
        say(f"The new generation is verified and follows the log. Swap it in: `headwater rebuild {view} --promote-now`")
        entry = {**client.get("views", view, "progress")["job"], "outcome": "ready"}
    if as_json:
        print_json(entry)
    elif job["options"].get("dry_run"):
        _show_plan(entry)
    else:
        _show_end(view, entry)
    return 0 if entry["outcome"] in ("done", "ready") else 1


def _config(client: Client, path: Path, view: str) -> dict[str, str]:
    """The file's config for this view; a file with several connectors may hold it among others.

    Raises `FileErrors`, with lines, where it is not valid. Variables are for the worker to read, so it is asked.
    """
    found = load_files([path])
    mine = next((connector for connector in found if connector.name == view), None)
    if mine is None:
        names = ", ".join(connector.name for connector in found)
        raise HeadwaterError(f"{path} holds no connector named {view}, but {names}")
    problems = connector_problems(mine.raw, variables=False)
    if not problems:
        answer = client.put("connector-plugins", mine.raw["connector.class"], "config", "validate", body=mine.raw)
        values = [entry["value"] for entry in answer["configs"]]
        problems = [Problem(value["name"], error) for value in values for error in value["errors"]]
    if problems:
        raise FileErrors([mine.locate(problem) for problem in problems])
    return dict(mine.raw)


def _abort(client: Client, view: str, as_json: bool) -> int:
    answer = client.post("views", view, "abort")
    entry: dict[str, Any] = {"outcome": "dropped", "generation": answer["dropping"]}
    if answer["job"] is not None:
        entry = watch(client, view, answer["job"]["id"])
    clean = wait_until_dropped(client, view)
    if as_json:
        print_json({**entry, "clean": clean})
    elif entry["outcome"] == "done":
        click.echo(f"{view}: too late, the {entry['kind']} was done")
    else:
        click.echo(
            f"{view}: given up" + ("; nothing of it is left" if clean else "; what it has built is being removed")
        )
    return 0 if entry["outcome"] in ("aborted", "dropped") and clean else 1


def _show_end(view: str, entry: Mapping[str, Any]) -> None:
    if entry["outcome"] == "ready":
        return
    if entry["outcome"] != "done":
        click.echo(f"{view}: the {entry['kind']} was {entry['outcome']}; what readers see has not changed")
        for reason in entry["reasons"]:
            click.echo(f"  {reason}")
        return
    took = duration((entry["at_ms"] - entry["started_ms"]) / 1000)
    click.echo(f"{view}: readers see generation {entry['generation']} since now; the {entry['kind']} took {took}")
    if result := entry.get("result"):
        show_result(result)
    kept = entry["options"].get("keep_ms", 0)
    if kept and entry.get("instead_of") is not None:
        click.echo(
            f"Generation {entry['instead_of']} is kept up to date for {duration(kept / 1000)}; "
            f"`headwater rollback {view}` brings it back."
        )
    if (entry.get("plan") or {}).get("config"):
        remind_of_file(view)


def show_result(result: Mapping[str, Any]) -> None:
    """What a verification has compared."""
    parts = sorted({*result["expected"], *result["found"]})
    rows = [
        (
            part,
            f"{result['expected'].get(part, 0):,}",
            f"{result['found'].get(part, 0):,}",
            result["checksums"].get(part),
        )
        for part in parts
    ]
    against = {"log": "the log says", "source": "the source has"}[result["against"]]
    print_table(("table", against, "the view has", "checksum"), rows)
    if result["unsettled"]:
        click.echo(
            f"{result['unsettled']} rows changed meanwhile on a log that was just compacted; they were left out."
        )
    for part in result.get("left_out", ()):
        click.echo(f"{part} holds a row for each change, as the source does not: it was not compared.")
    for sentence in result.get("keys", ()):
        click.echo(f"Beside the old generation: {sentence}")


def _show_plan(entry: Mapping[str, Any]) -> None:
    plan = entry.get("plan") or {}
    if entry["outcome"] != "done":
        _show_obstacles(entry, plan)
        return
    eta = f", about {duration(plan['eta_s'])}" if plan.get("eta_s") is not None else ""
    click.echo(f"{plan.get('records', 0):,} records in {len(plan.get('topics', {}))} topics{eta}")
    for name, options in plan.get("config", {}).items():
        click.echo(f"options {name}: {', '.join(options)}")
    for topic, change in plan.get("changes", {}).items():
        was = f" (was {change['was']})" if "was" in change else ""
        for name in ("added", "dropped", "changed"):
            if change.get(name):
                click.echo(f"{topic}{was}: {name} {', '.join(change[name])}")
        if was and len(change) == 1:
            click.echo(f"{topic}{was}")
    if not plan.get("changes"):
        click.echo("the rows keep their shape")
    _show_findings(plan)
    say("nothing was changed (--dry-run)")


def _show_obstacles(entry: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """What stands in the way, instead of a plan that could not be made in full."""
    click.echo(f"the rebuild cannot be done (the dry run was {entry['outcome']})")
    if not plan.get("findings"):  # they say the same, and more
        for reason in entry["reasons"]:
            click.echo(f"  {reason}")
    _show_findings(plan)
    say("nothing was changed (--dry-run)")


def _show_findings(plan: Mapping[str, Any]) -> None:
    if rows := [(f["level"], f["subject"], f["message"], f["fix"]) for f in plan.get("findings", ())]:
        print_table(("", "subject", "finding", "what to do"), rows)
