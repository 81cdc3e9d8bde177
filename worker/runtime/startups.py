"""How many starts of tasks came to something. A start has succeeded once the task says that it runs, or is paused."""

from __future__ import annotations

from .supervised import Supervised

__all__ = ["Startups"]


class Startups:
    """Guarded by the supervisor's lock; reading the numbers needs none. A start that was called off counts as neither
    success nor failure."""

    def __init__(self) -> None:
        self.attempts = 0
        self.successes = 0
        self.failures = 0

    def attempted(self, item: Supervised) -> None:
        """A job is no task and is not counted."""
        if not item.work.once:
            self.attempts += 1
            item.starting_up = True

    def told(self, item: Supervised) -> None:
        """The process has said something."""
        if item.starting_up and item.state in ("RUNNING", "PAUSED"):
            item.starting_up = False
            self.successes += 1

    def ended(self, item: Supervised) -> None:
        """The process has failed, or could not be started."""
        if item.starting_up:
            item.starting_up = False
            self.failures += 1
