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
            name = f"made_up_{number % 100}"
            if sys.modules.pop(name, None) is None:
                sys.modules[name] = ModuleType(name)
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
        for name in [name for name in sys.modules if name.startswith("made_up_")]:
            del sys.modules[name]
    assert all("headwater.worker.runtime.child_channel" in modules for modules in told)
