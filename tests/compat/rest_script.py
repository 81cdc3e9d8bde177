"""The calls that both workers are asked: good ones, wrong ones and odd ones, in the life of a source and a sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}
SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"
LINES = 3


@dataclass(frozen=True)
class Call:
    """`until`: asked again until the answer's body is so. `view`: what of the body is compared, where it is not all."""

    name: str
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    until: Callable[[Any], bool] | None = None
    view: Callable[[Any], Any] = lambda body: body


def get(name: str, path: str, until: Callable[[Any], bool] | None = None, **more: Any) -> Call:
    return Call(name, "GET", path, until=until, **more)


def done(body: Any) -> bool:
    """With status 200. Tasks may be about to end although nothing is told of them any more."""
    return body is not None


def unplanned(body: Any) -> Any:
    """An answer to a change: its tasks may be planned already, or not."""
    return {**body, "tasks": []}


def state(wanted: str, tasks: int) -> Callable[[Any], bool]:
    def reached(body: Any) -> bool:
        states = [task["state"] for task in body.get("tasks", ())]
        return body.get("connector", {}).get("state") == wanted and states == [wanted] * tasks

    return reached


def script(folder: str, topic: str) -> list[Call]:
    """`folder` holds the file `lines` of `LINES` lines."""
    source = {"connector.class": SOURCE, "file": f"{folder}/lines", "topic": topic, "tasks.max": "1"}
    source |= {f"topic.creation.default.{name}": "1" for name in ("partitions", "replication.factor")}
    sink = {"connector.class": SINK, "file": f"{folder}/copy", "topics": topic, "tasks.max": "2"}
    sink |= {"key.converter": "org.apache.kafka.connect.storage.StringConverter"}
    return [
        *_before(source),
        *_creation(source),
        *_running(),
        *_configs(source),
        *_offsets(folder),
        *_sink(sink, topic),
        *_end(),
        *_unknown(),
        *_plugins(source),
        *_loggers(),
    ]


def _before(source: Mapping[str, str]) -> list[Call]:
    return [
        get("root", "/"),
        get("health", "/health"),
        get("unknown path", "/nothing"),
        get("no connectors", "/connectors"),
        get("a slash at the end", "/connectors/"),
        Call("wrong method", "PUT", "/connectors", {}),
        Call("wrong method again", "DELETE", "/connectors"),
        Call("head", "HEAD", "/connectors"),
        get("not acceptable", "/connectors", headers={"Accept": "text/plain"}),
        get("acceptable", "/connectors", headers={"Accept": "application/json;q=0.5, text/plain"}),
        Call("create without a body", "POST", "/connectors", headers=JSON),
        Call("create from text", "POST", "/connectors", "{}", {"Content-Type": "text/plain"}),
        Call("create from no JSON", "POST", "/connectors", "{", JSON),
        Call("create from a list", "POST", "/connectors", []),
        Call("create from an empty object", "POST", "/connectors", {}),
        Call("create without options", "POST", "/connectors", {"name": "x"}),
        Call("create with an unknown field", "POST", "/connectors", {"name": "x", "config": {}, "state": "RUNNING"}),
        Call("create without a class", "POST", "/connectors", {"name": "x", "config": {"topic": "t"}}),
        Call("create of no class", "POST", "/connectors", {"name": "x", "config": {**source, "connector.class": "No"}}),
        Call("create by another name", "POST", "/connectors", {"name": "x", "config": {**source, "name": "y"}}),
        Call("create without a name", "POST", "/connectors", {"config": dict(source)}),
        Call("create by a name of spaces", "POST", "/connectors", {"name": "  ", "config": dict(source)}),
        Call("create with a wrong number", "POST", "/connectors",
             {"name": "x", "config": {**source, "tasks.max": "many"}}),
        Call("create with an option missing", "POST", "/connectors",
             {"name": "x", "config": {name: text for name, text in source.items() if name != "topic"}}),
        Call("create with a list", "POST", "/connectors", {"name": "x", "config": {**source, "topic": ["a"]}}),
        Call("create in no state", "POST", "/connectors",
             {"name": "x", "config": dict(source), "initial_state": "ASLEEP"}),
        get("still no connectors", "/connectors"),
    ]  # fmt: skip


