"""The options of the file source; those of formats are in `formats.options`."""

from __future__ import annotations

import re
from typing import Any, Final

from headwater.connectors.formats import FORMAT_OPTIONS
from headwater.worker.api import Option, Options, OptionType, at_least

from .finishing import DELETE, KEEP, MOVE


def _absolute(value: list[str]) -> str | None:
    if not value:
        return "names no file"
    wrong = [item for item in value if not item.startswith("/")]
    return f"must be absolute: {', '.join(wrong)} is not" if wrong else None


def _folder(value: Any) -> str | None:
    return None if value is None or value.startswith("/") else "must be an absolute folder"


def _topic(value: Any) -> str | None:
    wanted = "must be made of letters, digits, '.', '_' and '-'"
    return None if re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) else wanted


_FILES: Final = (
    Option("path", OptionType.LIST, doc="Files to read, absolute; several separated by commas. In each part of a path "
           "`*`, `?` and `[…]` are wildcards, `**` stands for any folders: /var/log/shop/**/*.log*.",
           validate=_absolute, importance="high", group="Files"),
    Option("exclude", OptionType.LIST, (), "Patterns of names, or where they hold a slash of whole paths, not to read: "
           "*.gz,*.tmp.", group="Files"),
    Option("topic", doc="Topic to write to.", validate=_topic, importance="high", group="Files"),
    Option("poll.interval.ms", OptionType.LONG, 1_000, "How often to look for new files and for more in known ones.",
           validate=at_least(10), group="Files"),
    Option("complete.after.ms", OptionType.LONG, 30_000, "A file that nobody has written to for so long is complete: "
           "its last row counts although no line feed ends it, and on.done applies.", validate=at_least(0),
           group="Files"),
    Option("on.done", default=KEEP, choices=(KEEP, MOVE, DELETE), importance="high", group="Files",
           doc="What to do with a file that is complete, once the log has all of it."),
    Option("move.to", default=None, validate=_folder, group="Files",
           doc="Folder for on.done: move, on the same file system, where no pattern of `path` finds it. Below it files "
           "keep their path from the pattern's first wildcard on."),
)  # fmt: skip

_RECORDS: Final = (
    Option("key.fields", OptionType.LIST, (), "Fields that make the key, a struct. A row without a value in one of "
           "them is a bad one.", importance="high", group="Records"),
    Option("headers.enabled", OptionType.BOOLEAN, True, "Add the headers headwater.file and headwater.line, which say "
           "where a record comes from. false is faster.", group="Records"),
    Option("batch.size", OptionType.INT, 2_000, "Rows of one batch at most; a batch also ends at 4 MiB.",
           validate=at_least(1), group="Records", importance="low"),
)  # fmt: skip

OPTIONS: Final = Options(*_FILES) + FORMAT_OPTIONS + Options(*_RECORDS)
