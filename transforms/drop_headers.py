"""DropHeaders: records without some of their headers.

Source: org.apache.kafka.connect.transforms.DropHeaders (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import Option, Options, OptionType, Record, Transform, Values

from .value_to_key import at_least_one


class DropHeaders(Transform):
    doc = "Drop headers by name."
    options = Options(
        Option("headers", OptionType.LIST, doc="Names of headers.", validate=at_least_one, importance="high")
    )

    def configure(self, values: Values) -> None:
        self._names = frozenset(values["headers"])

    def apply(self, record: Record) -> Record:
        if not record.headers:
            return record
        kept = tuple(header for header in record.headers if header.name not in self._names)
        return record if len(kept) == len(record.headers) else record.replace(headers=kept)
