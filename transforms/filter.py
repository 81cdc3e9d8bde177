"""Filter: drops every record that it gets; a predicate says which.

Source: org.apache.kafka.connect.transforms.Filter (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import Record, Transform


class Filter(Transform):
    doc = "Drop records; without a predicate, all of them."

    def apply(self, record: Record) -> None:
        return None
