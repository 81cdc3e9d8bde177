"""The predicates of Kafka Connect: to which records a transform applies.

Source: org.apache.kafka.connect.transforms.predicates (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import Option, Options, Predicate, Record, Values

from .java_regex import compile_java, java_regex
from .kept import Kept


def _not_empty(value: str) -> str | None:
    return None if value else "must not be empty"


class HasHeaderKey(Predicate):
    doc = "True for records with at least one header of this name."
    options = Options(Option("name", doc="The header's name.", validate=_not_empty))

    def configure(self, values: Values) -> None:
        self._name: str = values["name"]

    def test(self, record: Record) -> bool:
        return any(header.name == self._name for header in record.headers)


class RecordIsTombstone(Predicate):
    doc = "True for records without a value."

    def test(self, record: Record) -> bool:
        return record.value is None


class TopicNameMatches(Predicate):
    doc = "True for records whose whole topic matches."
    options = Options(
        Option(
            "pattern",
            doc="A regular expression, in Java's syntax.",
            validate=lambda text: _not_empty(text) or java_regex(text),
        )
    )

    def configure(self, values: Values) -> None:
        pattern = compile_java(values["pattern"])
        self._matches: Kept[str, bool] = Kept(lambda topic: pattern.fullmatch(topic) is not None)

    def test(self, record: Record) -> bool:
        return self._matches(record.topic)
