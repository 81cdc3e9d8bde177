"""`headwater`: one command a file; each is imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import click

from headwater.worker.api import ConfigError, HeadwaterError

COMMANDS: Final = {
    "run": "run connectors on this machine",
    "worker": "run a member of a cluster of workers on Kafka",
    "lint": "find what is wrong in config files, without asking any server",
    "check": "lint, and ask the servers what is missing there",
    "preview": "show real records through every stage; nothing is written",
    "plugins": "list plugins, or show the options of one",
    "status": "show what a running worker does",
    "connectors": "list, create, change and control connectors",
    "offsets": "show, alter or reset how far connectors have come",
    "dlq": "show dead letters, and put them through the connector once more",
    "views": "show views with their generations and jobs",
    "rebuild": "build a view anew from the log, verify it, swap it in",
    "verify": "compare every row of a view with what it should be",
    "rollback": "let readers see the earlier generation again",
}
"""Name -> what `headwater --help` says; each is the click command `command` of the module of that name."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__package__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version() -> str:
    try:
        return version("headwater")
    except PackageNotFoundError:
        return "unknown"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="headwater")
def headwater() -> None:
    """Replicate databases into a log, keep views of it, and rebuild any view from offset zero."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        status = headwater.main(arguments, prog_name="headwater", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not fail once more on its last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        _tell(error)
        return 1


def _tell(error: Exception) -> None:
    if os.environ.get("HEADWATER_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, ConfigError):
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
    elif isinstance(error, HeadwaterError):
        click.echo(f"error: {error}", err=True)
    else:
        click.echo(f"error: {type(error).__name__}: {error}", err=True)
        click.echo("This is a mistake in Headwater or a plugin. HEADWATER_DEBUG=1 shows where it happened.", err=True)


if __name__ == "__main__":
    sys.exit(main())
