"""Commands that ask a connector's plugin in a process of its own: check, preview."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from headwater.worker.cli.main import main
from headwater.worker.cli.preview import _shown
from headwater.worker.log import Message, open_log
from tests import plugins
from tests.plugins.counting.source import make_upstream
from tests.plugins.sqlite_source import change

plugins.install()


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "upstream.db")
    for number in range(3):
        change(path, f"k{number}", {"id": number, "name": f"n{number}", "secret": "x"})
    change(path, "k0", None)
    return path


def source_file(tmp_path: Path, database: str, extra: str = "") -> str:
    path = tmp_path / "source.yaml"
    path.write_text(f"""\
name: src
connector.class: SqliteSource
path: {database}
topic: db.rows
key.converter: StringConverter
value.converter: JsonConverter
value.converter.schemas.enable: false
{extra}""")
    return str(path)


TRANSFORMS = """\
transforms:
  slim: {type: ReplaceField$Value, exclude: secret, predicate: dead, negate: true}
  move: {type: RegexRouter, regex: 'db\\.(.*)', replacement: $1}
predicates:
  dead: {type: RecordIsTombstone}
"""


def test_preview_of_a_source(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = source_file(tmp_path, database, TRANSFORMS)
    assert main(["preview", path, "-n", "1"]) == 0
    assert (
        capsys.readouterr().out
        == """\
src, record 1 of 1
  read
    topic    db.rows
    key      k1
    value    {"id": 1, "name": "n1", "secret": "x"}
  slim (ReplaceFieldValue)
    topic    db.rows
    key      k1
    value    {"id": 1, "name": "n1"}
  move (RegexRouter)
    topic    rows
    key      k1
    value    {"id": 1, "name": "n1"}
  to the log
    topic    rows
    key      k1
    value    {"id":1,"name":"n1"}
    header   headwater.version: 4

"""
    )
    assert not (tmp_path / "headwater-data").exists()


def test_preview_as_json(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = source_file(tmp_path, database)
    assert main(["preview", path, "-n", "4", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)["src"]["records"]
    assert [record["from"]["key"] for record in records] == ["k1", "k2"]  # the rows that there are
    assert records[1]["to"][0]["value"] == '{"id":2,"name":"n2","secret":"x"}'


def test_preview_of_a_source_that_cannot_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is opened from its start, and nothing is acknowledged to it."""
    upstream = str(tmp_path / "upstream.db")
    make_upstream(upstream, 5)
    path = tmp_path / "count.json"
    config = {"connector.class": "CountingSource", "count.file": upstream, "count.topic": "numbers",
              "transforms": "bad", "transforms.bad.type": "Misbehave", "transforms.bad.how": "error",
              "transforms.bad.at": "9"}  # fmt: skip
    path.write_text(json.dumps({"name": "count", "config": config}))
    assert main(["preview", str(path), "-n", "2"]) == 0
    assert "count, record 2 of 2\n" in capsys.readouterr().out
    path.write_text(json.dumps({"name": "count", "config": config | {"transforms.bad.at": "2"}}))
    assert main(["preview", str(path), "-n", "3"]) == 1
    text = capsys.readouterr().out
    assert "count, record 3 of 3\n" in text
    assert (
        text.count("  fails: record numbers failed in TRANSFORMATION (counting.misbehave.Misbehave): DataError: ") == 1
    )
    with sqlite3.connect(upstream) as db:
        assert db.execute("SELECT count(*) FROM acked").fetchone() == (0,)


def test_preview_of_a_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    log = open_log({}, data)
    log.create_topic("rows", 1, {})
    producer = log.producer()
    producer.send([Message("rows", b"k1", b'{"a":1,"b":2}'), Message("rows", b"k2", None)])
    producer.flush()
    log.close()
    path = tmp_path / "view.yaml"
    path.write_text(f"""\
name: view
connector.class: SqliteView
path: {tmp_path}/view.db
fields: a
topics: rows
key.converter: StringConverter
value.converter: JsonConverter
value.converter.schemas.enable: false
""")
    assert main(["preview", str(path), "--data", str(data)]) == 0
    text = capsys.readouterr().out
    assert "view, record 1 of 2\n  on the log\n    topic    rows-0@0\n    key      k1\n" in text
    assert "  in the view\n    rows: upsert k1\n" in text
    assert "  in the view\n    rows: delete k2\n" in text
    log = open_log({}, data)
    assert set(log.topics()) == {"rows"}
    log.close()


def test_preview_of_a_view_makes_no_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "view.yaml"
    path.write_text(f"name: view\nconnector.class: SqliteView\npath: {tmp_path}/view.db\nfields: a\ntopics: rows\n")
    data = tmp_path / "data"
    assert main(["preview", str(path), "--data", str(data)]) == 0
    assert f"there is no log in {data}" in capsys.readouterr().err
    assert not data.exists()


def test_preview_refuses_what_lint_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", source_file(tmp_path, "${env:NOT_SET_HERE}", "paht: x\n")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "source.yaml:3: path: environment variable NOT_SET_HERE is not set" in captured.err
    assert "source.yaml:8: paht: unknown option (did you mean path?)" in captured.err


def test_check(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = source_file(tmp_path, database)
    assert main(["check", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["problems"] == []
    assert main(["check", path]) == 0
    capsys.readouterr()
    assert main(["check", source_file(tmp_path, database, "paht: x\n")]) == 1
    assert "source.yaml:8: paht: unknown option (did you mean path?)" in capsys.readouterr().out


def test_check_tells_what_a_server_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "view.yaml").write_text("""\
name: view
connector.class: PostgresSink
topics: a
connection.url: postgresql://127.0.0.1:1/nowhere
connection.username: u
connection.password: hunter2
""")
    assert main(["check", str(tmp_path / "view.yaml")]) == 1
    captured = capsys.readouterr()
    assert "error" in captured.out
    assert "hunter2" not in captured.out + captured.err


def test_values_are_shortened_for_people() -> None:
    assert (
        _shown('{"schema":{"type":"int32"},"payload":{"id":1}}')
        == '{"id":1}    (payload; its schema takes 16 characters)'
    )
    assert _shown('{"schema":null}') == '{"schema":null}'
    assert _shown({"a": "é"}) == '{"a": "é"}'
    assert _shown("x" * 3000) == "x" * 2000 + " … (3,000 characters)"
