"""The built wheel, in an empty environment, from a foreign directory: what `pip install` and the image give a user.

It is made by the steps of docker/Dockerfile, with a virtual environment in the place of the image.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
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


def carry_out(dockerfile: str, environment: Path, folder: Path) -> list[str]:
    """What its steps copy and run, but for the user that they make; returns its entry point."""
    stages = re.split(r"^FROM .*$", dockerfile.replace("\\\n", ""), flags=re.MULTILINE)[1:]
    search = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    workdir, entry = folder, []
    for line in "".join(stages).splitlines():
        step, _, rest = line.partition(" ")
        if step == "WORKDIR":
            workdir = folder / rest.strip("/")
            workdir.mkdir(parents=True, exist_ok=True)
        elif step == "COPY" and not rest.startswith("--from"):
            *names, target = rest.split()
            for name in names:
                ignore = shutil.ignore_patterns("__pycache__")
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, workdir / target, ignore=ignore)
                else:
                    shutil.copy(ROOT / name, workdir / target)
        elif step == "RUN" and not rest.startswith("useradd "):
            script = rest.replace("/wheels", str(folder / "wheels"))
            subprocess.run(["sh", "-ec", script], cwd=workdir, env={**os.environ, "PATH": search}, check=True)
        elif step == "ENTRYPOINT":
            entry = json.loads(rest)
    return entry


@pytest.mark.system
def test_a_wheel_in_an_empty_environment_does_the_main_job(
    tmp_path: Path, make_database: object, database: Database
) -> None:
    environment, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(environment, with_pip=True)
    (program,) = carry_out((ROOT / "docker/Dockerfile").read_text(), environment, tmp_path / "image")
    subprocess.run(
        [
            environment / "bin/python",
            "-c",
            "import boto3, cel_expr_python, cryptography, elasticsearch, fastavro, grpc_tools, opensearchpy, "
            "pyarrow.parquet, zstandard",
        ],
        check=True,
    )

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
            [environment / "bin" / program, *arguments],
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
