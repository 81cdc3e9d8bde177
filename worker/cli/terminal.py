"""What commands print: tables for people, JSON for programs; no colours or bars without a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headwater.worker.observe import logs

_STYLES = {
    "ok": "green",
    "RUNNING": "green",
    "warning": "yellow",
    "PAUSED": "yellow",
    "STOPPED": "yellow",
    "error": "red",
    "FAILED": "red",
    "STALLED": "red",
}


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; without a terminal plain columns, never cut or wrapped."""
    if not sys.stdout.isatty():
        texts = [[_cell(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
        for line in (headers, *texts):
            click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        return
    Console().print(table(headers, rows))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """For a terminal: states have colours, long texts go on in the next line."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(header, overflow="fold")
    for row in rows:
        made.add_row(*(Text(text, style=_STYLES.get(text, "")) for text in map(_cell, row)))
    return made


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def say(message: str) -> None:
    """What goes on, on stderr; as a JSON line where log lines are JSON."""
    logs.pass_on(f"{message}\n", None, None)
