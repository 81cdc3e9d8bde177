"""Debezium's Filter: records for which a condition is not true are dropped.

Source: io.debezium.transforms.{Filter,ScriptingTransformation} of Debezium 3.7. The condition is an expression (CEL),
not a script: see expressions.py.
"""

from __future__ import annotations

from headwater.worker.api import DataError, Option, Options, Record, Transform, Values

from .expressions import Evaluation, not_an_expression
from .scripting_options import SCRIPTING, Applies


class ContentFilter(Transform):
    doc = "Drop records for which a condition is not true; Debezium's Filter with expressions (CEL)."
    options = (
        Options(
            Option(
                "condition", doc="Records for which this is true stay.", validate=not_an_expression("BOOL"),
                importance="high",
            )
        )
        + SCRIPTING
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        self._condition = Evaluation(values["condition"])
        self._applies = Applies(values)

    def apply(self, record: Record) -> Record | None:
        if (decided := self._applies.without_evaluation(record)) is not None:
            return record if decided else None
        try:
            stays = self._condition(record)
        except DataError as error:
            raise DataError(f"{record.where()}: Filter: {error}") from error
        if not isinstance(stays, bool):
            raise DataError(f"{record.where()}: Filter: {self._condition.expression.text} is neither true nor false")
        return record if stays else None
