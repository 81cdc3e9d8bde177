"""Folders and files: what comes into them, and what they hold."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from headwater.worker.api import Record
from headwater.worker.testing import Row, SinkDriver, SourceDriver


class FileSourceDriver(SourceDriver):
    """Each `put` is a file of its own, moved in whole."""

    connector_class = "FileSource"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "files"
        self._folder.mkdir()
        self._made = 0

    def config(self, name: str) -> dict[str, str]:
        return {
            "path": f"{self._folder}/*.jsonl",
            "format": "jsonl",
            "key.fields": "n",
            "topic": name,
            "poll.interval.ms": "20",
        }

    def put(self, numbers: Sequence[int]) -> None:
        self._file("".join(f'{{"n": {number}}}\n' for number in numbers))

    def spoil(self) -> None:
        self._file('{"n": \n')

    def _file(self, text: str) -> None:
        self._made += 1
        coming = self._folder.with_name("coming")
        coming.write_text(text)
        age_s = 10_000 - self._made  # files are read by age
        os.utime(coming, (time.time() - age_s, time.time() - age_s))
        coming.rename(self._folder / f"{self._made:04}.jsonl")

    def number(self, record: Record) -> int | None:
        found: int | None = None if record.value is None else record.value["n"]
        return found

    def cut(self) -> None:
        self._folder.rename(self._folder.with_name("away"))

    def mend(self) -> None:
        self._folder.with_name("away").rename(self._folder)


class FileStreamSourceDriver(SourceDriver):
    connector_class = "FileStreamSource"

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lines"
        self._file.touch()

    def config(self, name: str) -> dict[str, str]:
        return {"file": str(self._file), "topic": name}

    def put(self, numbers: Sequence[int]) -> None:
        with self._file.open("a") as file:
            file.writelines(f"{number}\n" for number in numbers)

    def number(self, record: Record) -> int | None:
        return int(record.value)

    def cut(self) -> None:
        self._file.rename(self._file.with_name("away"))

    def mend(self) -> None:
        self._file.with_name("away").rename(self._file)


class FileStreamSinkDriver(SinkDriver):
    connector_class = "FileStreamSink"
    appends = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def config(self, target: str) -> dict[str, str]:
        return {"file": str(self._folder / target)}

    def rows(self, target: str) -> list[Row]:
        file = self._folder / target
        text = file.read_text() if file.is_file() else ""
        return [Row(int(n), t) for n, t in re.findall(r"^Struct\{id=(\d+),text=(.*)\}\n", text, re.MULTILINE)]

    def cut(self) -> None:
        """The disk is full."""
        file = self._folder / "view"
        file.rename(file.with_name("away"))
        file.symlink_to("/dev/full")

    def mend(self) -> None:
        (self._folder / "away").replace(self._folder / "view")