def _creation(source: Mapping[str, str]) -> list[Call]:
    numbers = {**source, "tasks.max": 1, "batch.size": 5, "errors.log.enable": True}
    return [
        Call("create stopped, with numbers", "POST", "/connectors",
             {"name": "numbers", "config": numbers, "initial_state": "STOPPED"}, view=unplanned),
        get("numbers are texts", "/connectors/numbers/config"),
        get("stopped from the start", "/connectors/numbers/status", state("STOPPED", 0)),
        Call("delete what is stopped", "DELETE", "/connectors/numbers"),
        Call("create paused", "POST", "/connectors",
             {"name": "lines", "config": dict(source), "initial_state": "paused"}, view=unplanned),
        Call("create twice", "POST", "/connectors", {"name": "lines", "config": dict(source)}),
        get("status, paused", "/connectors/lines/status", lambda body: body["connector"]["state"] == "PAUSED",
            view=unplanned),
        get("one connector", "/connectors"),
        get("a name in escapes", "/connectors/%6Cines/config"),
        get("config", "/connectors/lines/config"),
        get("tasks-config", "/connectors/lines/tasks-config"),
        get("status of no task", "/connectors/lines/tasks/7/status"),
        get("status of no number", "/connectors/lines/tasks/x/status"),
    ]  # fmt: skip


def _running() -> list[Call]:
    return [
        Call("resume", "PUT", "/connectors/lines/resume"),
        Call("resume again", "PUT", "/connectors/lines/resume"),
        get("status, running", "/connectors/lines/status", state("RUNNING", 1)),
        get("info", "/connectors/lines"),
        get("tasks", "/connectors/lines/tasks"),
        get("task status", "/connectors/lines/tasks/0/status"),
        get("offsets of a source", "/connectors/lines/offsets", lambda body: bool(body["offsets"])),
        get("topics", "/connectors/lines/topics", lambda body: bool(body["lines"]["topics"])),
        get("expand status", "/connectors?expand=status"),
        get("expand info", "/connectors?expand=info"),
        get("expand both", "/connectors?expand=status&expand=info"),
        get("expand nothing known", "/connectors?expand=all"),
        Call("restart failed ones", "POST", "/connectors/lines/restart?includeTasks=true&onlyFailed=true"),
        Call("restart a failed connector", "POST", "/connectors/lines/restart?onlyFailed=true"),
        Call("restart", "POST", "/connectors/lines/restart"),
        get("status, restarted", "/connectors/lines/status", state("RUNNING", 1)),
        Call("restart with tasks", "POST", "/connectors/lines/restart?includeTasks=true"),
        get("status, restarted with tasks", "/connectors/lines/status", state("RUNNING", 1)),
        Call("restart with an odd flag", "POST", "/connectors/lines/restart?includeTasks=perhaps"),
        Call("restart a task", "POST", "/connectors/lines/tasks/0/restart"),
        Call("restart no task", "POST", "/connectors/lines/tasks/7/restart"),
        get("status, task restarted", "/connectors/lines/status", state("RUNNING", 1)),
        Call("reset topics", "PUT", "/connectors/lines/topics/reset"),
        Call("pause", "PUT", "/connectors/lines/pause"),
        get("status, paused again", "/connectors/lines/status", state("PAUSED", 1)),
        get("topics, reset", "/connectors/lines/topics"),
    ]


def _configs(source: Mapping[str, str]) -> list[Call]:
    config = "/connectors/lines/config"
    return [
        Call("put config", "PUT", config, {**source, "batch.size": "100"}, view=unplanned),
        Call("put config by another name", "PUT", config, {**source, "name": "other"}),
        Call("put a wrong config", "PUT", config, {**source, "tasks.max": "0"}),
        Call("put no config", "PUT", config, headers=JSON),
        Call("put config as text", "PUT", config, "{}", {"Content-Type": "text/plain"}),
        Call("patch config", "PATCH", config, {"batch.size": "200", "topic": source["topic"]}, view=unplanned),
        Call("patch an option away", "PATCH", config, {"batch.size": None}, view=unplanned),
        Call("patch to a wrong config", "PATCH", config, {"batch.size": "few"}),
        get("config, patched", config),
        Call("put a new connector", "PUT", "/connectors/second/config", dict(source), view=unplanned),
        get("status of the new one", "/connectors/second/status", state("RUNNING", 1)),
        Call("delete the new one", "DELETE", "/connectors/second"),
    ]


