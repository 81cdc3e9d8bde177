"""Nested and dotted keys are the same: any way of nesting a config gives the same options."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.config.json_text import read_json
from headwater.worker.config.nodes import Mapping, flatten
from headwater.worker.config.yaml_text import read_yaml

WORD = st.text("abcdef-$é", min_size=1, max_size=3)
OPTIONS = st.dictionaries(
    st.lists(WORD, min_size=1, max_size=4).map(".".join),
    st.text("abc: #'\"\\{}[]\n\té😀", max_size=8),
    min_size=1,
    max_size=8,
)


def nest(options: dict[str, str], choose: st.DataObject) -> dict[str, Any]:
    """A tree with the same leaves, each key cut at some of its dots where no text stands in the way."""
    tree: dict[str, Any] = {}
    for name, text in options.items():
        here, rest = tree, name
        while "." in rest and choose.draw(st.booleans()):
            first, _, after = rest.partition(".")
            if not isinstance(here.setdefault(first, {}), dict):
                break
            here, rest = here[first], after
        if rest in here:  # a mapping of the same name: this one stays dotted, at the top
            here, rest = tree, name
        if isinstance(here.get(rest), dict):
            continue
        here[rest] = text
    return tree


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


@given(OPTIONS, st.data())
def test_nesting_makes_no_difference(options: dict[str, str], data: st.DataObject) -> None:
    tree = nest(options, data)
    expected = leaves(tree)
    for [node] in (
        read_json(json.dumps(tree)),
        read_json(json.dumps(tree, ensure_ascii=False, indent="\t")),
        read_yaml(yaml.safe_dump(tree, allow_unicode=True)),
    ):
        assert isinstance(node, Mapping)
        others = [wrong for wrong in flatten(node).wrong if wrong.message != "holds nothing"]
        assert others == []
        assert flatten(node).options == expected
