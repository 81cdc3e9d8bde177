"""A worker that does nothing but be a member of its group: `python member.py FOLDER NAME SETTINGS_JSON STOP_MS`.

FOLDER/config.json is the config topic {"offset", "items": [[connector, task]…]}; FOLDER/NAME.json tells what this one
has; FOLDER/story.jsonl gets a line for each thing that starts or stops anywhere, FOLDER/status/ the last word on each.
A leader assigns nothing while there is FOLDER/hang; FOLDER/hanging tells that one has come to that.
At SIGTERM it stops all, says so, and leaves.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from headwater.worker.cluster.group_membership import GroupMembership
from headwater.worker.cluster.membership import Item
from headwater.worker.runtime.lease import LeaseReader, now_ms


class Member:
    def __init__(self, folder: Path, name: str, settings: dict[str, str], stop_ms: int) -> None:
        self.folder, self.name, self.stop_ms = folder, name, stop_ms
        self.membership = GroupMembership(settings, f"http://{name}:8083/")
        self.known: tuple[int, frozenset[Item]] = (-1, frozenset())
        self.text = ""
        self.runs: dict[Item, LeaseReader] = {}
        self.incarnation = 0
        self.stopping: dict[Item, float] = {}
        self.zombie: list[dict[str, Any]] = []
        self.ending = False

    # What the membership asks.

    def config(self) -> tuple[int, Collection[Item]]:
        return self.known

    def running(self) -> Collection[Item]:
        return {*self.runs, *self.stopping}

    def returning(self) -> Collection[Item]:
        while (self.folder / "hang").exists():
            (self.folder / "hanging").touch()
            time.sleep(0.05)
        said = [path for path in (self.folder / "status").iterdir() if path.read_text() == "UNASSIGNED"]
        return [Item(path.name.rsplit(":")[0], int(path.name.rsplit(":")[1])) for path in said]

    def changed(self) -> None:
        """Looked at all the time."""

    # What a worker does.

    def run(self) -> None:
        self.read_config()
        self.membership.start(self)
        last = now_ms()
        while True:
            if now_ms() - last > 1500:  # first of all: what a task would find that goes on where it was
                held = [list(item) for item, lease in self.runs.items() if lease.held]
                self.zombie.append({"slept_ms": now_ms() - last, "held": held, "items": len(self.items())})
            last = now_ms()
            if self.read_config():
                self.membership.rejoin()
            self.look()
            self.tell()
            if self.ending and not self.runs and not self.stopping:
                self.membership.stop()
                return
            time.sleep(0.02)

    def items(self) -> Collection[Item]:
        return () if self.ending else self.membership.assigned().items or ()

    def read_config(self) -> bool:
        text = (self.folder / "config.json").read_text()
        if text == self.text:
            return False
        self.text, document = text, json.loads(text)
        self.known = document["offset"], frozenset(Item(*item) for item in document["items"])
        return True

    def look(self) -> None:
        assigned = self.membership.assigned()
        items = self.items()
        for item, until in list(self.stopping.items()):
            if time.monotonic() >= until:
                self.say("stopped", item, "UNASSIGNED")
                del self.stopping[item]
        for item, lease in list(self.runs.items()):
            if item not in items or not lease.held:
                self.stopping[item] = time.monotonic() + self.stop_ms / 1000
                del self.runs[item]
        for item in items:
            if item not in self.runs and item not in self.stopping and self.membership.lease is not None:
                self.say("started", item, "RUNNING")
                self.runs[item] = LeaseReader(self.membership.lease, assigned.incarnation)

    def say(self, what: str, item: Item, status: str) -> None:
        key = f"{item.connector}:{item.task}"
        line = {"what": what, "item": key, "by": self.name, "pid": os.getpid(), "ms": now_ms()}
        with (self.folder / "story.jsonl").open("a") as story:
            story.write(json.dumps(line) + "\n")
        (self.folder / "status" / key).write_text(status)

    def tell(self) -> None:
        assigned = self.membership.assigned()
        document = {
            "items": sorted(map(list, self.items())),
            "runs": sorted(map(list, self.running())),
            "generation": assigned.generation,
            "leader": assigned.leader,
            "leader_url": assigned.leader_url,
            "offset": assigned.config_offset,
            "incarnation": assigned.incarnation,
            "zombie": self.zombie,
        }
        text = json.dumps(document)
        path = self.folder / f"{self.name}.json"
        if not path.exists() or path.read_text() != text:
            new = path.with_suffix(".new")
            new.write_text(text)
            new.replace(path)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    folder, name, settings, stop_ms = sys.argv[1:]
    member = Member(Path(folder), name, json.loads(settings), int(stop_ms))

    def end(*_: object) -> None:
        member.ending = True

    signal.signal(signal.SIGTERM, end)
    member.run()


if __name__ == "__main__":
    main()