def _offsets(folder: str) -> list[Call]:
    path, partition = "/connectors/lines/offsets", {"filename": f"{folder}/lines"}

    def alter(partition: Any, offset: Any) -> dict[str, Any]:
        return {"offsets": [{"partition": partition, "offset": offset}]}

    return [
        Call("alter offsets of what is not stopped", "PATCH", path, alter(partition, {"position": 2})),
        Call("reset offsets of what is not stopped", "DELETE", path),
        Call("stop", "PUT", "/connectors/lines/stop"),
        Call("stop again", "PUT", "/connectors/lines/stop"),
        get("status, stopped", "/connectors/lines/status", state("STOPPED", 0)),
        get("tasks, stopped", "/connectors/lines/tasks"),
        Call("alter no offsets", "PATCH", path, {}),
        Call("alter an empty list of offsets", "PATCH", path, {"offsets": []}),
        Call("alter offsets in a wrong shape", "PATCH", path, {"offsets": {"position": 1}}),
        Call("alter offsets that the connector refuses", "PATCH", path, alter(partition, {"position": "x"})),
        Call("alter offsets", "PATCH", path, alter(partition, {"position": 2}), until=done),
        get("offsets, altered", path, lambda body: body["offsets"][0]["offset"] == {"position": 2}),
        Call("forget an offset", "PATCH", path, alter(partition, None)),
        get("offsets, forgotten", path, lambda body: not body["offsets"]),
        Call("reset offsets", "DELETE", path),
    ]


def _sink(sink: Mapping[str, str], topic: str) -> list[Call]:
    path = "/connectors/copy/offsets"
    first = {"kafka_topic": topic, "kafka_partition": 0}

    def alter(partition: Any, offset: Any) -> dict[str, Any]:
        return {"offsets": [{"partition": partition, "offset": offset}]}

    def all_read(body: Any) -> bool:
        return any(entry["offset"]["kafka_offset"] >= LINES for entry in body["offsets"])

    return [
        Call("create a sink", "POST", "/connectors", {"name": "copy", "config": dict(sink)}, view=unplanned),
        get("status of the sink", "/connectors/copy/status", state("RUNNING", 2)),
        get("tasks of the sink", "/connectors/copy/tasks"),
        get("offsets of a sink", path, all_read, view=lambda body: sorted(body["offsets"][0]["partition"])),
        get("topics of a sink", "/connectors/copy/topics", lambda body: bool(body["copy"]["topics"])),
        Call("stop the sink", "PUT", "/connectors/copy/stop"),
        get("status of the stopped sink", "/connectors/copy/status", state("STOPPED", 0)),
        Call("alter a sink's offsets without topic", "PATCH", path, alter({"kafka_partition": 0}, {"kafka_offset": 1})),
        Call("alter a sink's offsets to no number", "PATCH", path, alter(first, {"kafka_offset": "x"})),
        Call("alter a sink's offsets", "PATCH", path, alter(first, {"kafka_offset": 1}), until=done),
        get("a sink's offsets, altered", path),
        Call("reset a sink's offsets", "DELETE", path),
        get("a sink's offsets, reset", path),
    ]


def _end() -> list[Call]:
    return [
        Call("delete", "DELETE", "/connectors/lines"),
        Call("delete again", "DELETE", "/connectors/lines"),
        Call("delete the sink", "DELETE", "/connectors/copy"),
        get("nothing left", "/connectors", lambda body: body == []),
    ]


