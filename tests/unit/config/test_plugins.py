"""Finding plugins by name, without importing them, and saying what is wrong with one."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.config.plugins import Plugins
from tests.unit.config.sample_plugins import PLUGINS, POINTS, NumbersConnector, Rename


@pytest.mark.parametrize("name", ["NumbersConnector", "org.example.NumbersConnector", "Numbers", " NumbersConnector "])
def test_a_class_by_any_of_its_names(name: str) -> None:
    assert PLUGINS.kind_of(name) == "source"
    assert isinstance(PLUGINS.connector(name), NumbersConnector)


def test_asking_for_the_kind_imports_nothing() -> None:
    assert PLUGINS.kind_of("Missing") == "source"
    assert PLUGINS.kind_of("PrintConnector") == "sink"
    assert "no_such_module_at_all" not in sys.modules


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("numbersconector", "no connector 'numbersconector' is installed (did you mean NumbersConnector?)"),
        ("org.exmple.NumbersConnector", "(did you mean org.example.NumbersConnector?)"),
        ("Zebra", "no connector 'Zebra' is installed (`headwater plugins` lists"),
        ("Missing", "source 'Missing' cannot be imported from no_such_module_at_all:X (an unknown package): "
         "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("Broken", "AttributeError"),
        ("WrongKind", "is not a SourceConnector"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_name(name: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PLUGINS.connector(name)
    assert caught.value.problems[0].option == "connector.class"
    assert expected in str(caught.value)


def test_two_packages_with_one_name() -> None:
    other = EntryPoint("Rename", "elsewhere:Rename", "headwater.transforms")
    with pytest.raises(ConfigError, match="'Rename' is ambiguous"):
        Plugins([*POINTS, other]).load("transform", "Rename", "transforms.a.type")
    assert Plugins([*POINTS, *POINTS]).load("transform", "Rename") is Rename


def test_all_plugins_with_all_their_names() -> None:
    numbers = next(plugin for plugin in PLUGINS.all() if plugin.name == "NumbersConnector")
    assert numbers.kind == "source"
    assert numbers.names == ("NumbersConnector", "org.example.NumbersConnector")
    kinds = [plugin.kind for plugin in PLUGINS.all()]
    assert kinds == sorted(kinds, key=["source", "sink", "transform", "predicate", "converter"].index)


def test_a_third_partys_plugin_works_by_being_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "foreign_plugin-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-plugin\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[headwater.transforms]\nUpper = foreign_plugin:Upper\n")
    (tmp_path / "foreign_plugin.py").write_text(
        "from headwater.worker.api import Transform\nclass Upper(Transform):\n    doc = 'Shouts.'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Plugins()
    assert plugins.load("transform", "Upper").doc == "Shouts."
    assert next(p for p in plugins.all() if p.name == "Upper").package == "foreign-plugin 2.5"


def test_headwaters_own_plugins_are_found() -> None:
    own = Plugins()
    assert own.kind_of("io.debezium.connector.postgresql.PostgresConnector") == "source"
    assert own.kind_of("io.debezium.connector.jdbc.JdbcSinkConnector") == "sink"
    assert {"PostgresSource", "PostgresSink"} <= {plugin.name for plugin in own.all()}


def test_what_an_extra_brings_is_named_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "foreign_lake-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: foreign-lake\nVersion: 1.0\nProvides-Extra: lake\nProvides-Extra: test\n"
        'Requires-Dist: click>=8\nRequires-Dist: no-such-lake<3,>=2; extra == "lake"\n'
        'Requires-Dist: no-such-lake<3,>=2; extra == "test"\n'
    )
    (info / "entry_points.txt").write_text("[headwater.transforms]\nDrain = foreign_lake:Drain\n")
    (tmp_path / "foreign_lake.py").write_text("import no_such_lake.shore\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        Plugins().load("transform", "Drain", "transforms.a.type")
    assert caught.value.problems[0].hint == "pip install 'foreign-lake[lake]'"
