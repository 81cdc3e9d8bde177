"""What every command has in common: exit status, one clear message, help."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.worker.cli.main import COMMANDS, main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: headwater {name} ")


@pytest.mark.parametrize("arguments", [["nonsense"], ["lint"], ["lint", "--nonsense", "x.yaml"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error: " in captured.err


def test_no_worker_at_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", "http://127.0.0.1:1"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: no worker answers at http://127.0.0.1:1 (")
    assert text.count("\n") == 1


def test_a_traceback_only_when_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_DEBUG", "1")
    assert main(["plugins", "PostgresSinc"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.delenv("HEADWATER_DEBUG")
    assert main(["plugins", "PostgresSinc"]) == 1
    assert capsys.readouterr().err == "error: no plugin 'PostgresSinc' is installed (did you mean PostgresSink?)\n"


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """`headwater plugins | head -1` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from headwater.worker.cli.main import main; sys.exit(main(['plugins', 'worker']))"
    ended = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(write)
    assert ended.stderr == b""
