"""Passwords of servers that ask for them: in no log line, answer, command line, error, or file but the user's own."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .shop import Shop, command_lines

pytestmark = pytest.mark.system

ANSWERS = (
    "/", "/health", "/connectors?expand=info&expand=status", "/connectors/shop", "/connectors/shop/config",
    "/connectors/shop/status", "/connectors/shop/tasks", "/connectors/shop/offsets", "/connectors/shop-view",
    "/connectors/shop-view/config", "/connectors/shop-view/status", "/connectors/shop-view/tasks",
    "/connectors/shop-view/offsets", "/views", "/views/shop-view", "/views/shop-view/progress", "/connector-plugins",
)  # fmt: skip


@contextmanager
def watched_command_lines() -> Iterator[set[str]]:
    """Every command line of the machine, looked at again and again."""
    seen: set[str] = set()
    ending = threading.Event()

    def watch() -> None:
        while not ending.wait(0.2):
            seen.update(command_lines())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ending.set()
        watcher.join()


def answers(shop: Shop) -> str:
    texts = []
    for path in ANSWERS:
        try:
            texts.append(json.dumps(shop.worker.get(path)))
        except urllib.error.HTTPError as error:
            assert error.code == 500, path  # the state of health
            texts.append(error.read().decode())
    return "\n".join(texts)


def demand_none(passwords: list[str], **texts: str) -> None:
    """Names where a password was found, without saying it."""
    found = [where for (where, text), password in itertools.product(texts.items(), passwords) if password in text]
    assert not found


def test_passwords_appear_nowhere(shop: Shop) -> None:
    literal = shop.folder / "literal.yaml"  # written out in the file, as many do
    literal.write_text(shop.view_file.read_text().replace(f"${{file:{shop.secrets}:view}}", shop.passwords["view"]))
    shop.worker.files[1] = literal
    slim = shop.folder / "slim-literal.yaml"
    slim.write_text(shop.slim_file.read_text().replace(f"${{file:{shop.secrets}:view}}", shop.passwords["view"]))
    passwords = [*shop.passwords.values(), str(shop.server.password)]
    said = []
    with watched_command_lines() as seen:
        worker = shop.start()
        shop.wait_until_equal()
        for arguments in (
            ["check", *map(str, worker.files), *shop.options],
            ["preview", str(shop.source_file), *shop.options],
            ["connectors", "show", "shop-view"],
            ["rebuild", "shop-view", "--config", str(slim)],
            ["verify", "shop-view", "--source"],
            ["views", "shop-view", "--json"],
            ["status", "--json"],
        ):
            done = worker.command(*arguments)
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
            said.append(done.stdout + done.stderr)
        told = answers(shop)
    assert "***" in told or "${" in told
    assert any("headwater" in line for line in seen)
    demand_none(passwords, log=worker.tail(10**7), rest=told, commands="\n".join(said), processes="\n".join(seen))


def test_wrong_passwords_do_not_appear_in_errors(shop: Shop) -> None:
    wrong = {name: secrets.token_urlsafe(15) for name in ("capture", "view")}
    shop.worker.env["SHOP_PASSWORD"] = wrong["capture"]
    shop.secrets.write_text(f"view={wrong['view']}\n")
    files = [*map(str, shop.worker.files)]
    checked = shop.worker.command("check", *files)
    assert checked.returncode == 1
    assert checked.stdout.count("password authentication failed") == 2
    previewed = shop.worker.command("preview", str(shop.source_file))
    assert previewed.returncode == 1
    worker = shop.start()

    def failing(name: str) -> bool:
        tasks = worker.get(f"/connectors/{name}/status")["tasks"]
        return bool(tasks) and "password authentication failed" in tasks[0].get("trace", "")

    shop.wait_for(lambda: failing("shop"))
    shop.wait_for(lambda: failing("shop-view") or "password authentication failed" in worker.tail(10**6))
    demand_none(
        [*wrong.values()], log=worker.tail(10**7), rest=answers(shop), check=checked.stdout + checked.stderr,
        preview=previewed.stdout + previewed.stderr,
    )  # fmt: skip
    shop.worker.env["SHOP_PASSWORD"] = shop.passwords["capture"]
    shop.secrets.write_text(f"view={shop.passwords['view']}\n")
    assert worker.stop() == 0
    shop.start()
    shop.wait_until_equal()
