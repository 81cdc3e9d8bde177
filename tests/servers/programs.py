"""Programs that the machine must have, by name."""

from __future__ import annotations

import shutil


class MissingTool(RuntimeError):
    """A program that the tests need is not installed; the message says how to get it."""


def program(name: str, package: str) -> str:
    """Its path. `package`: the Debian package that holds it. Raises `MissingTool`."""
    found = shutil.which(name)
    if found is None:
        raise MissingTool(f"{name} is missing: apt-get install {package}")
    return found
