"""What Debezium's Filter and ContentBasedRouter share: their language, their topics, records without a value.

Source: io.debezium.transforms.ScriptingTransformation of Debezium 3.7.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Option, Options, Record, Values

from .java_regex import compile_java, java_regex
from .kept import Kept


def _language(text: str) -> str | None:
    if text.lower() == "cel":
        return None
    return (
        "must be cel: Headwater runs no scripts. Write the expression in CEL and set language: cel; much of Groovy "
        "reads the same there, value.op == 'u' && value.before.id == 2. docs/expressions.md has the differences"
    )


SCRIPTING: Final = Options(
    Option("language", default="cel", doc="cel; scripting languages are refused.", validate=_language),
    Option(
        "topic.regex",
        default=None,
        doc="Only records are looked at whose whole topic matches.",
        validate=lambda text: None if text is None else java_regex(text),
        importance="low",
    ),
    Option(
        "null.handling.mode",
        default="keep",
        doc="Records without a value.",
        choices=("keep", "drop", "evaluate"),
        importance="low",
    ),
)


class Applies:
    def __init__(self, values: Values) -> None:
        pattern = compile_java(values["topic.regex"]) if values["topic.regex"] else None
        self._matches: Kept[str, bool] = Kept(lambda topic: pattern is None or pattern.fullmatch(topic) is not None)
        self._nulls: str = values["null.handling.mode"]

    def without_evaluation(self, record: Record) -> bool | None:
        """True: it stays as it is. False: it is dropped. None: the expression decides."""
        if not self._matches(record.topic):
            return True
        if record.value is None and self._nulls != "evaluate":
            return self._nulls == "keep"
        return None
