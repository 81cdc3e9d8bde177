"""Rooms import downwards only. One table says what may import what; the AST of every file is held against it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WORKER = {
    "api": set(),
    "config": {"api"},
    "convert": {"api"},
    "log": {"api"},
    "observe": {"api"},
    "runtime": {"api", "config", "convert", "log", "observe"},
    "testing": {"api", "config", "convert", "log", "observe", "runtime"},
    "cluster": {"api", "config", "convert", "log", "observe", "runtime"},
    "rebuild": {"api", "config", "convert", "log", "observe", "runtime", "cluster"},
    "rest": {"api", "config", "convert", "log", "observe", "runtime", "cluster", "rebuild"},
    "cli": {"api", "config", "convert", "log", "observe", "runtime", "cluster", "rebuild", "rest"},
}
CONFLUENT_KAFKA = ("worker/log/kafka", "worker/convert/registry.py", "connectors/kafka/")
KAFKA_PYTHON = "worker/cluster/group_coordinator.py"
SHARED = {"formats", "object_store"}
"""What all connectors may import."""


def sources() -> list[Path]:
    tops = ("worker", "connectors", "transforms")
    return [path.relative_to(ROOT) for top in tops for path in ROOT.glob(f"{top}/**/*.py")]


def imported(path: Path) -> Iterator[str]:
    """Full dotted names, `headwater.` left off for our own; relative imports resolved."""
    here = list(path.with_suffix("").parts)
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = (node.module or "").split(".") if not node.level else here[: len(here) - node.level]
            if node.level and node.module:
                start = start + node.module.split(".")
            names = [".".join([*start, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            yield name.removeprefix("headwater.")


def allowed(path: Path, name: str) -> bool:
    parts, target = path.parts, name.split(".")
    if target[0] == "confluent_kafka":
        return path.as_posix().startswith(CONFLUENT_KAFKA)
    if target[0] == "kafka":
        return path.as_posix() == KAFKA_PYTHON
    if target[0] == "pytest":
        return parts[:2] == ("worker", "testing")
    if target[0] not in ("worker", "connectors", "transforms") or len(target) < 2:
        return True
    if parts[0] == "worker":
        room = Path(parts[1]).stem
        return target[0] == "worker" and (target[1] == room or target[1] in WORKER[room])
    if target[0] == "worker":
        return target[1] == "api"
    if target[0] == "transforms":
        return parts[0] == "transforms"
    own = parts[1] if parts[0] == "connectors" else None
    return target[1] in {own, "debezium"} or (parts[0] == "connectors" and target[1] in SHARED)


def test_imports_go_down() -> None:
    wrong = [f"{path} imports {name}" for path in sources() for name in imported(path) if not allowed(path, name)]
    assert not wrong


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("worker/api/record.py", "worker.config.load"),
        ("worker/runtime/pipe.py", "connectors.postgres.source"),
        ("worker/config/plan.py", "worker.runtime.pipe"),
        ("connectors/postgres/sink/sink.py", "worker.log.contract"),
        ("connectors/debezium/envelope.py", "connectors.postgres.source"),
        ("transforms/regex_router.py", "worker.config.plan"),
        ("connectors/s3/source/task.py", "connectors.parquet.storage"),
        ("transforms/regex_router.py", "connectors.object_store"),
        ("worker/log/embedded.py", "confluent_kafka.Producer"),
        ("worker/cluster/group_member.py", "kafka.errors"),
        ("worker/runtime/pipe.py", "pytest"),
        ("worker/runtime/pipe.py", "worker.testing.driver"),
        ("connectors/files/stream/source.py", "worker.testing.driver"),
    ],
)
def test_the_table_refuses(path: str, name: str) -> None:
    assert not allowed(Path(path), name)