def _unknown() -> list[Call]:
    one = "/connectors/unknown"
    offsets = {"offsets": [{"partition": {"a": 1}, "offset": {"b": 1}}]}
    return [
        get("unknown: info", one),
        get("unknown: config", f"{one}/config"),
        get("unknown: status", f"{one}/status"),
        get("unknown: tasks", f"{one}/tasks"),
        get("unknown: task status", f"{one}/tasks/0/status"),
        get("unknown: topics", f"{one}/topics"),
        get("unknown: offsets", f"{one}/offsets"),
        Call("unknown: patch", "PATCH", f"{one}/config", {"topic": "t"}),
        Call("unknown: pause", "PUT", f"{one}/pause"),
        Call("unknown: resume", "PUT", f"{one}/resume"),
        Call("unknown: stop", "PUT", f"{one}/stop"),
        Call("unknown: restart", "POST", f"{one}/restart"),
        Call("unknown: restart with tasks", "POST", f"{one}/restart?includeTasks=true"),
        Call("unknown: restart a task", "POST", f"{one}/tasks/0/restart"),
        Call("unknown: alter offsets", "PATCH", f"{one}/offsets", offsets),
        Call("unknown: reset offsets", "DELETE", f"{one}/offsets"),
        Call("unknown: reset topics", "PUT", f"{one}/topics/reset"),
        Call("unknown: delete", "DELETE", one),
    ]


def _plugins(source: Mapping[str, str]) -> list[Call]:
    one = "/connector-plugins/FileStreamSourceConnector"
    validate = f"{one}/config/validate"

    def entries(body: Any) -> Any:
        return sorted(str(sorted(entry)) for entry in body if entry["class"] in (SOURCE, SINK))

    def kinds(body: Any) -> Any:
        return sorted({entry["type"] for entry in body})

    def options(body: Any) -> Any:
        return {key["name"]: key for key in body if key["name"] in ("topic", "batch.size")}

    def values(body: Any) -> Any:
        found = {entry["value"]["name"]: entry for entry in body["configs"]}
        return {**body, "groups": [], "configs": {name: found[name] for name in ("topic", "batch.size", "name")}}

    return [
        get("plugins", "/connector-plugins", view=entries),
        get("plugins of all kinds", "/connector-plugins?connectorsOnly=false", view=kinds),
        get("options of a connector", f"{one}/config", view=options),
        get("options of a transform", "/connector-plugins/RegexRouter/config", view=lambda body: body[0]),
        get("options of a converter", "/connector-plugins/org.apache.kafka.connect.json.JsonConverter/config",
            view=lambda body: sorted(body[0])),
        get("options of nothing", "/connector-plugins/Nothing/config"),
        Call("validate", "PUT", validate, {**source, "name": "x"}, view=values),
        Call("validate a wrong config", "PUT", validate, {**source, "name": "x", "batch.size": "few"}, view=values),
        Call("validate null", "PUT", validate, {**source, "name": "x", "batch.size": None}, view=values),
        Call("validate another class", "PUT", validate, {**source, "name": "x", "connector.class": SINK}),
        Call("validate without a class", "PUT", validate, {"topic": "t"}),
        Call("validate nothing known", "PUT", "/connector-plugins/Nothing/config/validate",
             {"connector.class": "Nothing"}),
    ]  # fmt: skip


def _loggers() -> list[Call]:
    mine = "/admin/loggers/rest.answers"
    return [
        get("loggers", "/admin/loggers", view=lambda body: sorted(body["root"])),
        get("root logger", "/admin/loggers/root", view=lambda body: {**body, "level": ""}),
        get("no logger", "/admin/loggers/never.heard.of"),
        Call("set a level", "PUT", mine, {"level": "debug"}),
        get("a level that was set", mine, view=lambda body: {**body, "last_modified": type(body["last_modified"])}),
        Call("set no level", "PUT", mine, {}),
        Call("set an unknown level", "PUT", mine, {"level": "LOUD"}),
        Call("set a level in an odd scope", "PUT", f"{mine}?scope=town", {"level": "INFO"}),
        Call("set a level of the cluster", "PUT", f"{mine}?scope=cluster", {"level": "WARN"}),
        get("the level of the cluster", mine, lambda body: body["level"] == "WARN",
            view=lambda body: body["level"]),
        Call("set a level from text", "PUT", mine, "DEBUG", {"Content-Type": "text/plain"}),
    ]  # fmt: skip
