"""Which plugins are installed, by name; nothing is imported before it is asked for.

A plugin is a Python entry point in one of `GROUPS`, so a third-party plugin works by being installed. The same class
may stand under several names: a short one and those of the Java classes that it replaces.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from typing import Any, Final, Literal

from headwater.worker.api import ConfigError, Connector, Converter, Predicate, Problem, Transform
from headwater.worker.api.connector import SinkConnector, SourceConnector

PluginKind = Literal["source", "sink", "transform", "predicate", "converter"]

GROUPS: Final[dict[PluginKind, str]] = {
    "source": "headwater.sources",
    "sink": "headwater.sinks",
    "transform": "headwater.transforms",
    "predicate": "headwater.predicates",
    "converter": "headwater.converters",
}
_CONTRACTS: Final[dict[PluginKind, type[Any]]] = {
    "source": SourceConnector,
    "sink": SinkConnector,
    "transform": Transform,
    "predicate": Predicate,
    "converter": Converter,
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin under all its names. `package` is the distribution that brought it, with its version."""

    kind: PluginKind
    names: tuple[str, ...]
    target: str
    package: str

    @property
    def name(self) -> str:
        """The short one, the class's own where it is among them."""
        short = [name for name in self.names if "." not in name] or list(self.names)
        return next((name for name in short if self.target.rpartition(":")[2].startswith(name)), short[0])


class Plugins:
    """The installed plugins. Give entry points to look at others than the environment's."""

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        everything = chain.from_iterable(entry_points(group=group) for group in GROUPS.values())
        points = list(everything if found is None else found)
        self._points: dict[PluginKind, dict[str, list[EntryPoint]]] = {}
        for kind, group in GROUPS.items():
            names = self._points.setdefault(kind, {})
            for point in points:
                if point.group == group and point.value not in [p.value for p in names.get(point.name, [])]:
                    names.setdefault(point.name, []).append(point)

    def all(self) -> list[Plugin]:
        """Every plugin, each with all its names, sorted by kind and short name."""
        plugins = []
        for kind, names in self._points.items():
            targets: dict[str, list[EntryPoint]] = {}
            for points in names.values():
                for point in points:
                    targets.setdefault(point.value, []).append(point)
            own = [
                Plugin(kind, tuple(sorted(p.name for p in ps)), value, _package(ps[0])) for value, ps in targets.items()
            ]
            plugins += sorted(own, key=lambda plugin: plugin.name)
        return plugins

    def find(self, kind: PluginKind, name: str, option: str = "type") -> EntryPoint:
        """The entry point for `name`; `option` is what the problem is reported under. Raises `ConfigError`."""
        points = self._lookup(kind, name.strip())
        if not points:
            hint = self._suggest(name, [kind]) or f"`headwater plugins` lists the {kind}s that are installed"
            raise ConfigError([Problem(option, f"no {kind} {name!r} is installed", hint, name)])
        if len(points) > 1:
            packages = " and ".join(sorted(_package(point) for point in points))
            raise ConfigError(
                [Problem(option, f"{name!r} is ambiguous: {packages} both bring one", "remove one of them")]
            )
        return points[0]

    def kind_of(self, name: str) -> Literal["source", "sink"]:
        """Is this connector class a source or a sink? Imports nothing. Raises `ConfigError`."""
        source, sink = self._lookup("source", name.strip()), self._lookup("sink", name.strip())
        if source and sink:
            problem = Problem("connector.class", f"{name!r} is both a source and a sink", "use the full class name")
            raise ConfigError([problem])
        if source or sink:
            return "source" if source else "sink"
        hint = self._suggest(name, ["source", "sink"]) or "`headwater plugins` lists the connectors that are installed"
        raise ConfigError([Problem("connector.class", f"no connector {name!r} is installed", hint, name)])

    def load(self, kind: PluginKind, name: str, option: str = "type") -> type[Any]:
        """Import the plugin's class. Raises `ConfigError` naming the package where that fails."""
        point = self.find(kind, name, option)
        try:
            loaded = point.load()
        except Exception as error:  # a plugin's import may raise anything
            message = f"{kind} {name!r} cannot be imported from {point.value} ({_package(point)}): {_cause(error)}"
            hint = _extra_with_it(point, error) or "reinstall that package, or install what it misses"
            raise ConfigError([Problem(option, message, hint)]) from error
        contract = _CONTRACTS[kind]
        if not (isinstance(loaded, type) and issubclass(loaded, contract)):
            message = f"{point.value} ({_package(point)}) is not a {contract.__name__}"
            raise ConfigError([Problem(option, message, "tell the author of that package")])
        return loaded

    def connector(self, name: str) -> Connector:
        """A new instance of a source's or sink's connector class. Raises `ConfigError`."""
        connector = self.load(self.kind_of(name), name, "connector.class")()
        assert isinstance(connector, Connector)
        return connector

    def _lookup(self, kind: PluginKind, name: str) -> list[EntryPoint]:
        """By the exact name, else as Kafka Connect shortens class names: without package, without a suffix."""
        names = self._points[kind]
        if name in names:
            return names[name]
        found = {p.value: p for full, points in names.items() if name in _short(full) for p in points}
        return list(found.values())

    def _suggest(self, name: str, kinds: Iterable[PluginKind]) -> str:
        known = {full.lower(): full for kind in kinds for full in self._points[kind]}
        near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
        return f"did you mean {known[near[0]]}?" if near else ""


@cache
def installed() -> Plugins:
    """The plugins of this environment, looked up once a process."""
    return Plugins()


def _short(name: str) -> set[str]:
    """Shorter spellings that Kafka Connect takes for a class: `JsonConverter` and `Json` (`PluginUtils.prunedName`)."""
    simple = name.rpartition(".")[2]
    pruned = simple
    for suffix in ("Connector", "Converter", "Transformation", "Predicate"):
        pruned = pruned.removesuffix(suffix)
    return {simple, pruned or simple}


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def _extra_with_it(point: EntryPoint, error: Exception) -> str:
    """How to install the extra of the plugin's own package that brings the missing module; else empty."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if point.dist is None or not missing:
        return ""
    for requirement in point.dist.requires or []:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"""\bextra\s*==\s*["']([\w.-]+)["']""", requirement)
        if name and extra and name[0].replace("-", "_").lower() == missing.lower():
            return f"pip install '{point.dist.name}[{extra[1]}]'"
    return ""


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
