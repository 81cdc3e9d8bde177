"""Commands that need no worker: lint, plugins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headwater.worker.cli.main import main

GOOD = """\
name: view
connector.class: PostgresSink
topics: a
connection.url: ${env:NOT_SET_HERE}
connection.username: u
connection.password: hunter2
"""


def test_lint_of_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    assert main(["lint", str(tmp_path / "a.yaml")]) == 0
    assert capsys.readouterr().out == "1 connector, nothing wrong\n"


def test_lint_tells_all_problems_and_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace("topics", "topic") + "tasks.max: none\nconnection.pasword: hunter2\n")
    assert main(["lint", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{path}:1: topics: required and missing (name the topics to read, or set topics.regex)",
        f"{path}:3: topic: unknown option (did you mean topics?)",
        f"{path}:7: tasks.max: must be a whole number",
        f"{path}:8: connection.pasword: unknown option (did you mean connection.password?)",
    ]
    assert captured.err == "4 problems in 1 file\n"
    assert main(["lint", "--json", str(path), str(tmp_path / "none.yaml")]) == 1
    text = capsys.readouterr().out
    document = json.loads(text)
    assert document["connectors"] == ["view"]
    assert document["problems"][1] == {
        "file": str(path), "line": 3, "column": None, "option": "topic", "message": "unknown option",
        "hint": "did you mean topics?",
    }  # fmt: skip
    assert document["problems"][-1]["message"] == "there is no such file"
    assert "hunter2" not in text


def test_lint_of_a_workers_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "w.yaml").write_text("group.id: x\n\ngroup.idd: y\n")
    assert main(["lint", "--worker", str(tmp_path / "w.yaml"), str(tmp_path / "a.yaml")]) == 1
    assert capsys.readouterr().out == f"{tmp_path}/w.yaml:3: group.idd: unknown option (did you mean group.id?)\n"


def test_plugins(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_URL", raising=False)
    assert main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["kind", "name", "also", "known", "as", "package"]
    assert any("io.debezium.connector.jdbc.JdbcSinkConnector" in line for line in lines)
    assert main(["plugins", "--json"]) == 0
    assert {"source", "sink", "transform", "predicate", "converter"} == {
        plugin["kind"] for plugin in json.loads(capsys.readouterr().out)
    }


@pytest.mark.parametrize(
    "name", ["connectors", "worker", "PostgresSink", "org.apache.kafka.connect.json.JsonConverter"]
)
def test_options_of_a_plugin(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWATER_URL", raising=False)
    assert main(["plugins", name]) == 0
    assert capsys.readouterr().out
    assert main(["plugins", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]
    assert main(["plugins", name, "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# ")


def test_schema_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "PostgresSink", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "connection.url" in schema["properties"]
    assert main(["plugins", "--schema"]) == 2
