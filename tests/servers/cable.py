"""A cable to a server: TCP on a port of its own, until it is cut, or pulled out at the server's end."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator


class Cable:
    """From `address` (host:port) to `target`. One thread carries everything, so that a cut is whole at once."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ends: dict[socket.socket, socket.socket] = {}
        self._at_server: set[socket.socket] = set()
        self._left: int | None = None
        self._broken = threading.Event()
        self._whole = threading.Event()
        self._whole.set()
        self._in = threading.Event()
        self._in.set()
        self._closed = False
        self._thread = threading.Thread(target=self._carry, name="cable", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Nothing goes through, and nobody is told: what is sent now arrives when the cable is mended, if its sender
        has still patience by then."""
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def pull_out(self) -> None:
        """Connections end, and so do new ones at once, as where a server has died."""
        self._in.clear()

    def plug_in(self) -> None:
        self._in.set()

    def break_after(self, answers: int) -> None:
        """The server's next `answers` bytes go through, then all connections end: somebody has half an answer. New ones
        are whole."""
        self._broken.clear()
        self._left = answers

    def wait_broken(self, timeout_s: float) -> bool:
        """False: the bytes have not come."""
        return self._broken.wait(timeout_s)

    def close(self) -> None:
        self._closed = True
        self._whole.set()
        self._thread.join()

    def _carry(self) -> None:
        while not self._closed:
            self._whole.wait()
            if not self._in.is_set():
                self._hang_up()
            for key, _ in self._selector.select(0.1):
                if not self._whole.is_set() or (self._ends and not self._in.is_set()):
                    break
                if key.fileobj is self._listener:
                    self._connect()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._ends:
                    self._pass_on(key.fileobj)
        for end in [*self._ends, self._listener]:
            end.close()
        self._selector.close()

    def _connect(self) -> None:
        near, _ = self._listener.accept()
        if not self._in.is_set():
            near.close()
            return
        try:
            far = socket.create_connection(self._target, timeout=10)
        except OSError:
            near.close()
            return
        self._at_server.add(far)
        for one, other in ((near, far), (far, near)):
            one.settimeout(10)
            self._ends[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _hang_up(self) -> None:
        for end in self._ends:
            self._selector.unregister(end)
            end.close()
        self._ends.clear()
        self._at_server.clear()

    def _pass_on(self, end: socket.socket) -> None:
        other = self._ends[end]
        try:
            data = end.recv(1 << 16)
            if self._left is not None and end in self._at_server:
                data = data[: self._left]
                self._left -= len(data)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for one in (end, other):
                self._selector.unregister(one)
                del self._ends[one]
                self._at_server.discard(one)
                one.close()
        if self._left == 0:
            self._left = None
            self._hang_up()
            self._broken.set()


@contextlib.contextmanager
def laid(target: str) -> Iterator[Cable]:
    cable = Cable(target)
    try:
        yield cable
    finally:
        cable.close()
