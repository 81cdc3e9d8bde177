"""A transform that goes wrong for one number, or grows from it on, in a way that an option chooses."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

from headwater.worker.api import DataError, Option, Options, OptionType, Record, Transform, Values

log = logging.getLogger(__name__)

WAYS = ("error", "bug", "crash", "print", "leak", "drop", "twice", "hang", "spin", "grow", "talk", "exit", "odd")
LONG = 3_000_000


class Misbehave(Transform):
    options = Options(
        Option("at", OptionType.INT),
        Option("to", OptionType.INT, -1, "The last such number, where there are several."),
        Option("how", choices=WAYS),
    )

    def configure(self, values: Values) -> None:
        self._at, self._how = values["at"], values["how"]
        self._to = max(self._at, values["to"])
        self._kept: list[bytes] = []

    def apply(self, record: Record) -> Record | list[Record] | None:
        if self._how == "talk":
            log.debug("number %d", record.value["n"])
            return record
        if record.value is not None and self._how == "grow" and record.value["n"] >= self._at:
            self._kept.append(b"x" * 256 * 1024)
            time.sleep(0.005)
            return record
        if record.value is None or not self._at <= record.value["n"] <= self._to:
            return record
        if self._how == "hang":
            time.sleep(3600)
        while self._how == "spin":
            pass
        if self._how == "error":
            raise DataError(f"{record.value['n']} is not wanted")
        if self._how == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._how == "print":
            print("this is not an event", flush=True)
            os.write(1, b"nor is this\n")
        if self._how == "leak":
            raise RuntimeError(f"could not connect with {os.environ['COUNTING_SECRET']}")
        if self._how == "exit":
            sys.exit(0)
        if self._how == "odd":  # halves of characters, as in names of files that are not UTF-8
            raise ValueError(f"cannot read \udcff{'x' * LONG}")
        if self._how == "drop":
            return None
        if self._how == "twice":
            return [record, record]
        return record if self._how == "print" else Record(**{"nonsense": True})  # type: ignore[arg-type]
