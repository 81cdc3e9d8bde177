"""What a task tells of its imports, for processes that are started ahead."""

from __future__ import annotations

import itertools
import sys
import threading
from types import ModuleType

from headwater.worker.runtime.task_process import own_modules

ROUNDS = 300


def test_while_other_threads_import() -> None:
    """A connector's threads may, at any moment."""
    over = threading.Event()

    def importing() -> None:
        for number in itertools.count():
            name = f"made_up_{number}"
            sys.modules[name] = ModuleType(name)
            del sys.modules[name]
            if over.is_set():
                return

    thread, before = threading.Thread(target=importing), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        told = [own_modules() for _ in range(ROUNDS)]
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before)
    assert all("headwater.worker.runtime.child_channel" in modules for modules in told)
