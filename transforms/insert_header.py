"""InsertHeader: one more header on every record.

Source: org.apache.kafka.connect.transforms.InsertHeader (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import VERSION_HEADER, Header, Option, Options, Record, Transform, Values
from headwater.worker.api.java.values import parse_text


def not_ours(names: str | list[str]) -> str | None:
    """For `Option.validate`, of one name or several."""
    taken = VERSION_HEADER in ([names] if isinstance(names, str) else names)
    return f"must not be {VERSION_HEADER}, which Headwater alone writes" if taken else None


class InsertHeader(Transform):
    doc = "Add a header."
    options = Options(
        Option("header", doc="Its name.", validate=not_ours, importance="high"),
        Option(
            "value.literal",
            doc="Its value: a number, true, false, a date, a list or a map where it looks like one, else text.",
            importance="high",
        ),
    )

    def configure(self, values: Values) -> None:
        schema, value = parse_text(values["value.literal"])
        self._header = Header(values["header"], value, schema)

    def apply(self, record: Record) -> Record:
        return record.replace(headers=(*record.headers, self._header))
