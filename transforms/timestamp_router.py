"""TimestampRouter: topics by the day, or another span of time, of each record.

Source: org.apache.kafka.connect.transforms.TimestampRouter (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import DataError, Option, Options, Record, Transform, Values
from headwater.worker.api.java.dates import DateFormat

from .kept import Kept


def date_format(pattern: str) -> str | None:
    """For `Option.validate`."""
    try:
        DateFormat(pattern)
    except ValueError as error:
        return f"is not a date format as Java's SimpleDateFormat has it: {error}"
    return None


class TimestampRouter(Transform):
    doc = "Put the record's timestamp into its topic."
    options = Options(
        Option("topic.format", default="${topic}-${timestamp}", importance="high",
               doc="The new topic; `${topic}` is the old one, `${timestamp}` the timestamp."),
        Option("timestamp.format", default="yyyyMMdd", validate=date_format, importance="high",
               doc="How the timestamp is written, in the syntax of Java's SimpleDateFormat, in UTC."),
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        self._format: str = values["topic.format"]
        self._times = DateFormat(values["timestamp.format"])
        self._topics: Kept[tuple[str, int], str] = Kept(self._topic)

    def _topic(self, of: tuple[str, int]) -> str:
        topic, unit = of
        time = self._times.format(unit * self._times.unit_ms)
        return self._format.replace("${topic}", topic).replace("${timestamp}", time)

    def apply(self, record: Record) -> Record:
        if record.timestamp_ms is None:
            raise DataError(f"{record.where()}: TimestampRouter: the record has no timestamp")
        return record.replace(topic=self._topics((record.topic, record.timestamp_ms // self._times.unit_ms)))
