"""Kafka's FileStream connectors: their lines, their offsets, their appended file."""

from __future__ import annotations

import random
import resource
from pathlib import Path
from typing import Any

import orjson
import pytest

from headwater.connectors.files.stream import FileStreamSinkConnector, FileStreamSourceConnector
from headwater.connectors.files.stream.java_string import java_string
from headwater.connectors.files.stream.source import CHUNK
from headwater.worker.api import ConfigError, Record, Retriable, Type, array, mapping, primitive, struct
from headwater.worker.api import TopicPartition as TP
from tests.sink_task import SinkTask
from tests.unit.files.driver import Driver, write


def source(path: Path, **options: Any) -> Driver:
    return Driver(FileStreamSourceConnector(), file=path, topic="t", **options)


def stored(path: Path, position: int) -> dict[bytes, dict[str, int]]:
    return {orjson.dumps({"filename": str(path)}): {"position": position}}


def test_lines_as_java_cuts_them(tmp_path: Path) -> None:
    path = write(tmp_path / "f", "one\r\ntwo\rthree\n\n\xe9\nlast\r")
    driver = source(path).start()
    driver.until(lambda: len(driver.log) == 5)
    assert driver.lines == ["one", "two", "three", "", "é"]
    assert driver.stored == stored(path, 19)
    write(path, "\nmore\nheld", append=True)
    driver.until(lambda: len(driver.log) == 7)
    assert driver.lines[5:] == ["last", "more"]
    record = driver.log[0]
    assert record.key is None and record.key_schema is None and record.timestamp_ms is not None
    assert record.value_schema is not None and record.value_schema.type is Type.STRING


@pytest.mark.parametrize("seed", range(5))
def test_any_kill_and_any_growth_gives_the_same_lines(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    parts = [choose.choice(["\n", "\r\n", "\r", "x", "é", "y" * 3000, "𝄞"]) for _ in range(600)]
    text = "a" + "".join(parts) + "z\n"
    path = write(tmp_path / "f", b"")
    data, done = text.encode(), 0
    driver = source(path, batch_size=choose.randrange(1, 30))
    while done < len(data):
        step = choose.randrange(len(data) // 3)
        write(path, data[done : done + step], append=True)
        done += step
        driver.start()
        for _ in range(choose.randrange(20)):
            driver.read()
        driver.read(commit=False)
        driver.die()
    expected = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    driver.start().until(lambda: len(driver.log) >= len(expected))
    assert driver.lines == expected
    assert driver.stored == stored(path, len(data))


def test_a_line_of_several_chunks(tmp_path: Path) -> None:
    long = "x" * (3 * CHUNK + 5)
    driver = source(write(tmp_path / "f", f"a\n{long}\nb\n")).start()
    assert driver.until(lambda: len(driver.log) == 3).lines == ["a", long, "b"]


def test_it_waits_for_its_file(tmp_path: Path) -> None:
    driver = source(tmp_path / "f").start()
    assert driver.read() == 0 and driver.progress[-1].caught_up
    write(tmp_path / "f", "1\n")
    driver.until(lambda: driver.log)


def test_it_goes_on_where_java_stopped(tmp_path: Path) -> None:
    """Java counts UTF-16 units, of which this file has fewer than bytes."""
    path = write(tmp_path / "f", "äöü\n𝄞𝄞\nthird\nfourth\n")
    for position, left in ((0, 4), (4, 3), (9, 2), (15, 1)):
        driver = source(path)
        driver.stored = stored(path, position)
        driver.start().until(lambda driver=driver, left=left: len(driver.log) == left)
        assert driver.lines == ["äöü", "𝄞𝄞", "third", "fourth"][4 - left :]
    plain = write(tmp_path / "g", "one\ntwo\n")
    driver = source(plain)
    driver.stored = stored(plain, 4)
    assert driver.start().until(lambda: driver.log).lines == ["two"]


def test_offsets_and_options_that_are_wrong() -> None:
    connector = FileStreamSourceConnector()
    connector.alter_offsets({}, [({"filename": "f"}, {"position": 5}), ({}, None)])  # type: ignore[arg-type]
    for partition, position in (({"filename": "f"}, {"position": -1}), ({"filename": "f"}, {}), ({}, {"position": 1})):
        with pytest.raises(ConfigError):
            connector.alter_offsets({}, [(partition, position)])  # type: ignore[arg-type]
    assert [problem.option for problem in Driver(connector, topic="t").problems] == ["file"]
    assert [problem.option for problem in Driver(connector, topic="", file="f").problems] == ["topic"]


def sink(path: Path) -> SinkTask:
    values, problems = FileStreamSinkConnector.options.parse({"file": str(path)})
    assert not problems
    return SinkTask(FileStreamSinkConnector().task(), values, TP("t", 0))


def record(offset: int, value: Any, **more: Any) -> Record:
    return Record("t", None, value, partition=0, offset=offset, **more)


def test_values_become_lines(tmp_path: Path) -> None:
    with sink(tmp_path / "f") as task:
        assert task.put(record(0, "one"), record(1, None), record(2, {"a": [1, True]})) == {TP("t", 0): 3}
    with sink(tmp_path / "f") as task:
        assert task.assigned == {TP("t", 0): None}
        task.put(record(0, "é"))
    assert (tmp_path / "f").read_text() == "one\nnull\n{a=[1, true]}\né\n"


def test_half_a_line_is_ended(tmp_path: Path) -> None:
    write(tmp_path / "f", "whole\nha")
    with sink(tmp_path / "f") as task:
        task.put(record(0, "half"))
    assert (tmp_path / "f").read_text() == "whole\nha\nhalf\n"


def test_no_room_to_end_half_a_line(tmp_path: Path) -> None:
    """A disk that is full when the task starts again gets room some time: not the end of the task."""
    write(tmp_path / "f", "half")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
    try:
        with pytest.raises(Retriable, match=r"cannot be written to: .*tries again"):
            sink(tmp_path / "f")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with sink(tmp_path / "f") as task:
        task.put(record(0, "half"))
    assert (tmp_path / "f").read_text() == "half\nhalf\n"


def test_strings_as_java_writes_them() -> None:
    item = struct({"id": primitive(Type.INT64), "name": primitive(Type.STRING, True)})
    assert java_string({"id": 1, "name": None}, item) == "Struct{id=1}"
    assert java_string({"id": 1, "name": "x"}, item) == "Struct{id=1,name=x}"
    assert java_string([{"id": 1, "name": "x"}], array(item)) == "[Struct{id=1,name=x}]"
    assert java_string({"k": {"id": 2, "name": None}}, mapping(primitive(Type.STRING), item)) == "{k=Struct{id=2}}"
    floats = [1.0, 0.1, 123456.789, 1e7, 1.5e-5, -2e300, float("nan"), float("-inf"), 0.0]
    assert [java_string(value, None) for value in floats] == [
        "1.0", "0.1", "123456.789", "1.0E7", "1.5E-5", "-2.0E300", "NaN", "-Infinity", "0.0"
    ]  # fmt: skip
