"""Calls of plugins that hang hold up no others; calls that work come few at a time."""

from __future__ import annotations

from threading import Event, Thread

from headwater.worker.cluster.plugin_slots import PluginSlots

PATIENCE_S = 240
NEVER_S = 3600


class Call:
    """Goes on until it is told to end."""

    def __init__(self, slots: PluginSlots) -> None:
        self.began, self.end = Event(), Event()
        self._thread = Thread(target=self._run, args=(slots,), daemon=True)
        self._thread.start()

    def _run(self, slots: PluginSlots) -> None:
        with slots.one():
            self.began.set()
            self.end.wait(PATIENCE_S)

    def finish(self) -> None:
        self.end.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def test_what_works_comes_few_at_a_time() -> None:
    slots = PluginSlots(1, 8, NEVER_S)
    first = Call(slots)
    assert first.began.wait(PATIENCE_S)
    second = Call(slots)
    assert not second.began.wait(0.2)
    first.finish()
    assert second.began.wait(PATIENCE_S)
    second.finish()


def test_what_hangs_gives_way() -> None:
    slots = PluginSlots(1, 2, 0.05)
    hanging = [Call(slots) for _ in range(2)]
    for call in hanging:
        assert call.began.wait(PATIENCE_S)
    third = Call(slots)
    assert third.began.wait(PATIENCE_S)  # both that came first are slow by now
    fourth = Call(slots)
    assert not fourth.began.wait(0.5)  # no more than two of them
    for call in (*hanging, third, fourth):
        call.finish()
    again = [Call(slots) for _ in range(3)]  # each place came back
    for call in again:
        assert call.began.wait(PATIENCE_S)
    for call in again:
        call.finish()
