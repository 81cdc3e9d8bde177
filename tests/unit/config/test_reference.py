"""The generated reference of options."""

from __future__ import annotations

import pytest

from headwater.worker.config.plugins import Plugin
from headwater.worker.config.reference import framework_markdown, json_schema, markdown, pattern_name, worker_markdown
from tests.unit.config.sample_plugins import PLUGINS

NUMBERS: Plugin = next(plugin for plugin in PLUGINS.all() if plugin.name == "NumbersConnector")


def test_markdown_holds_every_option() -> None:
    text = markdown(NUMBERS, PLUGINS)
    assert text.startswith("# NumbersConnector\n\nCounts.\n\nA source. Also known as `org.example.NumbersConnector`.\n")
    assert "| `numbers.topic` | string | **required** |  |" in text
    assert "| `numbers.to` | int | `10` |  |" in text
    assert "| `numbers.random` | numbers come in their order | `false` |" in text
    assert text == markdown(NUMBERS, PLUGINS)


def test_the_options_that_belong_to_no_plugin() -> None:
    assert "| `topics.regex` |" in framework_markdown()
    assert "| `producer.override.NAME` |" in framework_markdown()
    assert "| `group.id` | string | `headwater` |" in worker_markdown()


def test_json_schema() -> None:
    schema = json_schema(NUMBERS, PLUGINS)
    assert schema["required"] == ["name", "connector.class", "numbers.topic"]
    assert schema["properties"]["numbers.to"] == {"type": ["integer", "string"], "description": "", "default": 10}
    assert schema["properties"]["connector.class"]["enum"] == ["NumbersConnector", "org.example.NumbersConnector"]
    assert schema["properties"]["errors.tolerance"]["examples"] == ["none", "all"]
    assert r"^(?:numbers\.skip\.\d+)$" in schema["patternProperties"]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (r"column\.mask\.with\.(\d+)\.chars", "column.mask.with.NUMBER.chars"),
        (r"column\.mask\.hash(\.v2)?\.[^.]+\.with\.salt\..+", "column.mask.hash[.v2].NAME.with.salt.NAME"),
        (r"(key|value)\.converter\..+", "(key|value).converter.NAME"),
        (r"a\.(.+)", "a.NAME"),
    ],
)
def test_patterns_as_a_reader_writes_them(pattern: str, name: str) -> None:
    assert pattern_name(pattern) == name
