"""The errors that steer the runtime: which one a plugin raises decides what happens to its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 2_000


def shortened(text: str, longest: int = _LONGEST) -> str:
    """`text`, or its beginning and end: names and values of users, of any length, stand in messages.

    Secrets must have been taken out of it before: half of one would not be known for what it is.
    """
    if len(text) <= longest:
        return text
    left = longest // 2
    return f"{text[:left]}…({len(text) - 2 * left:,} more characters)…{text[-left:]}"


class HeadwaterError(Exception):
    """Base of every error that Headwater raises on purpose.

    The message says what failed, where, and what the user can do about it; it never holds a secret.
    """


class Retriable(HeadwaterError):
    """The same call may go through later (server restarting, connection cut, throttled).

    The runtime retries with backoff, or after `after_s` seconds where it is given.
    """

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Unavailable(Retriable):
    """A service that a stage needs (a schema registry) does not answer: no record is to blame, so none is skipped.

    The runtime waits and tries again, whatever `errors.tolerance` says: for ever, or as long as a positive
    `errors.retry.timeout` says; the task then fails and is restarted with backoff.
    """


class DataError(HeadwaterError):
    """One record cannot be handled: `errors.tolerance` decides between dead letter and failure."""


class Fatal(HeadwaterError):
    """This task cannot go on. It becomes FAILED and is restarted with backoff, within the limit."""


class Fenced(Fatal):
    """Another incarnation of this task has taken over. This one stops at once and is not restarted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config. `option` is the full dotted key; `hint` is the way out, or empty."""

    option: str
    message: str
    hint: str = ""
    value: str | None = None

    def __str__(self) -> str:
        return f"{self.option}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(HeadwaterError):
    """A config cannot be used. Holds every problem found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
