"""`headwater preview`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from headwater.worker.config.lint import lint_files
from headwater.worker.config.load import ConnectorFile, FileErrors
from headwater.worker.runtime.plugin_process import run_plugin_call

from .lint import read_worker
from .parameters import config_files, data_dir, json_output, worker_file
from .terminal import print_json, say

DEFAULT_DATA_DIR: Final = Path("headwater-data")
LONGEST_SHOWN: Final = 2_000
_SCHEMA: Final = '{"schema":'  # as JsonConverter writes it
_PAYLOAD: Final = ',"payload":'


@click.command("preview")
@config_files
@click.option("-n", "--records", default=3, show_default=True, type=click.IntRange(1, 10_000),
              help="Records to show of each connector.")  # fmt: skip
@click.option("--seconds", default=20.0, show_default=True, help="Look for them no longer than this.")
@click.option("--connector", "only", help="Show this connector of the files alone.")
@worker_file
@data_dir
@json_output
def command(
    files: tuple[Path, ...], records: int, seconds: float, only: str | None, worker_path: Path | None,
    data_dir: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Show real records through every stage of the connectors in FILEs. Nothing is written.

    A source is read from its beginning; a sink shows what its topics hold. Exit status 1 where a record fails.
    """
    worker = read_worker(worker_path)
    connectors, problems = lint_files(files, worker)
    if problems:
        raise FileErrors(problems)
    shown: dict[str, Any] = {}
    for connector in connectors:
        if only in (None, connector.name):
            shown[connector.name] = run_plugin_call(
                "preview", connector.raw, worker, data_dir or DEFAULT_DATA_DIR, seconds + 60,
                records=records, seconds=seconds,
            )  # fmt: skip
            if not as_json:
                _print(connector, shown[connector.name], "--worker" if worker.get("bootstrap.servers") else "--data")
    if only and not shown:
        raise click.UsageError(f"these files hold no connector {only!r}")
    if as_json:
        print_json(shown)
    return 1 if any(record["error"] for found in shown.values() for record in found["records"]) else 0


def _print(connector: ConnectorFile, found: dict[str, Any], log_option: str) -> None:
    """`log_option`: the one that says which log is looked at."""
    records, source = found["records"], found["kind"] == "source"
    for number, record in enumerate(records, 1):
        click.echo(f"{connector.name}, record {number} of {len(records)}")
        _print_record("read" if source else "on the log", record["from"])
        for stage in record["stages"]:
            for made in stage["records"] or [None]:
                _print_record(f"{stage['stage']} ({stage['plugin']})", made)
        for made in record["to"]:
            if source or made.get("rows"):
                _print_record("to the log" if source else "in the view", made if source else None, made.get("rows"))
            elif not record["stages"]:
                _print_record("to the sink", made)
        if record["error"]:
            click.echo(f"  fails: {record['error']}")
        click.echo()
    if not records:
        where = (
            "the source has none"
            if source
            else f"its topics hold none here: has the source run, is {log_option} right?"
        )
        say(f"{connector.name}: no records: {where}")
    for note in found["notes"]:
        say(f"{connector.name}: {note}")


def _print_record(stage: str, record: dict[str, Any] | None, rows: list[dict[str, Any]] | None = None) -> None:
    """One stage's result, a part a line; a record that went no further is `filtered`."""
    click.echo(f"  {stage}")
    for row in rows or ():
        click.echo(f"    {row['part']}: {'delete' if row['gone'] else 'upsert'} {row['key']}")
    if rows:
        return
    if record is None:
        click.echo("    filtered")
        return
    partition = "" if record["partition"] is None else f"-{record['partition']}"
    offset = "" if record.get("offset") is None else f"@{record['offset']}"
    click.echo(f"    topic    {record['topic']}{partition}{offset}")
    click.echo(f"    key      {_shown(record['key'])}")
    click.echo(f"    value    {_shown(record['value'])}")
    for name, value in record["headers"].items():
        click.echo(f"    header   {name}: {_shown(value)}")


def _shown(value: Any) -> str:
    """For people: of JSON with a schema the payload, and no more than a screenful. --json prints all of it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    begin = text.find(_PAYLOAD) + len(_PAYLOAD)
    if text.startswith(_SCHEMA) and begin >= len(_PAYLOAD):
        return (
            f"{_cut(text[begin:-1])}    (payload; its schema takes {begin - len(_PAYLOAD) - len(_SCHEMA):,} characters)"
        )
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} … ({len(text):,} characters)"
