"""Short calls of a connector's plugin, each in a process of its own: the supervising process imports no plugin.

`run_plugin_call(verb, raw, …)` is the parent's side; as a module this file is the child's.

| verb | arguments | result |
|---|---|---|
| `validate` | | `kind`, `problems` (of the config; never raised), `options` as declared |
| `options` | `kind`, `plugin`: of another kind than a connector | `options` as declared |
| `plan_tasks` | | `kind`, `tasks` (task configs), `restart`, `topics`, `topics_regex` |
| `check` | | `findings`: what the connector's servers say |
| `alter_offsets` | `offsets`: `[[partition, position or null], …]` | |
| `preview` | `records`: how many | `records`, each with what every stage made of it, `notes`; see `preview` |
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.worker.api import ConfigError, Fatal, HeadwaterError, Problem, Retriable
from headwater.worker.config.secrets import Redactor, expand, secret_values
from headwater.worker.observe import logs

from .child import Child
from .child_channel import ChildChannel

__all__ = ["PluginCallFailed", "run_plugin_call"]

log = logging.getLogger(__name__)

MODULE = "headwater.worker.runtime.plugin_process"
_LEAVE_S = 2.0
"""So long a process that has answered may take to end by itself."""


class PluginCallFailed(HeadwaterError):
    """The plugin raised something of its own, crashed, or did not answer in time."""


def run_plugin_call(
    verb: str,
    raw: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
    data_dir: Path | str = "",
    timeout_s: float = 90.0,
    **args: Any,
) -> dict[str, Any]:
    """Call `verb` for the connector with this config (`${…}` unexpanded) and wait for the answer.

    Raises `ConfigError` with every problem of the config, `Retriable` where a server is not there, `Fatal`,
    `PluginCallFailed`. Messages hold no secrets.
    """
    answer: dict[str, Any] = {}
    over = threading.Event()  # it has answered, or has ended

    def take(event: dict[str, Any]) -> None:
        if event.get("event") in ("result", "error"):
            answer.update(event)
            over.set()

    def end(status: int, tail: str) -> None:
        ended.append((status, tail))
        over.set()

    ended: list[tuple[int, str]] = []
    what = f"{verb} of connector {raw.get('name', '')}"
    call = {"verb": verb, "raw": dict(raw), "settings": dict(settings or {}), "data_dir": str(data_dir), "args": args}
    child = Child(MODULE, call, take, end)
    in_time = over.wait(timeout_s)
    if not child.wait(_LEAVE_S if in_time else 0):  # a plugin's thread or process may hang there for ever
        child.kill()
        child.wait(5)
    if not in_time:
        raise PluginCallFailed(f"{what} did not answer within {timeout_s:.0f} s")
    if answer.get("event") == "error":
        raise _error(answer)
    if answer.get("event") != "result":
        status, tail = ended[0] if ended else (0, "")
        raise PluginCallFailed(f"{what} ended without an answer (status {status}): {tail}")
    result: dict[str, Any] = answer["value"]
    return result


def _error(answer: Mapping[str, Any]) -> HeadwaterError:
    message = str(answer["message"])
    if answer["kind"] == "ConfigError":
        return ConfigError([Problem(**problem) for problem in answer["problems"]])
    if answer["kind"] == "Retriable":
        return Retriable(message)
    if answer["kind"] in ("Fatal", "Fenced"):
        return Fatal(message)
    return PluginCallFailed(f"{answer['kind']}: {message}")


def main() -> int:
    channel = ChildChannel()
    call = channel.assignment
    redactor = Redactor()
    settings = call["settings"]
    logs.configure(
        call["raw"].get("name"),
        as_json=settings.get("log.format", "text") == "json",
        level="WARNING",
        redact=redactor.redact,
    )
    stopping = threading.Event()
    channel.listen(lambda name, fields: None, stopping.set)
    try:
        channel.tell("result", {"value": _answer(call, redactor, stopping)})
        return 0
    except Exception as error:  # whatever a plugin raises is the answer
        problems = []
        if isinstance(error, ConfigError):
            problems = [
                {"option": p.option, "message": redactor.redact(p.message), "hint": redactor.redact(p.hint)}
                for p in error.problems
            ]
        elif not isinstance(error, HeadwaterError):
            log.error("%s", redactor.redact("".join(traceback.format_exception(error))))
        fields = {"kind": type(error).__name__, "message": redactor.redact(str(error)), "problems": problems}
        channel.tell("error", fields)
        return 1


def _answer(call: Mapping[str, Any], redactor: Redactor, stopping: threading.Event) -> dict[str, Any]:
    from . import plugin_verbs  # here, so that the parent, which imports this file too, stays free of what they need

    settings = expand(call["settings"])
    redactor.add(secret_values(call["settings"], settings))
    raw, missing = _expanded(call["raw"])
    redactor.add(secret_values(call["raw"], raw))
    if missing and call["verb"] != "validate":
        raise ConfigError(missing)
    verb = plugin_verbs.VERBS.get(call["verb"])
    if verb is None:
        raise Fatal(f"there is no plugin call {call['verb']!r}")
    scene = plugin_verbs.Scene(raw, settings, Path(call["data_dir"]), redactor, stopping, missing)
    return verb(scene, **call["args"])


def _expanded(raw: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """What can be expanded, and a problem for each variable that cannot be read."""
    try:
        return expand(raw), []
    except ConfigError as error:
        missing = {problem.option for problem in error.problems}
        return expand({k: v for k, v in raw.items() if k not in missing}), error.problems


if __name__ == "__main__":
    sys.exit(main())
