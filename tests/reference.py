"""The generated reference of all options, configs/reference: `make reference` writes it, a test holds it current."""

from __future__ import annotations

from pathlib import Path

from headwater.worker.config.plugins import Plugin, Plugins
from headwater.worker.config.reference import framework_markdown, markdown, worker_markdown

FOLDER = Path(__file__).parents[1] / "configs" / "reference"


def pages() -> dict[str, str]:
    """File name -> text, of Headwater's own plugins."""
    plugins = Plugins()
    own = [plugin for plugin in plugins.all() if plugin.target.startswith("headwater.")]
    found = {file_name(plugin): markdown(plugin, plugins) for plugin in own}
    return found | {"connectors.md": framework_markdown(), "worker.md": worker_markdown(), "README.md": index(own)}


def file_name(plugin: Plugin) -> str:
    return plugin.name.replace("$", "-") + ".md"


def index(plugins: list[Plugin]) -> str:
    lines = [
        "# All options",
        "",
        "Generated from their declarations by `make reference`; `headwater plugins NAME` shows the same.",
        "",
        "- [every connector](connectors.md), [a worker](worker.md)",
    ]
    for kind in dict.fromkeys(plugin.kind for plugin in plugins):
        links = [f"[{plugin.name}]({file_name(plugin)})" for plugin in plugins if plugin.kind == kind]
        lines.append(f"- {kind}s: {', '.join(links)}")
    return "\n".join(lines) + "\n"


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write()
