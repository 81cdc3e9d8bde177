"""Two incarnations of one task at once: the older, stopped in its tracks, wakes up and changes nothing for readers."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from headwater.worker.runtime.supervisor import Supervisor
from tests import plugins
from tests.conftest import Database
from tests.live_writer import SCHEMA, TABLES, LiveWriter
from tests.plugins.counting.source import set_mood
from tests.system.runtime.scene import Scene, eventually, kafka_settings, state_of, work

from .history import compare_with_history, keep_history
from .logs import Embedded, Kafka, LogUnderTest
from .reader import CountingReader

pytestmark = pytest.mark.chaos
plugins.install()

_numbers = itertools.count(1)
NEVER_AGAIN = {"restart.max.attempts": "0"}
LIMIT = 10_000_000


class Stage:
    """A worker's folder and log; a source that counts, slowly, to the end of the test."""

    def __init__(self, folder: Path, log: LogUnderTest, settings: dict[str, str]) -> None:
        self.scene = Scene(folder, LIMIT, settings)
        self.log = log
        self.prefix = self.scene.topic
        """Of the topics that a database is captured into; the log's readers read those."""
        set_mood(self.scene.upstream, "slow")

    def count(self, options: dict[str, str] | None = None) -> dict[str, str]:
        """The source's config: batches of 20, each a transaction."""
        return self.scene.source(count_batch=20, count_keys=50, count_padding=200) | (options or {})


@pytest.fixture(params=["embedded", "kafka"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    if request.param == "embedded":
        return Stage(tmp_path, Embedded(tmp_path / "data", "numbers."), {})
    return _on_kafka(request, tmp_path)


@pytest.fixture
def kafka_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return _on_kafka(request, tmp_path)


def _on_kafka(request: pytest.FixtureRequest, folder: Path) -> Stage:
    group = f"z{os.getpid()}.{next(_numbers)}"
    broker = request.getfixturevalue("kafka")
    return Stage(folder, Kafka(broker, f"numbers-{group}."), kafka_settings(broker.bootstrap, group))


@contextmanager
def supervising() -> Iterator[Supervisor]:
    running = Supervisor(grace_s=10)
    running.start()
    try:
        yield running
    finally:
        running.stop_all()


def pid_of(supervisor: Supervisor, connector: str) -> int:
    return int(state_of(supervisor, connector)["pid"])


def stop_where(pid: int, here: Callable[[], bool]) -> None:
    """SIGSTOP to the process where, while it stands still, `here` holds."""
    deadline = time.monotonic() + 240
    while True:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.02)  # what it has sent is seen by its servers
        if here():
            return
        os.kill(pid, signal.SIGCONT)
        assert time.monotonic() < deadline, "it never stands where it is wanted"
        time.sleep(0.003)


class Watch(threading.Thread):
    """Looks at a view again and again, as a reader does. `look` raises for what no reader may see."""

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__(name="watch", daemon=True)
        self._look = look
        self._ending = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._ending.wait(0.05):
                self._look()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.join()
        if self._error is not None:
            raise self._error


def test_a_source_within_its_transaction(kafka_stage: Stage, database: Database) -> None:
    """Its messages lie on the broker, the commit does not come; the successor takes over, then the commit does come."""
    scene, log, prefix = kafka_stage.scene, kafka_stage.log, kafka_stage.prefix
    with database.connect() as connection:
        connection.execute(SCHEMA.format(accounts=1000, entries=1000))
        keep_history(connection)
    writer, reader = LiveWriter(database.dsn, seed=1), CountingReader(log.stream, gaps=False)
    source = work(scene.spec(capture(database, prefix) | NEVER_AGAIN))

    def more(events: int) -> None:
        before = len(reader.count.places)
        eventually(lambda: len(reader.count.places) > before + events or reader.error)

    writer.start()
    reader.start()
    with supervising() as first, supervising() as second:
        first.run("zombie", source)
        more(3000)
        zombie = pid_of(first, prefix)
        stop_where(zombie, log.transaction_is_open)
        second.run("successor", source)
        more(300)
        os.kill(zombie, signal.SIGCONT)
        eventually(lambda: state_of(first, prefix)["state"] == "FAILED")
        more(300)
        assert state_of(second, prefix)["state"] == "RUNNING"
        writer.stop()
        eventually(lambda: not missing(database, reader) or reader.error)
    reader.stop()
    assert not missing(database, reader)


def capture(database: Database, prefix: str) -> dict[str, str]:
    """The source's config."""
    return {
        "name": prefix,
        "connector.class": "PostgresSource",
        "topic.prefix": prefix,
        "database.hostname": "127.0.0.1",
        "database.port": str(database.server.port),
        "database.user": "postgres",
        "database.password": "unused",
        "database.dbname": database.name,
        "table.include.list": ",".join(f"public.{table}" for table in TABLES),
        "slot.name": database.name,
        "publication.name": database.name,
        "topic.creation.default.partitions": "2",
        "topic.creation.default.replication.factor": "1",
    }


def missing(database: Database, reader: CountingReader) -> str:
    """What of the committed changes the reader has not seen, or has seen otherwise; '' when all is well."""
    try:
        with database.connect() as connection:
            compare_with_history(connection, reader.count.events, gaps=False)
    except AssertionError as error:
        return str(error)
    return ""


class PostgresNumbers:
    """A view of the newest number of each key: no number ever falls."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.newest: dict[int, int] = {}

    def config(self, scene: Scene) -> dict[str, str]:
        return {
            "name": scene.view,
            "connector.class": "PostgresSink",
            "topics": scene.topic,
            "collection.name.format": "numbers",
            "connection.url": self._database.url,
            "connection.username": "postgres",
            "connection.password": "unused",
        }

    def look(self) -> None:
        for key, n in self._rows():
            assert n >= self.newest.get(key, -1), f"the view went back from {self.newest[key]} to {n}"
            self.newest[key] = n

    def _rows(self) -> list[tuple[int, int]]:
        with closing(self._database.connect()) as connection:
            try:
                rows = connection.execute("SELECT id, n FROM public.numbers").fetchall()
            except psycopg.errors.UndefinedTable:
                return []
        return [(int(str(key)), int(str(n))) for key, n in rows]

    @property
    def height(self) -> int:
        return max(self.newest.values(), default=0)

    def sessions(self, condition: str) -> int:
        """How many of the sinks' sessions are as said in SQL over `pg_stat_activity`."""
        with closing(self._database.connect()) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                f"AND application_name = 'headwater' AND {condition}"
            ).fetchone()
        return int(str(row and row[0]))


