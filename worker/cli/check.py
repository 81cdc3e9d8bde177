"""`headwater check`"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import indent
from typing import Any

import click

from headwater.worker.api import ConfigError, HeadwaterError
from headwater.worker.config.lint import lint_files
from headwater.worker.config.load import ConnectorFile
from headwater.worker.runtime.plugin_process import run_plugin_call

from .check_log import check_log
from .lint import as_document, print_problems, read_worker
from .parameters import config_files, json_output, worker_file
from .terminal import print_json, print_table


@click.command("check")
@config_files
@worker_file
@json_output
def command(files: tuple[Path, ...], worker_path: Path | None, as_json: bool) -> int:
    """Lint these FILEs, then ask the servers that they name, and the worker's brokers, what is missing there.

    Changes nothing. Exit status 1 where there is an error.
    """
    worker = read_worker(worker_path)
    connectors, problems = lint_files(files, worker)
    broken = {(problem.path, connector.name) for problem in problems for connector in connectors
              if connector.path == problem.path and _belongs(problem.line, connector, connectors)}  # fmt: skip
    sound = [connector for connector in connectors if (connector.path, connector.name) not in broken]
    with ThreadPoolExecutor(4) as pool:
        asked_log = pool.submit(check_log, worker)
        answers = list(pool.map(lambda connector: _ask(connector, worker), sound))
    findings = asked_log.result()
    findings += [dict(finding, connector=c.name) for c, found in zip(sound, answers, strict=True) for finding in found]
    if as_json:
        print_json({"problems": [as_document(problem) for problem in problems], "findings": findings})
    else:
        print_problems(problems)
        if findings:
            rows = [(f["connector"], f["level"], f["subject"], f["message"]) for f in findings]
            print_table(("connector", "", "what", ""), rows)
        for finding in findings:
            if finding["fix"]:
                click.echo(f"\n{finding['connector']}, {finding['subject']}:\n{indent(finding['fix'], '  ')}")
    return 1 if problems or any(finding["level"] == "error" for finding in findings) else 0


def _belongs(line: int | None, connector: ConnectorFile, connectors: list[ConnectorFile]) -> bool:
    """Is this line, or the whole file, within the connector?"""
    if line is None:
        return True
    starts = [other.line for other in connectors if other.path == connector.path and other.line <= line]
    return bool(starts) and connector.line == max(starts)


def _ask(connector: ConnectorFile, worker: dict[str, str]) -> list[dict[str, Any]]:
    """What the connector finds; a server that cannot be asked is a finding too."""
    try:
        found: list[dict[str, Any]] = run_plugin_call("check", connector.raw, worker)["findings"]
        return found
    except ConfigError as error:
        return [{"level": "error", "subject": p.option, "message": p.message, "fix": p.hint} for p in error.problems]
    except HeadwaterError as error:
        return [{"level": "error", "subject": "connection", "message": str(error), "fix": ""}]
