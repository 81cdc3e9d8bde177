"""Small plugins with the shapes that real ones have, and the entry points that announce them."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import ClassVar

from headwater.worker.api import (
    ConfigError,
    Features,
    Option,
    Options,
    OptionType,
    Predicate,
    Problem,
    Record,
    Sink,
    SinkConnector,
    Source,
    SourceConnector,
    Transform,
    Unsupported,
    Values,
)
from headwater.worker.config.plugins import Plugins


class NumbersConnector(SourceConnector):
    """Counts."""

    options = Options(
        Option("numbers.topic"),
        Option("numbers.to", OptionType.INT, 10),
        Option("numbers.from", OptionType.INT, 0),
        Option("numbers.password", OptionType.PASSWORD, None),
        Option(r"numbers\.skip\.\d+", OptionType.BOOLEAN, pattern=True),
        Unsupported("numbers.random", "numbers come in their order", harmless=("", "false")),
    )
    features = Features(exactly_once=False)

    def validate(self, values: Values) -> list[Problem]:
        if values["numbers.from"] > values["numbers.to"]:
            return [Problem("numbers.from", "is above numbers.to", "swap them")]
        return []

    def task(self) -> Source:
        return Source()


class PrintConnector(SinkConnector):
    options = Options(Option("print.file"))

    def task(self) -> Sink:
        return Sink()


class Rename(Transform):
    """Gives every record another topic."""

    options = Options(Option("to"), Option("key.secret", OptionType.PASSWORD, None))
    to: str = ""

    def configure(self, values: Values) -> None:
        if values["to"] == "refused":
            raise ConfigError([Problem("to", "is refused")])
        if values["to"] == "broken":
            raise ValueError(f"no: {values['key.secret']}")
        self.to = values["to"]

    def apply(self, record: Record) -> Record:
        return record.replace(topic=self.to)


class IsTopic(Predicate):
    options = Options(Option("name"))
    made: ClassVar[int] = 0
    name: str = ""

    def configure(self, values: Values) -> None:
        self.name = values["name"]

    def test(self, record: Record) -> bool:
        return record.topic == self.name


def _points(kind: str, **targets: str) -> list[EntryPoint]:
    return [
        EntryPoint(name, f"tests.unit.config.sample_plugins:{t}", f"headwater.{kind}") for name, t in targets.items()
    ]


CONVERTERS = [
    EntryPoint(name, f"headwater.worker.convert.{module}:{name.rpartition('.')[2]}", "headwater.converters")
    for module, name in (
        ("json", "JsonConverter"),
        ("json", "org.apache.kafka.connect.json.JsonConverter"),
        ("string", "StringConverter"),
        ("header", "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
    )
]

POINTS = [
    *_points("sources", NumbersConnector="NumbersConnector", Broken="NotThere"),
    EntryPoint(
        "org.example.NumbersConnector", "tests.unit.config.sample_plugins:NumbersConnector", "headwater.sources"
    ),
    EntryPoint("Missing", "no_such_module_at_all:X", "headwater.sources"),
    EntryPoint("WrongKind", "tests.unit.config.sample_plugins:Rename", "headwater.sources"),
    *_points("sinks", PrintConnector="PrintConnector"),
    *_points("transforms", Rename="Rename"),
    *_points("predicates", IsTopic="IsTopic"),
    *CONVERTERS,
]

PLUGINS = Plugins(POINTS)
