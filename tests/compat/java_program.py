"""A small Java program that answers requests: a line each on its stdin, the answers on its stdout.

A request is a verb and fields, parted by tabs, the fields in base64; an answer is `ok` or `error` and fields.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.cache import programs_folder, server_folder
from tests.servers.maven import java
from tests.servers.programs import program

_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


class JavaProgram:
    """The running program; it ends with the `with` block."""

    def __init__(self, source: Path, jars: Path, *arguments: str) -> None:
        """`source`: the one file, which holds the class of its name. Raises `MissingTool`, `RuntimeError`."""
        path = f"{jars}/*"
        classes = _compiled(source, path)
        self._log = server_folder(f"java-{source.stem.lower()}") / "program.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [java(), *_OPTIONS, "-cp", f"{classes}:{path}", source.stem, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def ask(self, verb: str, *fields: bytes) -> list[bytes]:
        """The answer's fields. Raises `RuntimeError`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = "\t".join([verb, *(b64encode(field).decode() for field in fields)])
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        status, *answer = self._process.stdout.readline().decode().rstrip("\n").split("\t")
        if status != "ok":
            said = b64decode(answer[0]).decode() if answer else self._log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the Java program refuses: {said}")
        return [b64decode(field) for field in answer]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()  # it ends at the end of its input
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._log.parent, ignore_errors=True)


def _compiled(source: Path, jars: str) -> Path:
    """The folder of classes, made anew where the source or the jars have changed."""
    parent = programs_folder("java")
    digest = hashlib.sha256(source.read_bytes() + jars.encode()).hexdigest()[:10]
    folder = parent / f"java-{source.stem.lower()}-{digest}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(partial, ignore_errors=True)
            command = [program("javac", "openjdk-17-jdk-headless"), "-nowarn", "-cp", jars, "-d", str(partial)]
            done = subprocess.run([*command, str(source)], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"{source.name} could not be compiled:\n{done.stderr[-3000:]}")
            partial.rename(folder)
    return folder
