"""Plugins for the tests, installed as a user's own would be: a folder on the path with entry points."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = str(Path(__file__).parent)


def install() -> None:
    """Let this process, and those that it starts, find them."""
    from headwater.worker.config.plugins import installed

    if FOLDER not in sys.path:
        sys.path.insert(0, FOLDER)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [FOLDER, os.environ.get("PYTHONPATH", "")]))
        installed.cache_clear()
