"""Throw-away schema registries from Maven Central: Apicurio, which speaks Confluent's REST API; and its converters."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from .cache import SERVER_USER, is_root, programs_folder, server_folder
from .maven import file_alone, jars, java
from .process import free_port
from .server import Server

VERSION = "2.6.13.Final"
SERDES = "3.1.7"
"""Of 3, which speaks to registries of 2 as well: those of 2 cannot write Confluent's message indexes."""
AVRO = "org.apache.avro:avro:1.12.1"
"""1.12.0 reads doubles in arrays as floats."""
_QUICK_START = ("-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


def binaries() -> Path:
    """The folder with the server. Raises `MissingTool`, `RuntimeError`."""
    packed = jars(f"apicurio-{VERSION}", [f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"], ["*:*"])
    parent = programs_folder("java")
    folder = parent / f"apicurio-registry-{VERSION}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            archive = next(packed.glob("*.tar.gz"))
            subprocess.run(["tar", "-C", str(partial), "--no-same-owner", "-xzf", str(archive)], check=True)
            if is_root():
                for path in [partial, *partial.rglob("*")]:
                    path.chmod(0o755 if path.is_dir() else 0o644)
            partial.rename(folder)
    return folder


def converters() -> Path:
    """The folder of jars with Apicurio's converters, which hold Confluent's AvroData. Raises as `binaries`."""
    wanted = [AVRO, f"io.apicurio:apicurio-registry-utils-converter:{VERSION}"]
    return jars(f"apicurio-converters-{VERSION}", wanted, ["org.apache.kafka:*", "com.fasterxml.jackson.core:*"])


def serializers() -> Path:
    """The folder of a jar with Confluent's own Avro serializers: Maven Central has them inside Apache Pinot's plugin
    alone. Raises as `binaries`."""
    return file_alone("confluent-avro", "org.apache.pinot:pinot-confluent-avro:1.5.0:jar:shaded")


def serdes() -> Path:
    """The folder of jars with Apicurio's own serializers of JSON Schema and Protobuf. Raises as `binaries`."""
    wanted = [f"io.apicurio:apicurio-registry-{kind}-serde-kafka:{SERDES}" for kind in ("protobuf", "jsonschema")]
    # They leave HTTP to the user, and name an older Kotlin than their own libraries need.
    missing = ["io.kiota:kiota-http-jdk:0.0.31", "org.jetbrains.kotlin:kotlin-stdlib:2.2.20"]
    return jars(f"apicurio-serdes-{SERDES}", [*wanted, *missing])


class Registry(Server):
    """One registry on 127.0.0.1, in memory: what it holds is gone when it stops; frozen, it keeps it and is silent."""

    title = "schema registry"

    def __init__(self) -> None:
        self.program = binaries()
        super().__init__(server_folder("registry"))
        self.port = free_port()
        self.log.touch()
        if is_root():
            shutil.chown(self.log, SERVER_USER)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    @property
    def own_url(self) -> str:
        """Of Apicurio's own API, for its Java converters."""
        return f"http://127.0.0.1:{self.port}/apis/registry/v2"

    def start(self, timeout_s: float = 400) -> Self:
        """Returns once it answers; its compatibility level is then BACKWARD, as Confluent's is."""
        jar = next(self.program.glob("*-runner.jar"))
        options = [
            f"-Dquarkus.http.port={self.port}",
            "-Dquarkus.http.host=127.0.0.1",
            f"-Djava.io.tmpdir={self.folder}",
        ]
        self._launch([java(), *_QUICK_START, *options, "-jar", jar], self._answers, (OSError,), timeout_s)
        self.request("PUT", "/config", {"compatibility": "BACKWARD"})
        return self

    def _answers(self) -> None:
        self.request("GET", "/subjects", timeout_s=10)

    def request(self, method: str, path: str, body: object = None, timeout_s: float = 120) -> Any:
        """Decoded JSON of the answer. Raises `urllib.error.HTTPError`, `OSError`."""
        data = None if body is None else json.dumps(body).encode()
        call = urllib.request.Request(
            self.url + path, data=data, headers={"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(call, timeout=timeout_s) as answer:
            return json.loads(answer.read())


@contextmanager
def running() -> Iterator[Registry]:
    server = Registry()
    try:
        yield server.start()
    finally:
        server.close()
