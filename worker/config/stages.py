"""The stages between a connector and the log: transforms in order, each with its predicate, and converters."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headwater.worker.api import (
    ConfigError,
    Converter,
    Option,
    Options,
    OptionType,
    Predicate,
    Problem,
    Transform,
    Unsupported,
    Values,
)

from .connector_options import ONE_VERSION
from .plugins import PluginKind, Plugins
from .secrets import Redactor

_TYPE: Final = Option("type", OptionType.CLASS, doc="The plugin's name.")
_VERSION: Final = Unsupported("plugin.version", ONE_VERSION)
_TRANSFORM: Final = Options(
    _TYPE,
    _VERSION,
    Option("predicate", default=None, doc="Apply the transform only where this predicate is true."),
    Option("negate", OptionType.BOOLEAN, False, "Apply it where the predicate is false."),
)
_PREDICATE: Final = Options(_TYPE, _VERSION)
_CONVERTER: Final = Options(
    _VERSION,
    # Many configs carry it from one converter to the next; Kafka Connect's converters ignore what they do not know.
    Unsupported("schemas.enable", "belongs to JsonConverter", harmless=("true", "false")),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One configured transform. It applies where `predicate` is None or `predicate.test(record) != negate`."""

    alias: str
    transform: Transform
    predicate: Predicate | None = None
    negate: bool = False


def build_stages(
    transforms: Sequence[str], predicates: Sequence[str], raw: Mapping[str, str], plugins: Plugins
) -> tuple[tuple[Stage, ...], list[Problem]]:
    """The stages in the order of `transforms`. `raw`: all `transforms.*` and `predicates.*` options of a connector."""
    problems: list[Problem] = []
    tests: dict[str, Predicate | None] = {}
    for alias, own in _by_alias("predicates", predicates, raw, problems).items():
        made, _ = _build(f"predicates.{alias}.", "predicate", own, _PREDICATE, plugins, problems)
        tests[alias] = made
    stages = []
    for alias, own in _by_alias("transforms", transforms, raw, problems).items():
        prefix = f"transforms.{alias}."
        transform, values = _build(prefix, "transform", own, _TRANSFORM, plugins, problems)
        named = values.get("predicate")
        if named and named not in tests:
            hint = _near(named, list(tests)) or f"declare it: predicates: {named}"
            problems.append(Problem(f"{prefix}predicate", f"no predicate {named!r} is declared", hint, named))
        if values.get("negate") and not named:
            problems.append(Problem(f"{prefix}negate", "has no meaning without a predicate", f"set {prefix}predicate"))
        if transform is not None:
            stages.append(Stage(alias, transform, tests.get(named or ""), bool(values.get("negate"))))
    return tuple(stages), problems


def build_converter(
    prefix: str, name: str, raw: Mapping[str, str], is_key: bool, plugins: Plugins
) -> tuple[Converter | None, list[Problem]]:
    """A configured converter. `prefix`: `key.converter.` or the like; `raw`: its own options, that prefix cut off."""
    problems: list[Problem] = []
    try:
        cls = plugins.load("converter", name, prefix.removesuffix("."))
    except ConfigError as error:
        return None, error.problems
    converter: Converter = cls()
    extra = Options(*(e for e in _CONVERTER.entries if converter.options.find(e.name) is None))
    values, wrong = (converter.options + extra).parse(raw)
    problems += _prefixed(prefix, wrong)
    if not wrong:
        _configure(prefix, name, lambda: converter.configure(values, is_key), values, converter.options, problems)
    return converter, problems


def _by_alias(
    section: str, aliases: Sequence[str], raw: Mapping[str, str], problems: list[Problem]
) -> dict[str, dict[str, str]]:
    """The options of each alias without their prefix; those of no alias become problems."""
    own: dict[str, dict[str, str]] = {alias: {} for alias in aliases}
    longest_first = sorted(aliases, key=len, reverse=True)
    for key, text in raw.items():
        if not key.startswith(f"{section}."):
            continue
        rest = key.removeprefix(f"{section}.")
        alias = next((a for a in longest_first if rest.startswith(f"{a}.")), None)
        if alias is None:
            stranger = rest.partition(".")[0]
            hint = _near(stranger, aliases) or f"declare it: {section}: {','.join([*aliases, stranger])}"
            problems.append(Problem(key, f"no {section.removesuffix('s')} {stranger!r} is declared", hint))
        else:
            own[alias][rest.removeprefix(f"{alias}.")] = text
    return own


def _build(
    prefix: str, kind: PluginKind, own: Mapping[str, str], framework: Options, plugins: Plugins, problems: list[Problem]
) -> tuple[Any, Mapping[str, Any]]:
    """A configured transform or predicate (None where it cannot be made) and all its values."""
    if not own.get("type", "").strip():
        problems.append(Problem(f"{prefix}type", "required and missing", f"the name of a {kind}"))
        return None, {}
    try:
        made = plugins.load(kind, own["type"], f"{prefix}type")()
    except ConfigError as error:
        problems += error.problems
        return None, framework.parse({k: v for k, v in own.items() if framework.find(k)})[0]
    values, wrong = (framework + made.options).parse(own)
    problems += _prefixed(prefix, wrong)
    if not wrong:
        _configure(prefix, own["type"], lambda: made.configure(values), values, made.options, problems)
    return made, values


def _configure(
    prefix: str, name: str, configure: Any, values: Values, options: Options, problems: list[Problem]
) -> None:
    try:
        configure()
    except ConfigError as error:
        problems += _prefixed(prefix, error.problems)
    except Exception as error:  # a third party's plugin may refuse in its own way; the user needs to see why
        secrets = [values[o.name] for o in options if o.secret and isinstance(values.get(o.name), str)]
        message = Redactor(secrets).redact(f"{name} refused its options: {type(error).__name__}: {error}")
        problems.append(Problem(prefix.removesuffix("."), message))


def _prefixed(prefix: str, problems: list[Problem]) -> list[Problem]:
    """With the options' full names, in suggestions too."""
    suggestion = "did you mean "
    unknown = "unknown option"
    return [
        Problem(
            prefix + p.option,
            p.message,
            p.hint.replace(suggestion, suggestion + prefix, 1) if p.message == unknown else p.hint,
            p.value,
        )
        for p in problems
    ]


def _near(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""
