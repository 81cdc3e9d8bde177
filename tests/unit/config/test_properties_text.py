"""The `.properties` reader against a writer that follows java.util.Properties.store, and known corners."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.config.properties_text import read_properties


def escape(text: str, key: bool) -> str:
    """As Properties.store writes it: everything special escaped, other characters as \\uXXXX."""
    out = []
    for index, character in enumerate(text):
        if character in "=:#!\\" or (character == " " and (key or index == 0)):
            out.append("\\" + character)
        elif character in "\t\n\r\f":
            out.append({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}[character])
        elif " " <= character <= "~":
            out.append(character)
        else:
            units = character.encode("utf-16-be")
            out += [f"\\u{units[i]:02X}{units[i + 1]:02x}" for i in range(0, len(units), 2)]
    return "".join(out)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=5), st.sampled_from(["=", ":", " = ", "\t"]))
def test_what_java_writes_is_read_back(entries: list[tuple[str, str]], separator: str) -> None:
    text = "#comment\n" + "".join(f"{escape(k, True)}{separator}{escape(v, False)}\n" for k, v in entries)
    found = read_properties(text.encode())
    assert [(e.key, e.value) for e in found] == entries
    assert [e.line for e in found] == list(range(2, 2 + len(entries)))


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a", [("a", "", 1)]),
        ("a=b=c", [("a", "b=c", 1)]),
        ("  a  :  b  ", [("a", "b  ", 1)]),
        ("a=1\\\n\n b=2", [("a", "1", 1), ("b", "2", 3)]),
        ("a=1\\\n# not a comment", [("a", "1# not a comment", 1)]),
        ("a=\\\\\nb=1", [("a", "\\", 1), ("b", "1", 2)]),
        ("a=x\\", [("a", "x", 1)]),
        ("a=\\q\\:", [("a", "q:", 1)]),
        ("a\\ b=c", [("a b", "c", 1)]),
        ("\ufeffa=1\r\nb=2\rc=3", [("a", "1", 1), ("b", "2", 2), ("c", "3", 3)]),
    ],
)
def test_corners(text: str, entries: list[tuple[str, str, int]]) -> None:
    assert [tuple(e) for e in read_properties(text.encode())] == entries


def test_latin_1_as_java_reads_it() -> None:
    assert read_properties(b"a=\xe9")[0].value == "é"
