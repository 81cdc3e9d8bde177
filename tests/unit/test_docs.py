"""What the documentation says: its configs are valid, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from headwater.worker.cli.lint import read_worker
from headwater.worker.cli.main import headwater
from headwater.worker.config.lint import lint_files
from headwater.worker.log.kafka_settings import Role, client_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docker/*.md"), *ROOT.glob("configs/**/*.md")]
)
FRAME = {"name": "framed", "connector.class": "PostgresSink", "topics": "t", "connection.url": "postgresql://h/d"}
"""Around blocks that show some options alone."""
VARIABLES = ("SHOP_PASSWORD", "VIEW_PASSWORD", "KAFKA_PASSWORD", "KAFKA_KEY_PASSWORD", "SALT")


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """(page:line, text) of fenced blocks."""
    for page in PAGES:
        text = page.read_text()
        for found in re.finditer(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
            if found[2] == language:
                line = text[: found.start()].count("\n") + 1
                yield f"{page.relative_to(ROOT)}:{line}", re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)


def parameters(language: str) -> list[object]:
    return [pytest.param(text, id=where) for where, text in blocks(language)]


@pytest.mark.parametrize("text", parameters("yaml"))
def test_configs_are_valid(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("MASTER_KEY", "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=")
    document = yaml.safe_load(text)
    path = tmp_path / "my.yaml"
    if isinstance(document, dict) and "bootstrap.servers" in document:  # a worker's file
        path.write_text(text)
        settings = read_worker(path)
        assert [client_settings(role, settings, {})["bootstrap.servers"] for role in Role]
        return
    if isinstance(document, dict) and "connector.class" not in document:
        text += yaml.safe_dump(FRAME)
    path.write_text(text)
    connectors, problems = lint_files([path], {})
    assert [str(problem) for problem in problems] == []
    assert connectors


def commands() -> Iterator[tuple[str, str]]:
    for where, text in blocks(""):
        for line in text.splitlines():
            found = re.search(r"(?:^|exec headwater )(headwater .*?)(?:\s{2,}#.*)?$", line.strip())
            if found:
                yield where, found[1]


@pytest.mark.parametrize("line", [pytest.param(line, id=f"{where} {line[:40]}") for where, line in commands()])
def test_commands_exist(line: str) -> None:
    words = [word for word in shlex.split(line)[1:] if word != "[--source]"]
    command: click.Command = headwater
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known
    places = sum(9 if p.nargs == -1 else p.nargs for p in command.params if isinstance(p, click.Argument))
    values = [p.opts for p in command.params if isinstance(p, click.Option) and not p.is_flag]
    given = [w for n, w in enumerate(words) if not w.startswith("-") and not any(words[n - 1] in o for o in values)]
    assert len(given) <= places, f"{given}: {command.name} takes {places} arguments"


def anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(there), target


def test_every_page_is_reached_from_the_index() -> None:
    seen = {ROOT / "docs/README.md"}
    todo = list(seen)
    while todo:
        page = todo.pop()
        for target in re.findall(r"\]\(([^)#\s]+\.md)", page.read_text()):
            there = (page.parent / target).resolve()
            if there.exists() and there not in seen:
                seen.add(there)
                todo.append(there)
    pages = {page for page in PAGES if page.parts[len(ROOT.parts)] == "docs" and page.parent.name != "decisions"}
    assert pages <= seen
