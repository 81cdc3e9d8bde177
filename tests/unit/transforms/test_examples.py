"""The examples in the documentation do what they say: each config, as it stands, on the record below it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from headwater.worker.api import Field, Header, Record, Schema, Type
from headwater.worker.config.plugins import installed
from headwater.worker.config.secrets import expand
from headwater.worker.config.stages import Stage, build_stages

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("transforms.md", "transforms-debezium.md", "expressions.md", "privacy.md")
EXAMPLE = re.compile(r"^```yaml\n((?:[^`].*\n)*)```\n\n```json\n(.*)\n((?:[^`].*\n)+)```$", re.MULTILINE)
EXAMPLES = [found for page in PAGES for found in EXAMPLE.findall((DOCS / page).read_text())]
RUN_AS_A_PIPELINE = {"EncryptFields", "DecryptFields"}
"""They need a table of keys: configs/people-*.yaml, run by tests/system/test_configs.py."""


def record(text: str) -> Record:
    """What is not said is null. `schema`: the name of the value's, else it has none; `schemas`: of its fields'."""
    said = json.loads(text)
    headers = tuple(Header(name, value) for name, value in said.get("headers", {}).items())
    made = Record(said.get("topic", "t"), said.get("key"), said.get("value"), headers=headers,
                  partition=said.get("partition"), timestamp_ms=said.get("timestamp"))  # fmt: skip
    if "schema" not in said:
        return made
    return made.replace(value_schema=schema_of(made.value, said.get("schemas", {}), said["schema"]))


def schema_of(value: Any, names: dict[str, str], own: str | None = None) -> Schema:
    fields = []
    for name, item in value.items():
        simple = Schema(Type.INT64 if isinstance(item, int) else Type.STRING, True, name=names.get(name))
        fields.append(Field(name, schema_of(item, names) if isinstance(item, dict) else simple))
    return Schema(Type.STRUCT, True, name=own, fields=tuple(fields))


def passed(stage: Stage, given: Record) -> list[Record]:
    if stage.predicate is not None and stage.predicate.test(given) == stage.negate:
        return [given]
    made = stage.transform.apply(given)
    return [] if made is None else [made] if isinstance(made, Record) else list(made)


@pytest.mark.parametrize(
    ("config", "before", "after"),
    [pytest.param(*example, id=example[0].partition("type: ")[2].split()[0]) for example in EXAMPLES],
)
def test_an_example(config: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALT", "pepper")
    options: dict[str, Any] = {name: str(value) for name, value in yaml.safe_load(config).items()}
    options = dict(expand(options))
    aliases = [options.get(section, "").split(", ") for section in ("transforms", "predicates")]
    names = [[alias for alias in section if alias] for section in aliases]
    stages, problems = build_stages(*names, options, installed())
    assert not problems
    made = [record(before)]
    for stage in stages:
        made = [out for given in made for out in passed(stage, given)]
    wanted = [record(line) for line in after.splitlines() if line != "null"]
    assert len(made) == len(wanted)
    for out, right in zip(made, wanted, strict=True):
        assert (out.topic, out.key, out.value) == (right.topic, right.key, right.value)
        assert out.partition == right.partition
        assert right.value_schema is None or (out.value_schema and out.value_schema.name) == right.value_schema.name
        assert [(h.name, h.value) for h in out.headers] == [(h.name, h.value) for h in right.headers]


@pytest.mark.parametrize("kind", ["transform", "predicate"])
def test_there_is_one_for_every(kind: str) -> None:
    shown = {name.partition("$")[0] for config, *_ in EXAMPLES for name in re.findall(r"\.type: (\S+)", config)}
    plugins = [
        plugin for plugin in installed().all() if plugin.kind == kind and plugin.package.startswith("headwater ")
    ]
    missing = {p.name for p in plugins if not {name.partition("$")[0] for name in p.names} & shown}
    assert missing <= RUN_AS_A_PIPELINE
