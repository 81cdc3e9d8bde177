from __future__ import annotations

import io
import json
import logging
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from headwater.worker.observe import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)


def lines(as_json: bool, **more: object) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    redact = lambda text: text.replace("s3cret", "***")  # noqa: E731
    logs.configure("shop", 3, as_json=as_json, redact=redact, stream=stream, **more)  # type: ignore[arg-type]
    return logging.getLogger("headwater.worker.runtime.source_loop"), stream


def test_a_line_names_connector_and_task() -> None:
    log, stream = lines(False)
    log.info("opened with %s", "s3cret")
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    \[shop task 3\] source_loop: opened with \*\*\*\n"
    assert re.fullmatch(pattern, stream.getvalue())


def test_json_lines() -> None:
    log, stream = lines(True)
    log.warning("two\nlines", extra={"connector": "other", "task": 0})
    line = json.loads(stream.getvalue())
    assert (line["level"], line["connector"], line["task"], line["message"]) == ("WARNING", "other", 0, "two\nlines")


@pytest.mark.parametrize("as_json", [False, True])
def test_traces_are_redacted(as_json: bool) -> None:
    log, stream = lines(as_json)
    try:
        raise ValueError("password s3cret")
    except ValueError:
        log.exception("failed")
    assert "ValueError: password ***" in stream.getvalue() and "s3cret" not in stream.getvalue()


def test_what_nobody_catches_is_logged_and_redacted() -> None:
    _, stream = lines(False)

    def work() -> None:
        raise ValueError("password s3cret")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "CRITICAL" in stream.getvalue() and "password ***" in stream.getvalue()


def test_lines_of_others_become_json_where_lines_are_json(capfd: pytest.CaptureFixture[str]) -> None:
    lines(True)
    logs.pass_on('{"level":"INFO","message":"formatted by a task"}\n', "shop", 0)
    logs.pass_on("Fatal Python error: Segmentation fault\n", "shop", 0)
    formatted, raw = map(json.loads, capfd.readouterr().err.splitlines())
    assert formatted == {"level": "INFO", "message": "formatted by a task"}
    assert (raw["connector"], raw["task"], raw["message"]) == ("shop", 0, "Fatal Python error: Segmentation fault")
    lines(False)
    logs.pass_on("as it came\n", "shop", 0)
    assert capfd.readouterr().err == "as it came\n"


def test_a_signal_makes_a_process_say_where_it_is() -> None:
    """Also within a call that does not return; it goes on."""
    hangs = "import time\nfrom headwater.worker.observe import logs\nlogs.configure()\n"
    hangs += "def stuck():\n    print('on', flush=True)\n    time.sleep(600)\nstuck()"
    with subprocess.Popen([sys.executable, "-c", hangs], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        patience = threading.Timer(120, process.kill)
        patience.start()
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline() == b"on\n"
            for _ in range(2):
                process.send_signal(signal.SIGUSR1)
                while not (line := process.stderr.readline()).endswith(b" in stuck\n"):
                    assert line, "it has ended"
        finally:
            patience.cancel()
            process.kill()