@pytest.mark.parametrize("where", ["between", "within"])
def test_a_sink_into_postgres(stage: Stage, database: Database, where: str) -> None:
    """Between its transactions, or within one, whose locks then hold the successor up until it is over."""
    scene, view = stage.scene, PostgresNumbers(database)
    in_transaction = "state LIKE 'idle in transaction%'"

    def here() -> bool:
        open_ones = view.sessions(f"({in_transaction} OR state = 'active')")
        free = not isinstance(stage.log, Embedded) or not stage.log.transaction_is_open()
        locked = f"{in_transaction} AND backend_xid IS NOT NULL"  # not where it has begun and locked nothing so far
        return free and (view.sessions(locked) > 0 if where == "within" else open_ones == 0)

    with supervising() as first, supervising() as second, Watch(view.look):
        second.run("source", work(scene.spec(stage.count())))
        sink = work(scene.spec(view.config(scene) | NEVER_AGAIN))
        first.run("zombie", sink)
        eventually(lambda: view.height > 200)
        zombie = pid_of(first, scene.view)
        stop_where(zombie, here)
        second.run("successor", sink)
        if where == "within":
            eventually(lambda: view.sessions("wait_event_type = 'Lock'"))
        else:
            before = view.height
            eventually(lambda: view.height > before + 200)
        os.kill(zombie, signal.SIGCONT)
        eventually(lambda: state_of(first, scene.view)["state"] == "FAILED")
        before = view.height
        eventually(lambda: view.height > before + 200)
        assert state_of(second, scene.view)["state"] == "RUNNING"
        end(second, stage, view.look)
    newest = {n % 50: n for n in sorted(scene.numbers())}
    assert view.newest == newest


class ParquetNumbers:
    """A change log in files: each number in it once, and none goes again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[int] = set()

    def config(self, scene: Scene) -> dict[str, str]:
        return {
            "name": scene.view,
            "connector.class": "ParquetSink",
            "topics": scene.topic,
            "table.name.format": "numbers",
            "path": str(self.folder),
            "rotate.schedule.interval.ms": "200",
        }

    def look(self) -> None:
        numbers = self._numbers()
        found = set(numbers)
        assert len(found) == len(numbers), f"{len(numbers) - len(found)} rows come twice"
        assert found >= self.seen, f"{len(self.seen - found)} rows are gone"
        self.seen = found

    def _numbers(self) -> list[int]:
        try:
            current = json.loads((self.folder / "current.json").read_text())
        except FileNotFoundError:
            return []
        files = current["tables"].get("numbers", {"files": []})["files"]
        return [n for file in files[1:] for n in pq.read_table(file, columns=["n"])["n"].to_pylist()]

    def is_locked(self) -> bool:
        """Whether `current.json` is being replaced: who stops then keeps its successor waiting until it has gone."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def unpublished(self) -> int:
        """How many data files there are that no reader is told of."""
        named = (self.folder / "current.json").read_text()
        return sum(path.name not in named for path in self.folder.glob("g1/data/**/*.parquet"))


@pytest.mark.parametrize("where", ["anywhere", "before the manifest"])
def test_a_sink_into_parquet(stage: Stage, tmp_path: Path, where: str) -> None:
    """Anywhere but with the log's or the view's lock, or with files written that no manifest names yet."""
    scene, view = stage.scene, ParquetNumbers(tmp_path / "view")

    def here() -> bool:
        free = not isinstance(stage.log, Embedded) or not stage.log.transaction_is_open()
        return free and not view.is_locked() and (where == "anywhere" or view.unpublished() > 0)

    with supervising() as first, supervising() as second, Watch(view.look):
        second.run("source", work(scene.spec(stage.count())))
        sink = work(scene.spec(view.config(scene) | NEVER_AGAIN))
        first.run("zombie", sink)
        eventually(lambda: len(view.seen) > 200)
        zombie = pid_of(first, scene.view)
        stop_where(zombie, here)
        second.run("successor", sink)
        grown(view)
        os.kill(zombie, signal.SIGCONT)
        eventually(lambda: state_of(first, scene.view)["state"] == "FAILED")
        grown(view)
        assert state_of(second, scene.view)["state"] == "RUNNING"
        end(second, stage, view.look)
    assert view.seen == set(scene.numbers())


def grown(view: ParquetNumbers) -> None:
    """Wait until readers see more."""
    before = len(view.seen)
    eventually(lambda: len(view.seen) > before + 200)


def end(supervisor: Supervisor, stage: Stage, look: Callable[[], None]) -> None:
    """The source stops; the sink writes what is left."""
    supervisor.stop("source")
    eventually(lambda: state_of(supervisor, stage.scene.counter)["state"] == "GONE")
    eventually(lambda: state_of(supervisor, stage.scene.view)["metrics"].get("lag") == 0)
    supervisor.stop("successor")
    eventually(lambda: state_of(supervisor, stage.scene.view)["state"] == "GONE")
    look()
