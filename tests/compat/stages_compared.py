"""One record through Headwater's stage and through Java's class of the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from headwater.worker.api import ConfigError, DataError, Options, Predicate, Record, Transform, Values
from headwater.worker.config.plugins import installed

from .java_stages import JavaError, JavaStages
from .typed import read_record, typed_record

FILTERED = "filtered"
FAILED = "failed"
REFUSED = "refused"
"""The config as a whole."""

Outcome = dict[str, Any] | str
"""A record in typed form, or one of the words above."""


class Both(NamedTuple):
    ours: list[Outcome]
    theirs: list[Outcome]
    errors: list[str]
    """What failed here and there, for a look."""


def run_both(java: JavaStages, name: str, config: Mapping[str, str], records: Sequence[Record]) -> Both:
    """`name`: the Java class. Each side sees all records with one instance."""
    errors: list[str] = []
    return Both(_ours(name, config, records, errors), _theirs(java, name, config, records, errors), errors)


def configured(kind: Any, name: str, config: Mapping[str, str]) -> Any:
    """A plugin as the worker makes it. Raises `ConfigError`."""
    made = installed().load(kind, name)()
    assert isinstance(made, Transform | Predicate)
    made.configure(parsed(made.options, config))
    return made


def parsed(options: Options, config: Mapping[str, str]) -> Values:
    values, problems = options.parse(config)
    if problems:
        raise ConfigError(problems)
    return values


def _ours(name: str, config: Mapping[str, str], records: Sequence[Record], errors: list[str]) -> list[Outcome]:
    try:
        transform = configured("transform", name, config)
    except ConfigError as error:
        errors.append(f"ours: {error}")
        return [REFUSED]
    outcomes: list[Outcome] = []
    for record in records:
        try:
            made = transform.apply(record)
        except DataError as error:
            errors.append(f"ours: {error}")
            outcomes.append(FAILED)
            continue
        assert made is None or isinstance(made, Record)
        outcomes.append(FILTERED if made is None else in_order(typed_record(made.replace(offset=None))))
    return outcomes


def _theirs(
    java: JavaStages, name: str, config: Mapping[str, str], records: Sequence[Record], errors: list[str]
) -> list[Outcome]:
    try:
        results = java.transform(name, config, [typed_record(record) for record in records])
    except JavaError as error:
        errors.append(f"theirs: {error}")
        return [REFUSED]
    outcomes: list[Outcome] = []
    for result in results:
        if result is None:
            outcomes.append(FILTERED)
        elif "error" in result:
            errors.append(f"theirs: {result['error']}")
            outcomes.append(FAILED)
        else:
            outcomes.append(in_order(typed_record(read_record(result))))
    return outcomes


def in_order(form: Any) -> Any:
    """Entries of maps sorted: Java's transforms put them into HashMaps."""
    if isinstance(form, list):
        return [in_order(item) for item in form]
    if not isinstance(form, dict):
        return form
    ordered = {name: in_order(item) for name, item in form.items()}
    return {"map": sorted(ordered["map"], key=repr)} if "map" in ordered else ordered
