"""`headwater plugins`"""

from __future__ import annotations

import difflib
from typing import Any

import click

from headwater.worker.api import HeadwaterError, Options
from headwater.worker.config.connector_options import COMMON, SINK, SOURCE
from headwater.worker.config.plugins import Plugin, Plugins, installed
from headwater.worker.config.reference import (
    framework_markdown,
    json_schema,
    markdown,
    option_rows,
    options_of,
    refused,
    worker_markdown,
)
from headwater.worker.config.worker_options import WORKER_OPTIONS

from .client import Client
from .parameters import json_output
from .terminal import print_json, print_table

_PSEUDO = {"connectors": COMMON + SOURCE + SINK, "worker": WORKER_OPTIONS}


@click.command("plugins")
@click.argument("name", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the reference of NAME as Markdown.")
@click.option("--schema", is_flag=True, help="Print JSON Schema for NAME, for editors.")
@click.option("--url", envvar="HEADWATER_URL", help="Ask this worker instead of the local installation.")
@json_output
def command(name: str | None, as_markdown: bool, schema: bool, url: str | None, as_json: bool) -> None:
    """List the plugins, or show the options of NAME: a plugin by any of its names.

    Two more NAMEs: `connectors` for the options of every connector, `worker` for those of a worker.
    """
    if (as_markdown or schema) and name is None:
        raise click.UsageError("--markdown and --schema need a NAME")
    if url and not (as_markdown or schema):
        _of_worker(Client(url), name, as_json)
    elif name is None:
        _list(as_json)
    elif name in _PSEUDO and not schema:
        if as_markdown:
            click.echo(framework_markdown() if name == "connectors" else worker_markdown(), nl=False)
        else:
            _show(_PSEUDO[name], as_json)
    else:
        plugins = installed()
        plugin = find_plugin(plugins, name)
        if as_markdown:
            click.echo(markdown(plugin, plugins), nl=False)
        elif schema:
            print_json(json_schema(plugin, plugins))
        else:
            options, doc = options_of(plugin, plugins)
            if not as_json and doc:
                click.echo(f"{plugin.name} ({plugin.kind}): {doc}\n")
            _show(options, as_json)


def find_plugin(plugins: Plugins, name: str) -> Plugin:
    """By any of its names, whatever its kind. Raises `HeadwaterError` with a suggestion."""
    everything = plugins.all()
    for plugin in everything:
        if name in plugin.names:
            return plugin
    known = {full.lower(): full for plugin in everything for full in (*plugin.names, *_PSEUDO)}
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    hint = f"did you mean {known[near[0]]}?" if near else "`headwater plugins` lists them"
    raise HeadwaterError(f"no plugin {name!r} is installed ({hint})")


def _list(as_json: bool) -> None:
    plugins = installed().all()
    if as_json:
        print_json([{"kind": p.kind, "name": p.name, "names": p.names, "package": p.package} for p in plugins])
        return
    rows = [(p.kind, p.name, ", ".join(n for n in p.names if n != p.name), p.package) for p in plugins]
    print_table(("kind", "name", "also known as", "package"), rows)


def _show(options: Options, as_json: bool) -> None:
    rows = option_rows(options)
    if as_json:
        refusals = [{"name": entry.name, "reason": entry.reason} for entry in refused(options)]
        print_json({"options": [row._asdict() for row in rows], "refused": refusals})
        return
    table = [
        (row.name, row.type, "required" if row.required else row.default,
         row.doc + (f" One of: {row.choices}." if row.choices else ""))
        for row in rows
    ]  # fmt: skip
    print_table(("option", "type", "default", ""), table)


def _of_worker(client: Client, name: str | None, as_json: bool) -> None:
    found: list[dict[str, Any]]
    rows: list[tuple[object, ...]]
    if name is None:
        found = client.get("connector-plugins", query="connectorsOnly=false")
        rows = [(plugin.get("type"), plugin.get("class"), plugin.get("version")) for plugin in found]
        headers: tuple[str, ...] = ("kind", "class", "version")
    else:
        found = client.get("connector-plugins", name, "config")
        rows = [(o.get("name"), o.get("type"), o.get("default_value"), o.get("documentation")) for o in found]
        headers = ("option", "type", "default", "")
    if as_json:
        print_json(found)
    else:
        print_table(headers, rows)
