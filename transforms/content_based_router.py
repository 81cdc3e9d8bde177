"""Debezium's ContentBasedRouter: an expression over the record is its topic.

Source: io.debezium.transforms.{ContentBasedRouter,ScriptingTransformation} of Debezium 3.7. It is an expression (CEL),
not a script: see expressions.py.
"""

from __future__ import annotations

from headwater.worker.api import DataError, Option, Options, Record, Transform, Values

from .expressions import Evaluation, not_an_expression
from .scripting_options import SCRIPTING, Applies


class ContentBasedRouter(Transform):
    doc = "Route records by what they hold; Debezium's, with expressions (CEL)."
    options = (
        Options(
            Option(
                "topic.expression", doc="The topic's name; null keeps the old one.",
                validate=not_an_expression("STRING"), importance="high",
            )
        )
        + SCRIPTING
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        self._topic = Evaluation(values["topic.expression"])
        self._applies = Applies(values)

    def apply(self, record: Record) -> Record | None:
        if (decided := self._applies.without_evaluation(record)) is not None:
            return record if decided else None
        try:
            topic = self._topic(record)
        except DataError as error:
            raise DataError(f"{record.where()}: ContentBasedRouter: {error}") from error
        if topic is None or topic == record.topic:
            return record
        if not isinstance(topic, str) or not topic:
            raise DataError(f"{record.where()}: ContentBasedRouter: {self._topic.expression.text} gives no name")
        return record.replace(topic=topic)
