"""Kafka Connect's and Debezium's own transforms, predicates and converters, run by a small Java program.

It is compiled once and started once a session; a request is a line of JSON on its stdin, the answer one on its stdout:

- `options`: `class` -> `options`: name, type, required and default of each
- `transform`: `class`, `config`, `records` (one instance sees them in order) -> `results`: each a record, null (it was
  filtered) or `{"error": …}`
- `predicate`: the same -> `results`: each true or false
- `encode`: `class`, `config`, `topic`, `schema`, `value`; for keys `key`: true, for headers `header`: its name ->
  `data` (base64)
- `decode`: the same with `data` -> `schema`, `value`
- `measure`: `class`, `config`, `record`, `times` -> `nanoseconds` a record

Where the whole request fails (a refused config, say), the answer is `{"error": {"class": …, "message": …}}`.
Records, schemas and values are written as typed.py says.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers import connect
from tests.servers.cache import programs_folder, server_folder
from tests.servers.maven import java
from tests.servers.programs import program

SOURCES = Path(__file__).parent / "java"
_OPTIONS = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Duser.timezone=UTC", "-Duser.language=en")


class JavaError(RuntimeError):
    """The Java class refused: `java_class` is the exception's."""

    def __init__(self, failure: Mapping[str, str]) -> None:
        super().__init__(f"{failure['class']}: {failure['message']}")
        self.java_class = failure["class"]


class JavaStages:
    """The running program. `libraries`: folders of jars."""

    def __init__(self, libraries: Sequence[Path]) -> None:
        jars = ":".join(f"{folder}/*" for folder in libraries)
        classes = _compiled(jars)
        self._log = server_folder("java-stages") / "stages.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [java(), *_OPTIONS, "-cp", f"{classes}:{jars}", "Stages"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._one_at_a_time = threading.Lock()

    def ask(self, verb: str, **request: Any) -> Any:
        """The answer. Raises `JavaError` for a class that refuses, `RuntimeError` where the program has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = json.dumps({"verb": verb, **request}).encode() + b"\n"
        with self._one_at_a_time:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            text = self._process.stdout.readline()
        if not text:
            raise RuntimeError(f"the Java program has ended:\n{self._log.read_text(errors='replace')[-3000:]}")
        answer = json.loads(text)
        if "error" in answer:
            raise JavaError(answer["error"])
        return answer

    def transform(self, name: str, config: Mapping[str, str], records: Sequence[Any]) -> list[Any]:
        """What `name` makes of each record (in typed form): a record, None, or {"error": …}."""
        results: list[Any] = self.ask("transform", **{"class": name}, config=config, records=records)["results"]
        return results

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()  # it ends at the end of its input
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._log.parent, ignore_errors=True)


@contextlib.contextmanager
def running(libraries: Sequence[Path] = ()) -> Iterator[JavaStages]:
    """With the jars of Kafka Connect and Debezium, and further ones. Raises `MissingTool`, `RuntimeError`."""
    stages = JavaStages([connect.binaries(), *libraries])
    try:
        yield stages
    finally:
        stages.close()


def _compiled(jars: str) -> Path:
    """The folder of classes, made anew where a source has changed."""
    sources = sorted(SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:10]
    parent = programs_folder("java")
    folder = parent / f"stages-{digest}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(partial, ignore_errors=True)
            command = [program("javac", "openjdk-17-jdk-headless"), "-nowarn", "-cp", jars, "-d", str(partial)]
            done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"the Java program could not be compiled:\n{done.stderr[-3000:]}")
            partial.rename(folder)
    return folder
