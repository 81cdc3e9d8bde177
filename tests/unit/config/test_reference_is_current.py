"""What is checked in under configs/reference is what the declarations say."""

from __future__ import annotations

from tests.reference import FOLDER, pages


def test_configs_reference_is_current() -> None:
    wanted = pages()
    stale = [name for name, text in wanted.items() if (FOLDER / name).read_text("utf-8") != text]
    assert not stale, f"run `make reference`: {stale} are out of date"
    assert {path.name for path in FOLDER.glob("*.md")} == set(wanted)
