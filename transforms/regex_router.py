"""RegexRouter: another topic for records whose topic matches.

Source: org.apache.kafka.connect.transforms.RegexRouter (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import ConfigError, Option, Options, Problem, Record, Transform, Values

from .java_regex import compile_java, compile_replacement, java_regex
from .kept import Kept


class RegexRouter(Transform):
    doc = "Change the topic of records by a regular expression that matches its whole name."
    options = Options(
        Option("regex", doc="What the whole topic has to match.", validate=java_regex, importance="high"),
        Option("replacement", doc="The new topic; $1 or ${name} stands for a group.", importance="high"),
    )

    def configure(self, values: Values) -> None:
        self._pattern = compile_java(values["regex"])
        try:
            self._replacement = compile_replacement(self._pattern, values["replacement"])
        except ValueError as error:
            raise ConfigError([Problem("replacement", str(error), value=values["replacement"])]) from error
        self._topics: Kept[str, str] = Kept(self._route)

    def _route(self, topic: str) -> str:
        if not self._pattern.fullmatch(topic):
            return topic
        return self._pattern.sub(self._replacement, topic, count=1)

    def apply(self, record: Record) -> Record:
        topic = self._topics(record.topic)
        return record if topic == record.topic else record.replace(topic=topic)
