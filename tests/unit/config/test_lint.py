"""All problems of all files, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.worker.config.lint import lint_files
from tests.unit.config.sample_plugins import PLUGINS


def test_problems_of_files_and_options_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GONE", raising=False)
    (tmp_path / "a.yaml").write_text("""\
- name: one
  connector.class: Numbers
  numbers:
    topic: ${env:GONE}
    too: 1
- name: two
  connector.class: PrintConnector
  topics: x
""")
    (tmp_path / "b.json").write_text('{"name": "one",\n "connector.class": "Print",\n "topics": "a", "print.file": 1')
    connectors, problems = lint_files([tmp_path / "a.yaml", tmp_path / "b.json"], plugins=PLUGINS)
    assert [connector.name for connector in connectors] == ["one", "two"]
    assert [str(problem).replace(f"{tmp_path}/", "").partition("\n")[0] for problem in problems] == [
        "a.yaml:4: numbers.topic: environment variable GONE is not set (set GONE where the worker is started)",
        "a.yaml:5: numbers.too: unknown option (did you mean numbers.to?)",
        "a.yaml:6: print.file: required and missing",
        "b.json:3:32: a comma or } is expected here",
    ]


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "a.properties"
    path.write_text("name=a\nconnector.class=org.example.NumbersConnector\nnumbers.topic=t\n")
    connectors, problems = lint_files([path], plugins=PLUGINS)
    assert len(connectors) == 1
    assert problems == []


def test_variables_that_are_set_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GONE", raising=False)
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nconnector.class: Numbers\nnumbers.topic: ${env:GONE}\nnumbers.to: x\n")
    _, problems = lint_files([path], variables=False, plugins=PLUGINS)
    assert [str(problem) for problem in problems] == [f"{path}:4: numbers.to: must be a whole number"]
