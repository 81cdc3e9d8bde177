"""docker/: what can be said of it without a container engine. test_wheel.py runs the Dockerfile's steps."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from headwater.worker.cli.lint import read_worker
from headwater.worker.cli.main import headwater
from headwater.worker.config.lint import lint_files

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "headwater"}
WORKERS = {name: service for name, service in OURS.items() if service.get("command", [""])[0] == "worker"}
RUN_ONCE = {"bucket", "connectors"}


def mounted(service: dict[str, Any], word: str) -> Path | None:
    """The file here that stands at this path in the container."""
    for volume in service.get("volumes", ()):
        here, there = volume.split(":")[:2]
        if word.startswith(f"{there}/") and here.startswith("."):
            return (DOCKER / here).resolve() / word.removeprefix(f"{there}/")
    return None


def files(service: dict[str, Any]) -> list[Path]:
    found = [mounted(service, word) for word in service.get("command", ()) if word.endswith(".yaml")]
    assert all(path is not None and path.is_file() for path in found), found
    return [path for path in found if path is not None]


def variables(paths: list[Path]) -> set[str]:
    text = re.sub(r"^\s*#.*$", "", "".join(path.read_text() for path in paths), flags=re.MULTILINE)
    return set(re.findall(r"\$\{env:(\w+)\}", text))


def test_every_real_part_is_there() -> None:
    assert set(SERVICES) == {"source", "view", "kafka", "s3", "worker-1", "worker-2"} | RUN_ONCE
    assert set(WORKERS) == {"worker-1", "worker-2"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_when_it_is_ready(name: str) -> None:
    service = SERVICES[name]
    assert ("healthcheck" in service) == (name not in RUN_ONCE)
    for other, condition in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in RUN_ONCE else "service_healthy"
        assert condition == {"condition": wanted}
        assert other in SERVICES
    if "build" in service:
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", [*WORKERS, "connectors"])
def test_commands_exist_and_find_their_files_and_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = SERVICES[name]
    words, command = list(service["command"]), headwater
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, service["command"]
        command = found  # type: ignore[assignment]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known
    paths = files(service)
    assert paths
    assert variables(paths) <= {*service["environment"], "HOSTNAME"}


def test_configs_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES["connectors"]["environment"]
    assert environment == SERVICES["worker-1"]["environment"]
    for name, value in {**environment, "HOSTNAME": "worker-1"}.items():
        monkeypatch.setenv(name, value)
    (path,) = files(SERVICES["worker-1"])
    settings = read_worker(path)
    connectors, problems = lint_files(files(SERVICES["connectors"]), settings)
    assert [str(problem) for problem in problems] == []
    assert len(connectors) == 3


def test_workers_are_reached_by_their_names() -> None:
    published = []
    for name, service in WORKERS.items():
        assert service["hostname"] == name
        (port,) = service["ports"]
        host, outer, inner = port.split(":")
        assert (host, inner) == ("127.0.0.1", "8083"), "without sign-in it is not for others"
        published.append(outer)
    assert len(set(published)) == len(WORKERS)
    assert SERVICES["connectors"]["command"][-1] == "http://worker-1:8083"


def test_health_checks_of_workers_are_python_that_runs() -> None:
    """Against a listener that answers anything, and against nothing."""
    _, python, option, script = SERVICES["worker-1"]["healthcheck"]["test"]
    assert (python, option) == ("python", "-c")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(OSError):
        exec(script.replace("8083", str(port)))


def test_the_image_is_made_of_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert all((ROOT / name).exists() for name in names)
    assert names >= {"pyproject.toml", "README.md", "LICENSE", "worker", "connectors", "transforms"}
