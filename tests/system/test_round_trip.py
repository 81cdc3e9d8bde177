"""Any row of any supported type goes source -> topic -> view and comes back equal, by snapshot and by stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.worker.log import open_log
from tests.conftest import Database
from tests.contract.log.reading import read_all
from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess

SOURCE = """
name: {prefix}
connector.class: PostgresSource
topic.prefix: {prefix}
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: {dbname}}}
slot.name: {prefix}_slot
interval.handling.mode: string
decimal.handling.mode: {decimals}
"""
VIEW = """
name: view
connector.class: PostgresSink
topics: streamed.public.everything
collection.name.format: everything
connection.url: {url}
connection.username: postgres
connection.password: none
"""


class Kind(NamedTuple):
    """A column: its type at the source, texts that the type takes, and what to compare (`{}` is the column)."""

    type: str
    texts: st.SearchStrategy[str]
    source: str = "{}::text"
    view: str = "{}::text"


def whole(bits: int) -> st.SearchStrategy[str]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).map(str)


def dates(time_of_day: str = "", zone: str = "") -> st.SearchStrategy[str]:
    def text(year: int, month: int, day: int, micros: int) -> str:
        clock = (
            time_of_day
            and f" {micros // 3600000000 % 24:02}:{micros % 60:02}:{micros // 60 % 60:02}.{micros % 10**6:06}"
        )
        era = " BC" if year <= 0 else ""
        return f"{1 - year if year <= 0 else year:04}-{month:02}-{day:02}{clock}{zone}{era}"

    numbers = st.builds(
        text, st.integers(-4000, 9999), st.integers(1, 12), st.integers(1, 28), st.integers(0, 86399999999)
    )
    return numbers | st.sampled_from(["infinity", "-infinity", "epoch", "1582-10-10", "0001-01-01", "9999-12-31"])


def array_text(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def quote(item: str | None) -> str:
        return "NULL" if item is None else '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return st.lists(items | st.none(), max_size=5).map(lambda values: "{" + ",".join(map(quote, values)) + "}")


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
floats = st.floats(width=64).map(repr)
decimals = st.builds(
    lambda digits, exponent: f"{digits}e{exponent}", st.integers(-(10**20), 10**20), st.integers(-30, 30)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)
json_texts = json_values.map(lambda value: json.dumps(value, ensure_ascii=False))
ranges = st.tuples(st.integers(-1000, 1000), st.integers(1, 100)).map(lambda r: f"[{r[0]},{r[0] + r[1]})")


def clock(micros: int) -> str:
    return f"{micros // 3600000000:02}:{micros % 60:02}:00.{micros % 10**6:06}"


KINDS: dict[str, Kind] = {
    "i2": Kind("smallint", whole(16)),
    "i4": Kind("integer", whole(32)),
    "i8": Kind("bigint", whole(64)),
    "o": Kind("oid", st.integers(0, 2**32 - 1).map(str)),
    "f4": Kind("real", st.floats(width=32).map(repr)),
    "f8": Kind("double precision", floats),
    "n": Kind("numeric", decimals, "trim_scale({})::text", "trim_scale({})::text"),  # as Debezium
    "np": Kind("numeric(14, 3)", st.integers(-(10**14) + 1, 10**14 - 1).map(lambda n: f"{n}e-3")),
    "b": Kind("boolean", st.sampled_from(["true", "false"])),
    "t": Kind("text", words),
    "vc": Kind("varchar(40)", words),
    "c": Kind("char(4)", st.text("abc ", max_size=4), "rpad({}::text, 4)"),
    "nm": Kind("name", st.text("abc_", max_size=20)),
    "by": Kind("bytea", st.binary(max_size=40).map(lambda data: "\\x" + data.hex())),
    "d": Kind("date", dates()),
    "tm": Kind("time", st.integers(0, 86_399_999_999).map(clock)),
    "ts": Kind("timestamp", dates("clock")),
    "ts3": Kind("timestamp(3)", dates("clock")),
    "tz": Kind("timestamptz", dates("clock", "+03")),
    "iv": Kind("interval", st.builds(
        lambda m, d, us: f"{m} months {d} days {us} microseconds",
        st.integers(-9999, 9999), st.integers(-9999, 9999), st.integers(-(10**14), 10**14))),
    "js": Kind("json", json_texts, "{}::jsonb::text"),
    "jb": Kind("jsonb", json_texts),
    "u": Kind("uuid", st.uuids().map(str)),
    "bt": Kind("bit(5)", st.text("01", min_size=5, max_size=5)),
    "bt1": Kind("bit(1)", st.sampled_from(["0", "1"]), "({} = b'1')::text"),
    # Debezium's Bits do not carry the length of a shorter value, so only full ones come back equal.
    "vb": Kind("varbit(20)", st.text("01", min_size=20, max_size=20)),
    "ip": Kind("inet", st.ip_addresses().map(str), view="{}::inet::text"),
    "net": Kind("cidr", st.ip_addresses(v=4).map(lambda a: f"{a}/32"), view="{}::cidr::text"),
    "mac": Kind("macaddr", st.binary(min_size=6, max_size=6).map(lambda data: data.hex(":"))),
    "m": Kind("money", st.integers(-(10**12), 10**12).map(lambda n: f"{n / 100:.2f}"), "{}::numeric::text"),
    "r4": Kind("int4range", ranges),
    "rts": Kind("tstzrange", st.just("[2020-01-01 00:00:00+00, 2021-01-01 00:00:00+00)"), view="{}::tstzrange::text"),
    "e": Kind("mood", st.sampled_from(["happy", "so so", "it's"])),
    "dm": Kind("positive", st.integers(1, 10**6).map(str)),
    "p": Kind("point", st.tuples(st.integers(-99, 99), st.integers(-99, 99)).map(lambda p: f"({p[0]},{p[1]}.5)")),
    "ai": Kind("integer[]", array_text(whole(32))),
    "at": Kind("text[]", array_text(words)),
    "ad": Kind("date[]", array_text(dates())),
    "an": Kind("numeric(14,3)[]", array_text(st.integers(-(10**9), 10**9).map(lambda n: f"{n}e-3"))),
    "ab": Kind("boolean[]", array_text(st.sampled_from(["t", "f"]))),
    "au": Kind("uuid[]", array_text(st.uuids().map(str))),
}  # fmt: skip

rows_strategy = st.lists(
    st.fixed_dictionaries({name: st.none() | kind.texts for name, kind in KINDS.items()}), min_size=1, max_size=15
)


@pytest.fixture
def worker(
    any_pg: PostgresServer, make_database: Any, tmp_path: Path
) -> Iterator[tuple[WorkerProcess, Database, Database]]:
    source, view = make_database(any_pg), make_database(any_pg)
    with source.connect() as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('happy', 'so so', 'it''s')")
        connection.execute("CREATE DOMAIN positive AS int CHECK (value > 0)")
        columns = ", ".join(f"{name} {kind.type}" for name, kind in KINDS.items())
        connection.execute(f"CREATE TABLE everything (id int PRIMARY KEY, {columns})")
    (tmp_path / "streamed.yaml").write_text(
        SOURCE.format(prefix="streamed", port=any_pg.port, dbname=source.name, decimals="precise")
    )
    (tmp_path / "again.yaml").write_text(
        SOURCE.format(prefix="again", port=any_pg.port, dbname=source.name, decimals="precise")
    )
    (tmp_path / "view.yaml").write_text(VIEW.format(url=any_pg.url(view.name)))
    worker = WorkerProcess([tmp_path / "streamed.yaml", tmp_path / "view.yaml"], tmp_path / "data")
    worker.start()
    yield worker, source, view
    worker.kill()


def everything(database: Database, expressions: dict[str, str], after_id: int) -> dict[int, tuple[object, ...]]:
    with database.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        try:
            cursor = connection.execute(
                f"SELECT id, {', '.join(expressions.values())} FROM everything WHERE id > %s", [after_id]
            )
        except Exception:
            return {}  # the view has no table yet
        return {int(row[0]): row[1:] for row in cursor}  # type: ignore[call-overload]


def wait_until_equal(source: Database, view: Database, after_id: int, worker: WorkerProcess) -> None:
    expected = everything(source, {n: k.source.format(f'"{n}"') for n, k in KINDS.items()}, after_id)
    deadline = time.monotonic() + 300
    while True:
        found = everything(view, {n: k.view.format(f'"{n}"') for n, k in KINDS.items()}, after_id)
        if found.keys() == expected.keys():
            break
        if time.monotonic() > deadline:
            pytest.fail(f"{len(found)} of {len(expected)} rows came back\n{worker.tail()}")
        time.sleep(0.05)
    names = list(KINDS)
    wrong = {
        f"{names[i]} {KINDS[names[i]].type}": (expected[key][i], found[key][i])
        for key in expected
        for i in range(len(names))
        if expected[key][i] != found[key][i]
    }
    assert not wrong


@pytest.mark.system
def test_rows_of_every_type_come_back_equal(worker: tuple[WorkerProcess, Database, Database], tmp_path: Path) -> None:
    process, source, view = worker
    next_id = 1

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), database=None)
    @given(rows_strategy)
    def stream(rows: list[dict[str, str | None]]) -> None:
        nonlocal next_id
        first = next_id - 1
        with source.connect() as connection, connection.transaction(), connection.cursor() as cursor:
            for row in rows:
                values = ", ".join(f"%s::{kind.type}" for kind in KINDS.values())
                cursor.execute(
                    f"INSERT INTO everything VALUES (%s, {values})", [next_id, *(row[name] for name in KINDS)]
                )
                next_id += 1
        wait_until_equal(source, view, first, process)

    stream()
    assert process.stop() == 0

    # The same rows once more, this time read by a snapshot: the events say the same.
    process.files.append(tmp_path / "again.yaml")
    done = process.command(
        "run", *map(str, process.files), "--data", str(process.data), "--listen", "none", "--until-caught-up"
    )
    assert done.returncode == 0, done.stderr
    log = open_log({}, process.data)
    events: dict[str, dict[int, Any]] = {}
    schemas: dict[str, Any] = {}
    for prefix in ("streamed", "again"):
        for message in read_all(log, f"{prefix}.public.everything"):
            document = orjson.loads(message.value)
            events.setdefault(prefix, {})[document["payload"]["after"]["id"]] = document["payload"]["after"]
            schemas[prefix] = orjson.loads(message.value.replace(prefix.encode(), b"prefix"))["schema"]
    log.close()
    assert len(events["streamed"]) == next_id - 1
    assert events["again"] == events["streamed"]
    assert schemas["again"] == schemas["streamed"]
