"""The built wheel, in an empty environment, from a foreign directory: what `pip install` gives a user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import Database

ROOT = Path(__file__).parents[2]

SOURCE = """
name: shop
connector.class: PostgresSource
topic.prefix: shop
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: "${{env:SHOP_PASSWORD}}", dbname: {dbname}}}
"""
VIEW = """
name: shop-view
connector.class: PostgresSink
topics.regex: shop\\.public\\..*
connection.url: {url}
connection.username: postgres
connection.password: ${{env:SHOP_PASSWORD}}
"""


@pytest.mark.system
def test_a_wheel_in_an_empty_environment_does_the_main_job(
    tmp_path: Path, make_database: object, database: Database
) -> None:
    wheels, environment, elsewhere = tmp_path / "wheels", tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT], check=True)
    venv.create(environment, with_pip=True)
    (wheel,) = wheels.glob("headwater-*.whl")
    subprocess.run([environment / "bin/pip", "--quiet", "install", wheel], check=True)

    target = make_database(database.server)  # type: ignore[operator]
    with database.connect() as connection:
        connection.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
        connection.execute("INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 100) n")
        connection.execute("INSERT INTO item VALUES (101, repeat('large ', 1000000))")  # more than a log's usual 1 MB
    (elsewhere / "source.yaml").write_text(SOURCE.format(port=database.server.port, dbname=database.name))
    (elsewhere / "view.yaml").write_text(VIEW.format(url=target.server.url(target.name)))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}

    def headwater(*arguments: str) -> str:
        done = subprocess.run(
            [environment / "bin/headwater", *arguments],
            cwd=elsewhere, env={**clean, "SHOP_PASSWORD": "any"}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "PostgresSource" in headwater("plugins")
    headwater("lint", "source.yaml", "view.yaml")
    assert json.loads(headwater("lint", "--json", "source.yaml")) is not None
    headwater("run", "source.yaml", "view.yaml", "--until-caught-up", "--listen", "none")
    with target.connect() as connection:
        (tables,) = zip(*connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"), strict=True)
        assert len(tables) == 1
        found = connection.execute(f'SELECT id, name FROM "{tables[0]}" ORDER BY id').fetchall()
    assert found == [*((n, f"item {n}") for n in range(1, 101)), (101, "large " * 1_000_000)]
    assert {path.name for path in elsewhere.iterdir()} == {"source.yaml", "view.yaml", "headwater-data"}
