"""Java programs from Maven Central: a folder of jars for each list of artifacts, in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from .cache import cache_dir, is_root, programs_folder
from .programs import program


def java() -> str:
    """The `java` program. Raises `MissingTool`."""
    return program("java", "openjdk-17-jdk-headless")


def jars(name: str, artifacts: Sequence[str], without: Sequence[str] = ()) -> Path:
    """The folder that holds these artifacts (`group:artifact:version`) and all that they need at run time.

    `without`: `group:artifact` to leave out, `*` allowed. Fetched once; other processes wait meanwhile.
    Raises `MissingTool`, `RuntimeError`.
    """
    pom = _pom(artifacts, without)
    parent = programs_folder("java")
    folder = parent / f"{name}-{hashlib.sha256(pom.encode()).hexdigest()[:10]}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(pom, folder)
    return folder


def file_alone(name: str, artifact: str) -> Path:
    """The folder that holds this artifact without what it needs, whatever its own description asks for.

    Raises as `jars`.
    """
    parent = programs_folder("java")
    folder = parent / f"{name}-{hashlib.sha256(artifact.encode()).hexdigest()[:10]}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _run_maven(folder, ["dependency:copy", f"-Dartifact={artifact}"])
    return folder


def _fetch(pom: str, folder: Path) -> None:
    _run_maven(folder, ["dependency:copy-dependencies", "-DincludeScope=runtime"], pom)


def _run_maven(folder: Path, goal: Sequence[str], pom: str | None = None) -> None:
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    partial.mkdir()
    command: list[str | Path] = [program("mvn", "maven"), "-B", "-q"]
    if pom is not None:
        (partial / "pom.xml").write_text(pom)
        command += ["-f", partial / "pom.xml"]
    command += [*goal, f"-DoutputDirectory={partial}"]
    command.append(f"-Dmaven.repo.local={cache_dir() / 'maven'}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(partial)
        raise RuntimeError(f"Maven could not fetch {folder.name}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    if is_root():  # read by the servers' user
        for path in [partial, *partial.iterdir()]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    partial.rename(folder)


def _pom(artifacts: Sequence[str], without: Sequence[str]) -> str:
    left_out = "".join(f"<exclusion>{_coordinates(item)}</exclusion>" for item in without)
    needed = "".join(
        f"<dependency>{_coordinates(item)}<exclusions>{left_out}</exclusions></dependency>" for item in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>headwater</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{needed}</dependencies></project>\n"
    )


def _coordinates(item: str) -> str:
    names = ("groupId", "artifactId", "version", "type", "classifier")
    return "".join(f"<{name}>{escape(part)}</{name}>" for name, part in zip(names, item.split(":"), strict=False))
