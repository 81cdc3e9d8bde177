"""A group of `member.py` processes on one broker, and what they tell of themselves."""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from headwater.worker.cluster.membership import CONNECTOR
from headwater.worker.runtime.lease import now_ms
from tests.servers.process import spawn
from tests.servers.server import Server

MEMBER = Path(__file__).with_name("member.py")
PATIENCE_S = 300.0
SESSION_MS = 6000


class MemberProcess(Server):
    """May be killed, frozen and started again; started again it is a new member."""

    title = "a member"

    def __init__(self, folder: Path, name: str, settings: Mapping[str, str], stop_ms: int) -> None:
        super().__init__(folder)
        self.name = name
        self.command = [sys.executable, MEMBER, folder, name, json.dumps(dict(settings)), str(stop_ms)]

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> MemberProcess:
        (self.folder / f"{self.name}.json").unlink(missing_ok=True)
        self._process = spawn(self.command, self.log, as_server_user=False)
        return self

    @property
    def told(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads((self.folder / f"{self.name}.json").read_text())
        except FileNotFoundError:
            return {"items": [], "runs": [], "generation": -1, "leader": False, "zombie": []}
        return document


class Scene:
    def __init__(self, folder: Path, bootstrap: str, **settings: str) -> None:
        """`settings`: of all members, `_` for `.` in their names."""
        self.folder = folder
        (folder / "status").mkdir()
        self.settings = {
            "bootstrap.servers": bootstrap,
            "group.id": f"group-{uuid.uuid4().hex[:8]}",
            "session.timeout.ms": str(SESSION_MS),
            "heartbeat.interval.ms": "500",
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        self.members: dict[str, MemberProcess] = {}
        self.offset = 0
        self.write(0)

    def write(self, connectors: int) -> None:
        """The config topic: so many connectors of two tasks each."""
        self.offset += 1
        items = [[f"c{n}", task] for n in range(connectors) for task in (CONNECTOR, 0, 1)]
        new = self.folder / "config.new"
        new.write_text(json.dumps({"offset": self.offset, "items": items}))
        new.replace(self.folder / "config.json")
        self.items = [f"{connector}:{task}" for connector, task in items]

    def start(self, *names: str, stop_ms: int = 0, **settings: str) -> None:
        for name in names:
            own = {**self.settings, **{key.replace("_", "."): value for key, value in settings.items()}}
            self.members[name] = MemberProcess(self.folder, name, own, stop_ms)
            self.members[name].start()

    def runs(self, names: Iterable[str] | None = None) -> list[str]:
        found = [self.members[name].told["runs"] for name in (self.members if names is None else names)]
        return sorted(f"{connector}:{task}" for runs in found for connector, task in runs)

    def balanced(self, names: Iterable[str] | None = None) -> bool:
        """Everything runs once, and no member has two of a kind more than another."""
        names = list(self.members if names is None else names)
        if self.runs(names) != sorted(self.items) or sum(self.members[n].told["leader"] for n in names) != 1:
            return False
        for connectors in (True, False):
            of_kind = [[t == CONNECTOR for _, t in self.members[n].told["runs"]].count(connectors) for n in names]
            if max(of_kind) - min(of_kind) > 1:
                return False
        return all(self.members[n].told["items"] == self.members[n].told["runs"] for n in names)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                told = {name: {**m.told, "log": m.tail(3000)} for name, m in self.members.items()}
                raise AssertionError(f"not within {PATIENCE_S:.0f} s: {what}\n{json.dumps(told, indent=1)}")
            time.sleep(0.05)

    def until_balanced(self, *names: str) -> int:
        """ms that it took."""
        begin = now_ms()
        self.until(lambda: self.balanced(names or None), f"{names or 'all'} share everything")
        return now_ms() - begin

    def leader(self) -> str:
        return next(name for name, member in self.members.items() if member.told["leader"])

    def kill(self, name: str) -> list[str]:
        """kill -9; what it ran."""
        ran = self.runs([name])
        self.members.pop(name).kill()
        return ran

    def story(self) -> list[dict[str, Any]]:
        lines = (self.folder / "story.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def starts(self, name: str) -> list[str]:
        pid = self.members[name].pid
        return [line["item"] for line in self.story() if line["what"] == "started" and line["pid"] == pid]

    def close(self) -> None:
        for member in self.members.values():
            member.stop(signal.SIGKILL)
